"""A call that its worker does not survive: given to two workers, and then to nobody; a row that does it is named."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hotrow_client import Client
from hotrow_client.rpc_error import HotrowRpcError
from support.ports import free_ports

from .processes import READY_S, Program, Repository, until

# A number that no row of `apply` has: those that its transforms' code names, and their neighbours, are tried there.
DEADLY = 123456789.0

DEFINITIONS = """
from hotrow import Entity, FeatureView, Field, Float64, Int64, ParquetSource, PushSource, transform

driver = Entity("driver", join_keys={"driver_id": Int64})
stats = FeatureView(
    "stats", entities=[driver], schema=[Field("value", Float64), Field("other", Float64, default=0.0)],
    source=ParquetSource("stats.parquet", event_time="at"),
)
stats_push = PushSource("stats_push", view=stats)


@transform(sources=[stats], outputs=[Field("pushed", Float64)], at="push", mode="python")
def pushed(value):
    import os
    if value * 3 == 370370367:
        os.kill(os.getpid(), 9)
    return value


@transform(sources=[stats], outputs=[Field("read_back", Float64)], mode="python")
def read_back(other):
    import os
    if other * 3 == 370370367:
        os.kill(os.getpid(), 9)
    return other
"""


@pytest.fixture
def repository(tmp_path):
    server, ingest = free_ports(2)
    (tmp_path / "hotrow.toml").write_text(
        f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 1\ndrain_s = 5\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\ndrain_s = 5\n'
    )
    (tmp_path / "features.py").write_text(DEFINITIONS)
    values = [float(number) for number in range(1000)]
    values[613] = DEADLY
    frame = pd.DataFrame({"driver_id": range(1000), "value": values, "other": 1.0})
    frame["at"] = pd.Timestamp("2024-05-01", tz="UTC")
    frame.to_parquet(tmp_path / "stats.parquet")
    made = Repository.__new__(Repository)
    made.path = tmp_path
    assert _hotrow(tmp_path, "apply").returncode == 0
    return made


def _hotrow(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "hotrow.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=READY_S, check=False)


def _restarts(serve: Program) -> int:
    return sum(worker.restarts for worker in serve.state().workers)


def test_a_call_is_given_to_two_workers_and_then_to_nobody(repository, run):
    """A push through the server and straight to the ingest worker, and a read; others are answered as before."""
    serve = run("serve")
    serve.wait_ready()
    settings = repository.settings
    with (
        Client(settings.server.address, timeout_s=60.0) as client,
        Client(settings.server.address, ingest_address=settings.ingest.address, timeout_s=60.0) as producer,
    ):
        deaths = 0
        for pusher in (client, producer):
            with pytest.raises(HotrowRpcError, match=r"died, twice, .* the push to stats_push may be what ends it"):
                pusher.push("stats_push", {"driver_id": [1, 2], "value": [1.0, DEADLY]})
            deaths += 2
            until(lambda expected=deaths: _restarts(serve) == expected, 60.0)
        assert client.push("stats_push", {"driver_id": [1], "value": [1.0]}).written == 1
        assert client.push("stats_push", {"driver_id": [2], "value": [2.0], "other": [DEADLY]}).written == 1
        with pytest.raises(HotrowRpcError, match=r"died, twice, .* the read of read_back:read_back may be"):
            client.read(["read_back:read_back"], {"driver_id": [1, 2]})
        deaths += 2
        until(lambda: _restarts(serve) == deaths, 60.0)
        assert client.read(["read_back:read_back"], {"driver_id": [1]}).columns["read_back"].to_list() == [0.0]


def test_a_row_of_a_source_that_kills_is_found_and_named(repository):
    """All others are written, and the worker that the command starts is started again until the row is found."""
    done = _hotrow(repository.path, "materialize", "2024-01-01", "now")
    assert done.returncode == 1
    assert "the row of view stats with driver_id=613 of 2024-05-01T00:00:00Z" in done.stderr
    assert "not written" in done.stderr
    info = _hotrow(repository.path, "store", "info", "--json")
    assert '"rows": 6' in info.stdout or '"rows": 9' in info.stdout, info.stdout
