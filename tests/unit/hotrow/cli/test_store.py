"""store: what is in it, upkeep, and building it anew."""

import json
import subprocess
import sys

from hotrow.stores.lmdb.store import LmdbStore

TIMEOUT_S = 100


def test_there_is_none_yet(hotrow, rides):
    """The remedy is named."""
    hotrow("apply", "-C", rides)
    for command in ("info", "verify", "gc"):
        outcome = hotrow("store", command, "-C", rides)
        assert outcome.code == 1
        assert "there is no store at" in outcome.err


def test_info_beside_a_running_server(hotrow, served):
    """Identity, size, and each view's watermark and rows."""
    document = json.loads(hotrow("store", "info", "--views", "--json", "-C", served.repo).out)
    assert (document["type"], document["epoch"]) == ("lmdb", 1)
    (view,) = [v for v in document["views"] if v["view"] == "driver_hourly_stats"]
    assert view["rows"] >= 5
    assert view["materialized_to"].endswith("Z")
    assert "driver_hourly_stats" in hotrow("store", "info", "-C", served.repo).out


def test_verify_beside_a_running_server(hotrow, served):
    """Reads only."""
    outcome = hotrow("store", "verify", "--json", "-C", served.repo)
    assert outcome.code == 0
    assert json.loads(outcome.out)["sound"] is True


def test_what_writes_is_refused_beside_a_running_server(hotrow, served):
    """The worker is the only writer."""
    for command in (["gc"], ["rebuild", "--yes"]):
        outcome = hotrow("store", *command, "-C", served.repo)
        assert outcome.code == 1
        assert "process" in outcome.err
        assert "stop" in outcome.err
    assert hotrow("get", "driver_activity", "driver_id=1001", "-C", served.repo).code == 0


def _run(repo, *arguments):
    command = [sys.executable, "-m", "hotrow.cli.main", *arguments, "-C", str(repo)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_rebuild_of_a_damaged_store(hotrow, rides):
    """The old one is put aside, views with a source are loaded anew, and what is lost is said."""
    hotrow("apply", "-C", rides)
    assert _run(rides, "materialize", "2020-01-01", "now").returncode == 0
    data = rides / "data" / "online" / "data.mdb"
    data.write_bytes(b"\xff" * 8192)
    assert hotrow("store", "info", "-C", rides).code == 1
    rebuilt = _run(rides, "store", "rebuild", "--yes", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr[-2000:]
    assert json.loads(rebuilt.stdout)[0]["written"] == 5
    assert "rows that were pushed to ONLINE alone are not rebuilt" in rebuilt.stderr
    assert hotrow("store", "verify", "-C", rides).out == "sound: 5 rows\n"
    assert json.loads(hotrow("store", "info", "--json", "-C", rides).out)["epoch"] > 1
    (old,) = data.parent.glob("old-*")
    assert (old / "data.mdb").stat().st_size == 8192
    assert json.loads(hotrow("store", "gc", "--json", "-C", rides).out)["old_stores"] == 1
    assert not old.exists()
    assert hotrow("store", "verify", "-C", rides).out == "sound: 5 rows\n"


def test_a_rebuild_that_fails_keeps_the_old_store(hotrow, rides):
    """What it put aside may be all there is."""
    hotrow("apply", "-C", rides)
    online = rides / "data" / "online"
    LmdbStore(online, writable=True).close()
    settings = rides / "hotrow.toml"
    settings.write_text(settings.read_text().replace("[online_store]", "[online_store]\nsize_gib = 0.000001"))
    failed = _run(rides, "store", "rebuild", "--yes")
    assert failed.returncode == 1
    assert "the new store is not complete" in failed.stderr
    assert json.loads(hotrow("store", "gc", "--json", "-C", rides).out)["old_stores"] == 0
    assert (online / "old-1" / "data.mdb").exists()
