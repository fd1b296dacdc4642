"""`hotrow store copy` by real processes: from LMDB to a Redis of the test's own and back, while it is served."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from hotrow.codec.row import is_tombstone
from hotrow.settings import settings_from_file
from hotrow.stores.open import open_store
from hotrow.stores.port import Mark, Write
from hotrow.v1.push_pb2 import BOTH, DELETE, ONLINE
from support.redis import RedisServer

from .processes import Caller, push_request, until

MANY = 120_000
VIEW_ID = b"\x07view\0\xff\x01"


@pytest.fixture
def redis(tmp_path):
    """A server of the test's own, whose log is synced at every write."""
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.kill()


@pytest.fixture
def redis_toml(repository, redis):
    """A copy of the repository's hotrow.toml with another store, beside it."""
    file = repository.path / "redis.toml"
    table = f'[online_store]\ntype = "redis"\nurl = "{redis.url}"\ntimeout_s = 30\n'
    file.write_text((repository.path / "hotrow.toml").read_text() + table)
    return file


def copied(repository, *arguments, code=0):
    """What the command says in JSON, and on stderr."""
    line = [sys.executable, "-m", "hotrow.cli.main", "-C", str(repository.path), "store", "copy", *map(str, arguments)]
    done = subprocess.run([*line, "--json"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stderr
    return (json.loads(done.stdout) if code == 0 else {}), done.stderr


def content(file):
    """All rows of the store that a hotrow.toml names, with its schemas, watermarks and outbox."""
    store = open_store(settings_from_file(file, {}).online_store, project="", writable=False)
    try:
        rows = {(stored.view_id, stored.key): stored.row for stored in store.scan()}
        waiting = []
        while more := store.read_outbox(waiting[-1].number if waiting else 0):
            waiting += more
        return rows, store.schemas(), store.watermarks(), waiting
    finally:
        store.close()


def push(caller, values, *, to=ONLINE, delete=False):
    request = push_request(values)
    request.to = to
    if delete:
        request.op = DELETE
        del request.rows[1:]
    return caller.ingest.PushFeatures(request, timeout=30)


def logged(repository):
    """The drivers of all rows in the log of pushed rows."""
    files = sorted((repository.path / "data" / "log").glob("*/*/*.parquet"))
    return sorted(driver for file in files for driver in pq.read_table(file)["driver_id"].to_pylist())


def test_production_moves_to_redis_and_back(repository, redis_toml, run):
    """Copied while it is served, again when it has stopped, and then served from Redis; then the same to a new LMDB.

    Every row is the same, deleted ones too; what was pushed to the log is there once.
    """
    serve = run("serve")
    serve.wait_ready()
    with Caller(repository.settings.ingest.address) as caller:
        push(caller, {number: float(number) for number in range(3000)})
        push(caller, dict.fromkeys(range(5000, 5040), 0.5), to=BOTH)
        push(caller, {1: 0.0, 2: 0.0}, delete=True)
        first, said = copied(repository, "--to", redis_toml)
        assert (first["rows"], first["written"], first["present"]) == (3040, 3040, 0)
        assert "request_ids are not copied" in said
        push(caller, {3: 33.0, 9000: 9.0})
        push(caller, {9001: 9.5}, to=BOTH)
    assert serve.stop() == 0
    second, said = copied(repository, "--to", redis_toml)
    assert (second["rows"], second["written"], second["present"]) == (3042, 3, 3039)
    assert not second["source_written_meanwhile"]
    assert "meanwhile" not in said
    rows, schemas, watermarks, _ = content(redis_toml)
    assert (rows, schemas, watermarks) == content(repository.path)[:3]
    assert sum(map(is_tombstone, rows.values())) == 2
    assert logged(repository) == [*range(5000, 5040), 9001]

    lmdb_toml = repository.path / "lmdb.toml"
    (repository.path / "hotrow.toml").rename(lmdb_toml)
    lmdb_toml.write_text(lmdb_toml.read_text() + '[online_store]\npath = "data/moved"\n')
    redis_toml.rename(repository.path / "hotrow.toml")
    serve = run("serve")
    serve.wait_ready()
    with Caller(repository.settings.server.address) as caller:
        found = caller.read(1, 3, 2999, 5039, 9000, 9001)
        assert found[1:] == [33.0, 2999.0, 0.5, 9.0, 9.5]
    with Caller(repository.settings.ingest.address) as caller:
        push(caller, {1: 1.5}, to=BOTH)
        push(caller, {2: 2.5})
    assert serve.stop() == 0
    assert logged(repository) == [1, *range(5000, 5040), 9001]
    back, _ = copied(repository, "--to", lmdb_toml)
    assert (back["rows"], back["written"], back["entries"]) == (3042, 3042, 0)
    assert content(lmdb_toml) == content(repository.path)


def test_what_waits_for_the_log_gets_there_once(repository, redis_toml, run):
    """A log that cannot be written fills the outbox, which goes along with its numbers, whoever takes it from there."""
    log = repository.path / "data" / "log"
    log.parent.mkdir()
    log.write_text("in the way")
    serve = run("serve")
    serve.wait_ready()
    with Caller(repository.settings.ingest.address) as caller:
        for driver in range(20):
            push(caller, {driver: 1.0}, to=BOTH)
    serve.stop()
    for written, present in ((20, 0), (0, 20)):
        report, _ = copied(repository, "--to", redis_toml)
        assert (report["entries"], report["entries_written"], report["entries_present"]) == (20, written, present)
    assert content(redis_toml) == content(repository.path)
    log.unlink()
    lmdb_toml = repository.path / "lmdb.toml"
    (repository.path / "hotrow.toml").rename(lmdb_toml)
    redis_toml.rename(repository.path / "hotrow.toml")
    for _ in range(2):
        serve = run("serve")
        serve.wait_ready()
        assert serve.stop() == 0
        assert logged(repository) == list(range(20))
        again, _ = copied(repository, "--from", lmdb_toml)  # they are in the log by now, and not to come anew
        assert (again["entries_written"], again["entries_present"]) == (0, 20)
    lmdb_toml.rename(repository.path / "hotrow.toml")
    serve = run("serve")
    serve.wait_ready()
    assert serve.stop() == 0
    assert logged(repository) == list(range(20))


def fill(settings, make):
    """A store of many rows, made directly."""
    store = open_store(settings.online_store, project="", writable=True, durability="os")
    for start in range(0, MANY, 20_000):
        keys = [b"%08d" % number for number in range(start, start + 20_000)]
        entry = [b"entry %d" % start]
        store.write([Write(VIEW_ID, keys, [make(key) for key in keys], Mark(entry[0], b"d"), start, entry)])
    store.close()


def a_row(key):
    header = np.zeros(32, np.uint8).tobytes()
    return header[:16] + (1 << 63).to_bytes(8, "big") + (1 << 63).to_bytes(8, "big") + key * 4


def test_an_interrupt_leaves_a_store_that_the_next_copy_completes(repository, redis_toml, redis, run):
    """Ctrl-C while Redis stands still in the middle of it: at once, with 130; the watermarks are not there yet."""
    fill(repository.settings, a_row)
    copy = run("store", "copy", "--to", str(redis_toml))
    until(lambda: int(redis.ask("DBSIZE")[1:]) > 1000)
    redis.ask("CLIENT", "PAUSE", "60000", "WRITE")
    copy.signal(signal.SIGINT)
    assert copy.wait() == 130
    assert "run the same command again" in copy.log()
    redis.ask("CLIENT", "UNPAUSE")
    rows, _, watermarks, waiting = content(redis_toml)
    assert 0 < len(rows) < MANY
    assert (watermarks, waiting) == ({}, [])
    report, _ = copied(repository, "--to", redis_toml)
    assert report["written"] == MANY - len(rows)
    assert report["present"] == len(rows)
    assert content(redis_toml) == content(repository.path)


def test_a_redis_that_dies_ends_the_copy_and_the_next_completes_it(repository, redis_toml, redis, run):
    """The error names the store and the remedy; nothing that was written is lost."""
    fill(repository.settings, a_row)
    copy = run("store", "copy", "--to", str(redis_toml))
    until(lambda: int(redis.ask("DBSIZE")[1:]) > 1000)
    redis.kill()
    assert copy.wait() == 1
    assert "the online store" in copy.log()
    assert "again" in copy.log()
    redis.start()
    report, _ = copied(repository, "--to", redis_toml)
    assert report["present"] > 0
    assert report["rows"] == report["written"] + report["present"] == MANY
    assert content(redis_toml) == content(repository.path)


def test_an_lmdb_store_with_a_writer_is_not_written(repository, redis_toml, run):
    """The error names the process; the source may have one."""
    serve = run("serve")
    serve.wait_ready()
    copied(repository, "--to", redis_toml)
    _, said = copied(repository, "--from", redis_toml, code=1)
    assert re.search(rf"has a writer already, process {serve.worker('ingest').pid}\b", said)
    assert "stop that process" in said


def test_the_environment_names_the_store_of_the_current_repository_alone(repository, redis_toml, tmp_path):
    """As in a container, where HOTROW_STORE_PATH is set for every command."""
    elsewhere = tmp_path / "elsewhere"
    settings = settings_from_file(repository.path, {"HOTROW_STORE_PATH": str(elsewhere)})
    fill(settings, a_row)
    line = [sys.executable, "-m", "hotrow.cli.main", "-C", str(repository.path), "store", "copy", "--json"]
    environ = os.environ | {"HOTROW_STORE_PATH": str(elsewhere)}
    for to in (redis_toml, tmp_path):  # to Redis, and to the folder of the file, whose own path counts
        done = subprocess.run([*line, "--to", str(to)], capture_output=True, text=True, env=environ, check=True)
        assert json.loads(done.stdout)["written"] == MANY
    assert content(repository.path) == content(redis_toml)
