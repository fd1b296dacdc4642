"""A command works on the project and the store of its own repository, and on no other that answers at its addresses."""

import json
import shutil

import pytest
from hotrow.cli.workspace import open_workspace
from hotrow.rpc.address import lock_address, served_store
from hotrow.stores.lmdb.identity import read_identity
from hotrow.stores.lmdb.store import LmdbStore

ROW = ("driver_id=1001", "conv_rate=0.5", "avg_daily_trips=3", "fare=1.5")


@pytest.fixture
def copied(served, tmp_path):
    """Makes a repository with the addresses of the served one: a checkout of it, or of another project."""

    def make(project: str = ""):
        repo = tmp_path / "copy"
        ignored = shutil.ignore_patterns("online*", "log", "serve.log")
        shutil.copytree(served.repo, repo, ignore=ignored)
        if project:
            settings = repo / "hotrow.toml"
            ours = open_workspace(served.repo).project
            settings.write_text(settings.read_text().replace(f'project = "{ours}"', f'project = "{project}"'))
        return repo

    return make


def test_another_project_is_neither_written_nor_read(hotrow, served, copied):
    """Its server says which one it serves."""
    repo = copied("other")
    assert hotrow("apply", "-C", repo).code == 0
    ours = open_workspace(served.repo).project
    before = hotrow("get", "driver_activity", "driver_id=1001", "--json", "-C", served.repo).out
    push = next(iter(open_workspace(repo).snapshot().push_sources))
    for command in (("push", push, *ROW), ("get", "driver_activity", "driver_id=1001")):
        outcome = hotrow(*command, "-C", repo)
        assert outcome.code == 1, outcome
        assert f"unknown project 'other': this server serves project '{ours}'" in outcome.err
    assert hotrow("get", "driver_activity", "driver_id=1001", "--json", "-C", served.repo).out == before


def test_a_second_checkout_does_not_load_into_the_store_of_the_first(hotrow, served, copied):
    """Of one project, with one registry's snapshots: only the stores tell them apart. `--remote` means the other."""
    repo = copied()
    theirs, ours = (open_workspace(one).settings.online_store.path for one in (served.repo, repo))
    for command in (("materialize", "2020-01-01", "now"), ("materialize-incremental", "now")):
        outcome = hotrow(*command, "-C", repo)
        assert outcome.code == 1
        assert f"writes {theirs}, and the store of this repository is {ours}" in outcome.err
        assert "hotrow materialize --remote" in outcome.err
    assert not ours.exists()
    outcome = hotrow("materialize", "2020-01-01", "now", "--remote", "--dry-run", "--json", "-C", repo)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)[0]["read"] > 0


def test_a_snapshot_that_a_remote_worker_lacks(hotrow, served, copied):
    """It reads another registry: to pin the snapshot in this one would not help."""
    repo = copied()
    definitions = repo / "features.py"
    with definitions.open("a") as file:
        file.write('\nhotrow_new = Entity("new_entity", join_keys={"new_id": Int64})\n')
    assert hotrow("apply", "-C", repo).code == 0
    outcome = hotrow("materialize", "2020-01-01", "now", "--remote", "-C", repo)
    assert outcome.code == 1
    assert "have it read the registry of this repository" in outcome.err
    assert "registry pin" not in outcome.err


def test_a_training_set_of_a_second_checkout_leaves_the_worker_of_the_first_alone(hotrow, copied, tmp_path):
    """It flushes the log of its own store, which has nothing to flush."""
    repo = copied()
    entities = tmp_path / "entities.csv"
    entities.write_text("driver_id,event_timestamp\n1001,2024-01-01\n")
    output = tmp_path / "out.parquet"
    outcome = hotrow("historical", entities, "driver_activity", "-o", output, "-C", repo)
    assert outcome.code == 0, outcome.err


def test_a_store_belongs_to_the_project_that_made_it(hotrow, rides, tmp_path):
    """Neither opened nor rebuilt by another; one of before is taken over by the first that writes it."""
    assert hotrow("apply", "-C", rides).code == 0
    store = open_workspace(rides).settings.online_store.path
    LmdbStore(store, writable=True).close()
    assert read_identity(store).project == ""
    assert hotrow("materialize", "2020-01-01", "now", "-C", rides).code == 0
    owner = open_workspace(rides).project
    assert read_identity(store).project == owner
    other = tmp_path / "other"
    shutil.copytree(rides, other, ignore=shutil.ignore_patterns("data"))
    settings = other / "hotrow.toml"
    text = settings.read_text().replace(f'project = "{owner}"', 'project = "other"')
    settings.write_text(text.replace('path = "data/online"', f'path = "{store}"'))
    assert open_workspace(other).settings.online_store.path == store
    shutil.copytree(rides / "data", other / "data", ignore=shutil.ignore_patterns("online*"))
    assert hotrow("apply", "-C", other).code == 0
    rows = hotrow("store", "info", "--json", "-C", rides).out
    for command in (("rebuild", "--yes"), ("gc",), ("verify",), ("info",)):
        outcome = hotrow("store", *command, "-C", other)
        assert outcome.code == 1, command
        assert f"belongs to project '{owner}', and this is project 'other'" in outcome.err
    assert json.loads(hotrow("store", "info", "--json", "-C", rides).out)["rows"] == json.loads(rows)["rows"]


def test_a_rebuild_asks(hotrow, rides):
    """Where nobody can be asked it is refused, and changes nothing."""
    assert hotrow("apply", "-C", rides).code == 0
    assert hotrow("materialize", "2020-01-01", "now", "-C", rides).code == 0
    outcome = hotrow("store", "rebuild", "-C", rides)
    assert outcome.code == 1
    assert "say so with --yes" in outcome.err
    assert not list(open_workspace(rides).settings.online_store.path.glob("old-*"))
    assert hotrow("store", "rebuild", "--yes", "-C", rides).code == 0


def test_the_store_at_an_address_is_known_while_it_is_served(tmp_path):
    """By any of its spellings; afterwards the file only says who was there last."""
    assert served_store("127.0.0.1:1234", folder=tmp_path) == ""
    lock = lock_address("localhost:1234", store="/a store/online", folder=tmp_path)
    assert served_store("127.0.0.1:1234", folder=tmp_path) == "/a store/online"
    assert served_store("0.0.0.0:1234", folder=tmp_path) == "/a store/online"
    lock.release()
