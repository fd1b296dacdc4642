"""Rows made by hand, stores in temporary folders, and other processes to open them from."""

import json
import struct
import subprocess
import sys

import pytest
from hotrow.stores.cluster.store import ClusterStore
from hotrow.stores.lmdb.store import LmdbStore
from support.redis_cluster import RedisCluster, cluster_settings

SIGN = 1 << 63
PREAMBLE = """
import json, os, signal, struct, sys
from pathlib import Path
import lmdb
from hotrow.errors import HotrowError
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.port import ABSENT, Mark, Write, read_rows
VIEW = b"horses__"
path = Path(sys.argv[1])
def make_row(event_us, body=b""):
    head = struct.pack("<IBBH8s", 36 + len(body), 1, 0, 0, b"schema_1")
    return head + struct.pack(">QQ", event_us + 2**63, 2**63) + body + b"csum"
def say(value):
    print(json.dumps(value), flush=True)
def attempt(act):
    try:
        return act() and "done"
    except HotrowError as error:
        return error.code.name + (": " if error.retry_after_s is None else ", later: ") + error.message
"""


@pytest.fixture(scope="session")
def make_row():
    """A row of an event time and a body."""

    def make(event_us, body=b"", *, tombstone=False):
        head = struct.pack("<IBBH8s", 36 + len(body), 1, int(tombstone), 0, b"schema_1")
        return head + struct.pack(">QQ", event_us + SIGN, SIGN) + body + b"csum"

    return make


@pytest.fixture
def folder(tmp_path):
    """Where the store of a test is."""
    return tmp_path / "online"


@pytest.fixture
def make_store(folder):
    """Opens the store of the test, for writing unless told otherwise, and closes it in the end."""
    opened = []

    def make(**options):
        store = LmdbStore(folder, **({"size_gib": 0.25, "writable": True} | options))
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def start(folder):
    """Starts a Python process with `path`, `VIEW`, `make_row`, `say` and `attempt`; ended with the test."""
    started = []

    def start_(source, *, path=folder, prefix=()):
        command = [*prefix, sys.executable, "-c", PREAMBLE + source, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start_
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """Runs a Python process as `start` does, to its good end, and returns what it said."""

    def run_(source, **options):
        output, _ = start(source, **options).communicate(timeout=60)
        said = [json.loads(line) for line in output.splitlines()]
        return said[0] if len(said) == 1 else said

    return run_


@pytest.fixture
def own_cluster(tmp_path, request):
    """Starts a cluster of the test's own."""

    def start(*options, **more):
        started = RedisCluster(tmp_path / "own", *options, **more)
        request.addfinalizer(started.kill)
        return started.start()

    return start


@pytest.fixture
def open_cluster(request):
    """Opens stores, which are closed at the end."""

    def open_one(cluster, password="", reached=None, **more):
        hook = {"reached": reached} if reached else {}
        opened = ClusterStore(cluster_settings(cluster, **more), password=password, writable=True, **hook)
        request.addfinalizer(opened.close)
        return opened

    return open_one
