"""What a repository's store says of rows that a change would not fit, on each kind of store."""

import struct

import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64
from hotrow.registry.snapshot import Snapshot
from hotrow.repo import stored_rows
from hotrow.repo.stored_rows import RepositoryRows
from hotrow.settings import load_settings
from hotrow.stores.open import open_store
from hotrow.stores.port import Write

SIGN = 1 << 63
DRIVER = Entity("driver", join_keys={"driver_id": Int64})
KINDS = {"lmdb": None, "redis": "redis_server", "cluster": "redis_cluster"}


def _snapshot(type_, namespace="", **options):
    view = FeatureView("stats", entities=[DRIVER], schema=[Field("fare", type_)], **options)
    return Snapshot("rides", namespace, entities={"driver": DRIVER}, views={"stats": view})


INTS, FLOATS = _snapshot(Int64), _snapshot(Float64)


@pytest.fixture(params=sorted(KINDS))
def settings(request, tmp_path):
    """Of a repository whose registry is its own, and whose store is of each kind."""
    text = 'project = "rides"\n[ingest]\naddress = "127.0.0.1:1"\n[online_store]\n'
    if KINDS[request.param]:
        mode = 'mode = "cluster"\n' if request.param == "cluster" else ""
        url = request.getfixturevalue(KINDS[request.param]).url
        text += f'type = "redis"\nurl = "{url}"\nprefix = "{tmp_path.name}:"\n{mode}'
    (tmp_path / "hotrow.toml").write_text(text)
    return load_settings(tmp_path)


def _write(settings, snapshot, *, tombstone=False, schemas=True):
    view = snapshot.views["stats"]
    head = struct.pack("<IBBH8s", 36, 1, int(tombstone), 0, view.fingerprint)
    row = head + struct.pack(">QQ", 1 + SIGN + tombstone, SIGN) + b"csum"
    store = open_store(settings.online_store, project="", writable=True)
    if schemas:
        store.put_schemas({view.fingerprint: view.schema_bytes})
    store.write([Write(snapshot.view_id("stats"), [b"key"], [row])])
    store.close()


def test_rows_of_another_type_are_found(settings):
    """And none before there is a store, or of the type that it is to have, or that are deleted."""
    rows = RepositoryRows(settings)
    assert rows.unfit(INTS, FLOATS, "stats") == ""
    _write(settings, INTS)
    assert rows.unfit(INTS, FLOATS, "stats") == "the store has rows of it"
    assert rows.unfit(FLOATS, INTS, "stats") == ""
    assert rows.unfit(None, _snapshot(Float64, "branch"), "stats") == ""
    _write(settings, INTS, tombstone=True)
    assert rows.unfit(INTS, FLOATS, "stats") == ""


def test_rows_that_would_not_be_found_any_more_count_all(settings):
    """Of a view whose id changes; of another namespace they are nobody's loss."""
    _write(settings, INTS)
    rows = RepositoryRows(settings)
    assert rows.unfit(INTS, _snapshot(Int64, generation=1), "stats") == "the store has rows of it"
    assert rows.unfit(INTS, _snapshot(Float64, "branch"), "stats") == ""


def test_rows_of_a_schema_that_the_store_does_not_know_count(settings):
    """Nobody can say what is in them."""
    _write(settings, FLOATS, schemas=False)
    assert RepositoryRows(settings).unfit(INTS, FLOATS, "stats") == "the store has rows of it"


def test_a_store_that_takes_too_long_counts_as_having_rows(settings, monkeypatch):
    """A plan does not wait for minutes."""
    monkeypatch.setattr(stored_rows, "_LOOK_S", -1.0)
    _write(settings, INTS)
    assert "too large" in RepositoryRows(settings).unfit(FLOATS, INTS, "stats")


def test_a_store_that_is_not_there_is_empty_where_nobody_shares_the_registry(tmp_path):
    """Of a registry elsewhere the store may be on another machine; and a server that is away says nothing."""
    repo = tmp_path / "repo"
    repo.mkdir()
    file = repo / "hotrow.toml"
    text = 'project = "rides"\nregistry = "{}"\n[ingest]\naddress = "127.0.0.1:1"\n'
    file.write_text(text.format(tmp_path / "shared"))
    assert "cannot be looked at: there is no store" in RepositoryRows(load_settings(repo)).unfit(INTS, FLOATS, "stats")
    file.write_text(text.format("registry"))
    assert RepositoryRows(load_settings(repo)).unfit(INTS, FLOATS, "stats") == ""
    file.write_text(text.format("registry") + '[online_store]\ntype = "redis"\nurl = "redis://127.0.0.1:1/0"\n')
    assert "cannot be looked at" in RepositoryRows(load_settings(repo)).unfit(INTS, FLOATS, "stats")
