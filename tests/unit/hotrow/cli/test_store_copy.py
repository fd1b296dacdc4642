"""store copy: what it says, and what it refuses."""

import json

import pytest
from hotrow.repo.workspace import Workspace
from hotrow.settings import settings_from_file
from hotrow.stores.open import open_store
from hotrow.stores.port import Write


@pytest.fixture
def filled(hotrow, clicks):
    """A repository whose store has three rows."""
    store = open_store(settings_from_file(clicks, {}).online_store, project="", writable=True)
    rows = [bytes(16) + b"\x80" + bytes(15) + bytes(4)] * 3
    store.write([Write(b"clicks__", [b"a", b"b", b"c"], rows, watermark_us=5, outbox=[b"entry"])])
    store.close()
    return clicks


def other(repo, name="other.toml", *changes):
    """Another hotrow.toml beside the first, with another store."""
    text = (repo / "hotrow.toml").read_text()
    for old, new in (('"data/online"', '"data/other"'), *changes):
        assert old in text
        text = text.replace(old, new)
    (repo / name).write_text(text)
    return repo / name


def test_a_copy_and_its_report(hotrow, filled):
    """What was read is what was written and what was there; a second copy finds all of it there."""
    file = other(filled)
    outcome = hotrow("store", "copy", "--to", file, "-C", filled)
    assert (outcome.code, outcome.err.count("request_ids are not copied")) == (0, 1)
    assert "rows        3 read: 3 written, 0 there already" in outcome.out
    assert "1 wait for the log: 1 written, 0 copied before" in outcome.out
    document = json.loads(hotrow("store", "copy", "--to", file, "--json", "-C", filled).out)
    assert (document["rows"], document["written"], document["present"]) == (3, 0, 3)
    assert (document["entries"], document["entries_written"], document["entries_present"]) == (1, 0, 1)
    assert document["to"].endswith("data/other")
    back = json.loads(hotrow("store", "copy", "--from", file, "--json", "-C", filled).out)
    assert (back["from"], back["to"], back["present"]) == (document["to"], document["from"], 3)


def test_a_dry_run_makes_no_store(hotrow, filled):
    """It counts, before the store is there and after."""
    file = other(filled)
    outcome = hotrow("store", "copy", "--to", file, "--dry-run", "-C", filled)
    assert "3 read: 3 would be written, 0 there already" in outcome.out
    assert "request_ids" not in outcome.err
    assert not (filled / "data" / "other").exists()
    hotrow("store", "copy", "--to", file, "-C", filled)
    document = json.loads(hotrow("store", "copy", "--to", file, "--dry-run", "--json", "-C", filled).out)
    assert (document["dry_run"], document["written"], document["present"], document["entries"]) == (True, 0, 3, 1)
    assert "entries_written" not in document


def test_no_other_store_is_named(hotrow, filled):
    """One of the two options has to be given."""
    outcome = hotrow("store", "copy", "-C", filled)
    assert outcome.code == 1
    assert "--to FILE" in outcome.err
    assert "--from FILE" in outcome.err


def test_a_file_that_is_not_there(hotrow, filled):
    """The option is named, and the remedy."""
    for option in ("--to", "--from"):
        outcome = hotrow("store", "copy", option, filled / "none", "-C", filled)
        assert outcome.code == 1
        assert f"{option}: there is no hotrow.toml at" in outcome.err


def test_both_sides_are_one_store(hotrow, filled):
    """By its place, and by its id where one place has two names."""
    for option in ("--to", "--from"):
        outcome = hotrow("store", "copy", option, filled, "-C", filled)
        assert outcome.code == 1
        assert "are the same" in outcome.err
    (filled / "data" / "other").symlink_to(filled / "data" / "online")
    assert "are the same" in hotrow("store", "copy", "--to", other(filled), "-C", filled).err


def test_a_redis_under_two_names_is_one_store(hotrow, clicks, redis_server):
    """Its id says so."""
    urls = [f"redis://{host}:{redis_server.port}/0" for host in ("127.0.0.1", "localhost")]
    files = []
    for number, url in enumerate(urls):
        table = f'type = "redis"\nurl = "{url}"\nprefix = "two_names:"'
        files.append(other(clicks, f"{number}.toml", ('type = "lmdb"', table)))
    open_store(settings_from_file(files[0], {}).online_store, project="", writable=True).close()
    outcome = hotrow("store", "copy", "--from", files[0], "--to", files[1], "-C", clicks)
    assert outcome.code == 1
    assert "are the same" in outcome.err


def test_copied_rows_expire_on_redis(hotrow, clicks, redis_server):
    """By the ttls in the registry, and a day on top; a row of a view that it does not know stays."""
    assert hotrow("apply", "-C", clicks).code == 0
    workspace = Workspace(clicks)
    store = open_store(workspace.settings.online_store, project="", writable=True)
    rows = [bytes(16) + b"\x80" + bytes(15) + bytes(4)]
    for view_id, key in ((workspace.snapshot("head").view_id("user_clicks"), b"known"), (b"unknown_", b"unknown")):
        store.write([Write(view_id, [key], rows)])
    store.close()
    file = other(clicks, "redis.toml", ('type = "lmdb"', f'type = "redis"\nurl = "{redis_server.url}"\nprefix = "x:"'))
    assert hotrow("store", "copy", "--to", file, "-C", clicks).code == 0
    left_ms = {key: int(redis_server.ask("PTTL", f"x:r:{key}")[1:]) for key in ("known", "unknown")}
    assert left_ms["unknown"] == -1
    assert 29 * 3_600_000 < left_ms["known"] <= 30 * 3_600_000


def test_there_is_no_store_to_read(hotrow, clicks):
    """And none is made on the other side."""
    outcome = hotrow("store", "copy", "--to", other(clicks), "-C", clicks)
    assert outcome.code == 1
    assert "there is no store at" in outcome.err
    assert not (clicks / "data" / "other").exists()


def test_a_store_of_another_project(hotrow, filled):
    """Its rows would not be found there."""
    project = settings_from_file(filled, {}).project
    file = other(filled, "other.toml", (f'project = "{project}"', 'project = "another"'))
    outcome = hotrow("store", "copy", "--to", file, "-C", filled)
    assert outcome.code == 1
    assert f"'{project}'" in outcome.err
    assert "'another'" in outcome.err
    assert not (filled / "data" / "other").exists()


def test_a_full_target_says_how_far_it_came(hotrow, filled):
    """The store's own words, and that what was written stays."""
    store = open_store(settings_from_file(filled, {}).online_store, project="", writable=True)
    for number in range(24):
        keys = [b"%d-%d" % (number, row) for row in range(1000)]
        store.write([Write(b"clicks__", keys, [bytes(16) + b"\x80" + bytes(1000)] * 1000)])
    store.close()
    file = other(filled, "other.toml", ("[online_store]", "[online_store]\nsize_gib = 0.02"))
    outcome = hotrow("store", "copy", "--to", file, "-C", filled)
    assert outcome.code == 1
    assert "stopped after" in outcome.err
    assert "full" in outcome.err
