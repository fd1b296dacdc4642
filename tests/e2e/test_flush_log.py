"""Rows that were pushed a moment ago, and wait in the store: whoever reads the log next has them all the same."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pandas as pd
import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, HotrowError, Int64, PushSource
from hotrow.errors import Code
from hotrow.repo import link
from hotrow.supervisor.run import ingest_socket
from hotrow.supervisor.state import StoreHeldError, read_state

from tests.support.pushlog import logged_rows, write_settings

USER = Entity("user", join_keys={"user_id": Int64})
CLICKS = FeatureView("clicks", entities=[USER], schema=[Field("n", Int64)])
WAIT_S = 60.0


@pytest.fixture
def store(tmp_path):
    """A store with a view that is pushed only, whose log is written when somebody asks for it, or not for an hour."""
    write_settings(tmp_path)
    return FeatureStore(tmp_path).apply([USER, CLICKS, PushSource("clicks_push", view=CLICKS)], author="ada")


@pytest.fixture
def serve(store):
    """`hotrow serve` in a process of its own, which a test may kill."""
    made = []

    def start():
        command = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(store.repo), "serve"]
        made.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until(lambda: read_state(store._workspace.settings).ingest_socket() is not None)
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait(WAIT_S)


def until(holds):
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def push(store, *users, to="offline"):
    rows = {"user_id": list(users), "n": [10 * user for user in users]}
    assert store.push("clicks_push", rows, to=to).written == len(users)


def trained(store, *users):
    """What a training set has of each user now."""
    frame = pd.DataFrame({"user_id": list(users), "event_timestamp": [datetime.now(UTC)] * len(users)})
    found = store.get_historical_features(frame, ["clicks:n"])["n"]
    return [None if pd.isna(value) else int(value) for value in found]


def log_of(store):
    return logged_rows(store._workspace.settings.offline_store.path, store.snapshot().view_id("clicks"))


def online(store, *users):
    return [row["n"] for row in store.get_online_features(["clicks:n"], {"user_id": list(users)}).to_rows()]


def test_what_was_pushed_is_in_the_next_training_set(store):
    """Though the log is written once an hour; each row once, however often it is asked for."""
    with store.serving():
        push(store, 1)
        assert trained(store, 1, 2) == [10, None]
        push(store, 2, to="both")
        assert [trained(store, 1, 2) for _ in range(3)] == [[10, 20]] * 3
        assert len(log_of(store)) == 2


def test_what_was_pushed_is_loaded_by_the_next_materialization(store):
    """Of a view that nothing was logged of before, up to now: so that none is before the watermark that is left."""
    with store.serving():
        push(store, 1, 2)
        assert online(store, 1) == [None]
        (report,) = store.materialize_incremental()
        assert (report.read, report.written) == (2, 2)
        assert online(store, 1, 2) == [10, 20]
        push(store, 3)
        (report,) = store.materialize_incremental()  # from the newest row on, with those of its very time
        assert (report.read, report.written, report.stale) == (3, 1, 2)


def test_what_a_killed_server_has_left_is_there(store, serve):
    """No worker runs: one is started, for a training set too, and none where nothing waits."""
    server = serve()
    push(store, 1, 2)
    server.kill()
    server.wait(WAIT_S)
    until(lambda: not read_state(store._workspace.settings).supervisors)
    assert log_of(store) == []
    assert trained(store, 1, 2, 3) == [10, 20, None]
    assert len(log_of(store)) == 2
    (report,) = store.materialize_incremental()
    assert report.written == 2


@pytest.mark.filterwarnings("ignore:waiting for process")  # where the next worker takes its time
@pytest.mark.parametrize("place", ["log_written", "log_renamed"])
def test_a_worker_that_dies_while_it_logs(store, monkeypatch, place):
    """Before the second file has its name, and after, when its entries are still in the outbox: the next goes on."""
    monkeypatch.setenv("HOTROW_FAILPOINT", f"{place}:2")
    armed = FeatureStore(store.repo)
    with armed.serving():
        before = ingest_pid(armed)
        push(armed, 1)
        assert trained(armed, 1) == [10]
        push(armed, 2)
        (report,) = armed.materialize_incremental()
        assert report.written == 2
        assert ingest_pid(armed) != before
        assert len(log_of(armed)) == 2


def ingest_pid(store):
    return next(worker.pid for worker in read_state(store._workspace.settings).workers if worker.role == "ingest")


def test_a_log_that_cannot_be_written(store):
    """Nothing is loaded and no watermark set, which would pass the rows by; a training set goes on, and warns."""
    data = store.repo / "data"
    data.mkdir(exist_ok=True)
    with store.serving():
        (data / "log").write_text("in the way")
        push(store, 1)
        with pytest.raises(HotrowError, match=r"offline_store\.path"):
            store.materialize_incremental()
        with (
            pytest.raises(HotrowError, match="no pushed row") as caught,
            pytest.warns(UserWarning, match="may be miss"),
        ):
            trained(store, 1)
        assert caught.value.code is Code.FAILED_PRECONDITION
        (data / "log").unlink()
        (report,) = store.materialize_incremental()
        assert report.written == 1


def test_a_command_waits_for_the_worker_of_another(store):
    """It says for whom, and does its work when that one has ended."""
    settings = store._workspace.settings
    with store.serving():
        push(store, 1)
    said, made = [], []
    load = threading.Thread(target=lambda: made.append(_load(settings, said)))
    with ingest_socket(link.quiet(settings)):
        load.start()
        until(lambda: said)
        assert not made
    load.join(WAIT_S)
    assert made == ["connected"]
    assert [message for message in said if f"process {os.getpid()}" in message] == said[:1] == said


def _load(settings, said):
    with ingest_socket(link.quiet(settings), wait_s=WAIT_S, say=said.append) as path:
        return "connected" if path.exists() else "not there"


def test_waiting_for_another_has_an_end(store):
    """Then the message is that of a store that has a worker."""
    settings = link.quiet(store._workspace.settings)
    with (
        ingest_socket(settings),
        pytest.raises(StoreHeldError, match="has an ingest worker already"),
        ingest_socket(settings, wait_s=0.3),
    ):
        pass
