"""materialize: with a running server and without one."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.cli.workspace import open_workspace
from hotrow.offline.delivery import PATIENCE_S
from hotrow.repo.link import quiet
from hotrow.repo.load import read_watermarks
from hotrow.stores.lmdb.store import LmdbStore

TIMEOUT_S = 100


def _run(repo, *arguments):
    """In a process of its own, which may start a worker."""
    command = [sys.executable, "-m", "hotrow.cli.main", *arguments, "-C", str(repo)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def put_source(repo, rows):
    """A source of as many drivers, in the first second of 1970."""
    table = pa.table(
        {
            "driver_id": pa.array(range(rows)),
            "conv_rate": pa.array([0.5] * rows),
            "avg_daily_trips": pa.array([1] * rows),
            "event_timestamp": pa.array(range(rows), pa.timestamp("us")),
            "created": pa.array([0] * rows, pa.timestamp("us")),
        }
    )
    pq.write_table(table, repo / "data" / "driver_stats.parquet")


def test_without_a_server_a_worker_is_started_for_the_run(hotrow, rides):
    """And gone afterwards: the store can be opened for writing. The second run finds every row stale."""
    hotrow("apply", "-C", rides)
    first = _run(rides, "materialize", "2020-01-01", "now", "--json")
    assert first.returncode == 0, first.stderr[-2000:]
    (report,) = json.loads(first.stdout)
    assert (report["view"], report["read"], report["written"], report["rejected"]) == ("driver_hourly_stats", 240, 5, 0)
    again = json.loads(_run(rides, "materialize-incremental", "now", "--json").stdout)[0]
    assert (again["read"], again["stale"], again["start"]) == (5, 5, report["watermark"])
    assert hotrow("store", "gc", "-C", rides).code == 0
    assert hotrow("store", "verify", "-C", rides).out == "sound: 5 rows\n"


def test_with_a_server_its_worker_takes_the_rows(hotrow, served):
    """No second writer is started, and what was pushed later stays."""
    hotrow("push", "driver_stats_push", "driver_id=1005", "conv_rate=0.125", "avg_daily_trips=1", "-C", served.repo)
    outcome = _run(served.repo, "materialize", "2020-01-01", "now", "--json")
    assert outcome.returncode == 0, outcome.stderr
    (report,) = json.loads(outcome.stdout)
    assert (report["written"], report["stale"], report["superseded"]) == (0, 5, 235)
    read = hotrow("get", "driver_hourly_stats:conv_rate", "driver_id=1005", "-C", served.repo, "--json").out
    assert json.loads(read)["rows"][0]["features"]["conv_rate"]["value"] == 0.125


def test_the_watermark_is_the_stores(served):
    """Read beside the running worker."""
    workspace = open_workspace(served.repo)
    settings = quiet(workspace.settings)
    assert settings.log.level == "warning"
    assert (
        read_watermarks(settings, workspace.snapshot(), ["driver_hourly_stats"]).watermarks["driver_hourly_stats"] > 0
    )


def test_a_full_store_is_told_at_once(hotrow, rides):
    """With what to do about it: it does not pass by itself, and trying again for a minute would waste that."""
    put_source(rides, 40_000)
    settings = rides / "hotrow.toml"
    settings.write_text(settings.read_text().replace("[online_store]", "[online_store]\nsize_gib = 0.001"))
    hotrow("apply", "-C", rides)
    began_s = time.monotonic()
    outcome = _run(rides, "materialize", "1970-01-01", "now")
    assert outcome.returncode == 1
    assert time.monotonic() - began_s < PATIENCE_S / 2
    assert "is full; raise online_store.size_gib" in outcome.stderr
    assert "hotrow store gc" in outcome.stderr


def test_a_remote_worker_keeps_its_watermarks_to_itself(hotrow, rides):
    """A store that lies here is not asked, and nothing is sent; the remedy is told. The address has a name."""
    hotrow("apply", "-C", rides)
    LmdbStore(rides / "data" / "online", writable=True).close()
    with socket.socket() as listening:
        listening.bind((socket.gethostname(), 0))
        listening.listen()
        address = f"{socket.gethostname()}:{listening.getsockname()[1]}"
        settings = rides / "hotrow.toml"
        ours = open_workspace(rides).settings.ingest.address
        settings.write_text(settings.read_text().replace(ours, address))
        outcome = hotrow("materialize-incremental", "now", "-C", rides)
    assert outcome.code == 1
    assert f"the ingest worker at {address} is remote" in outcome.err
    assert "on its machine, or name both times: `hotrow materialize`" in outcome.err


def test_an_interrupt_is_clean_and_the_rest_comes_later(hotrow, rides):
    """Ctrl-C reaches the whole group, the worker too; then the same command completes the work."""
    rows = 800_000
    put_source(rides, rows)
    hotrow("apply", "-C", rides)
    command = [sys.executable, "-m", "hotrow.cli.main", "materialize", "1970-01-01", "now", "-C", str(rides)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore it. (No thread of the tests holds a lock that the lambda would wait for.)
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    store = rides / "data" / "online" / "data.mdb"
    deadline = threading.Timer(TIMEOUT_S, process.kill)
    deadline.start()
    try:
        while process.poll() is None and not (store.exists() and store.stat().st_size > 1 << 20):
            threading.Event().wait(0.002)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        deadline.cancel()
    assert process.returncode == 130, err[-2000:]
    assert "interrupted" in err
    assert "Traceback" not in err
    done = json.loads(hotrow("store", "info", "--views", "--json", "-C", rides).out)["views"][0]
    assert 0 < done["rows"] < rows
    assert done["materialized_to"] == ""
    (report,) = json.loads(_run(rides, "materialize", "1970-01-01", "now", "--json").stdout)
    assert (report["written"], report["stale"]) == (rows - done["rows"], done["rows"])


HOUR_US = 3_600_000_000


def put_hours(repo, hours, file="driver_stats.parquet"):
    """A source of driver 1001 with a row at each of these hours of 2024."""
    at = pa.array([1704067200_000000 + int(hour * HOUR_US) for hour in hours], pa.timestamp("us"))
    table = pa.table(
        {
            "driver_id": pa.array([1001 + place for place in range(len(hours))]),
            "conv_rate": pa.array([0.5] * len(hours)),
            "avg_daily_trips": pa.array([1] * len(hours)),
            "event_timestamp": at,
            "created": at,
        }
    )
    pq.write_table(table, repo / "data" / file, row_group_size=2)


def _incremental(repo):
    outcome = _run(repo, "materialize-incremental", "now", "--json")
    assert outcome.returncode == 0, outcome.stderr
    (report,) = json.loads(outcome.stdout)
    return report["read"], report["written"], outcome.stderr


def test_a_source_that_lags_is_loaded_run_by_run(hotrow, rides):
    """The watermark is its newest row, not the time of the run; rows of that very time may come later, too."""
    put_hours(rides, [1, 2])
    hotrow("apply", "-C", rides)
    assert _incremental(rides)[:2] == (2, 2)
    assert _incremental(rides)[:2] == (1, 0)
    put_hours(rides, [1, 2, 2, 3])
    read, written, err = _incremental(rides)
    assert (read, written) == (3, 2)
    assert "not loaded" not in err
    store = json.loads(hotrow("store", "info", "--views", "--json", "-C", rides).out)["views"][0]
    assert (store["rows"], store["materialized_to"]) == (4, "2024-01-01T03:00:00Z")


def test_rows_that_come_too_late_are_said_until_they_are_loaded(hotrow, rides):
    """How many there are, and what helps; then nothing more is said."""
    put_hours(rides, [1, 2, 3, 4, 5])
    hotrow("apply", "-C", rides)
    assert _incremental(rides)[:2] == (5, 5)
    put_hours(rides, [1, 2, 3, 4, 5, 1.5, 2.5])
    for _ in range(2):
        read, written, err = _incremental(rides)
        assert (read, written) == (1, 0)
        assert "driver_hourly_stats: 2 rows that came to the source since have event times before" in err
        assert "`hotrow materialize START 2024-01-01T05:00:00Z --views driver_hourly_stats` loads them" in err
    outcome = _run(rides, "materialize", "2024-01-01", "2024-01-01T05:00:00Z", "--json")
    assert json.loads(outcome.stdout)[0]["written"] == 2
    read, written, err = _incremental(rides)
    assert (read, written) == (1, 0)
    assert "not loaded" not in err


def test_a_source_with_lateness_is_read_again_that_far_back(hotrow, rides):
    """Rows within it are loaded; what is older still is said."""
    features = rides / "features.py"
    text = features.read_text().replace("event_time=", "lateness=timedelta(hours=2), event_time=")
    features.write_text(f"from datetime import timedelta\n{text}")
    put_hours(rides, [1, 2, 3, 4, 5])
    assert hotrow("apply", "-C", rides).code == 0
    assert _incremental(rides)[:2] == (5, 5)
    put_hours(rides, [1, 2, 3, 4, 5, 3, 4.5, 2.9])
    read, written, err = _incremental(rides)
    assert (read, written) == (5, 2)
    assert "driver_hourly_stats: 1 rows that came to the source since have event times before 2024-01-01T03" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["materialize", "soon", "now"], "START: 'soon' is no time"),
        (["materialize", "2024-01-02", "2024-01-01"], "is not before END"),
        (["materialize", "2024-01-01", "now", "--views", "nope"], "unknown feature view 'nope'"),
        (["materialize", "2024-01-01", "now", "--branch", "nope"], "'nope'"),
    ],
)
def test_wrong_input_is_told_before_a_worker_is_started(hotrow, rides, arguments, says):
    """At once."""
    hotrow("apply", "-C", rides)
    outcome = hotrow(*arguments, "-C", rides)
    assert outcome.code == 1
    assert says in outcome.err
    assert not (rides / "data" / "online").exists()


def test_a_source_that_is_missing_is_told_before_a_worker_is_started(hotrow, rides):
    """With the file."""
    hotrow("apply", "-C", rides)
    (rides / "data" / "driver_stats.parquet").unlink()
    outcome = hotrow("materialize", "2024-01-01", "now", "-C", rides)
    assert "there is no file or folder" in outcome.err
    assert not (rides / "data" / "online").exists()


def test_nothing_to_materialize_is_no_error(hotrow, clicks):
    """Views that are pushed only."""
    hotrow("apply", "-C", clicks)
    outcome = hotrow("materialize", "2024-01-01", "now", "-C", clicks)
    assert outcome.code == 0
    assert "nothing to materialize" in outcome.err
