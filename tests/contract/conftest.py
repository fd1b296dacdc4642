"""The stores that have to agree, and rows made by hand: to a store a row is its header and whatever follows."""

import struct

import pytest
from hotrow.section import OnlineStoreSettings
from hotrow.stores.cluster.store import ClusterStore
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.memory import MemoryStore
from hotrow.stores.redis.store import RedisStore

SIGN = 1 << 63
SERVERS = {"redis": "redis_server", "valkey": "valkey_server", "cluster": "redis_cluster"}
"""Kinds of store that are on servers, and the fixtures of these."""


@pytest.fixture(scope="session")
def make_row():
    """A row of an event time, a created time and a body."""

    def make(event_us, created_us=0, body=b"", *, tombstone=False):
        head = struct.pack("<IBBH8s", 36 + len(body), 1, int(tombstone), 0, b"schema_1")
        return head + struct.pack(">QQ", event_us + SIGN, created_us + SIGN) + body + b"csum"

    return make


@pytest.fixture(scope="session")
def redis_settings(request):
    """Settings of a store on the tests' servers, a store a folder; these are started when they are first asked for."""

    def make(folder, kind="redis"):
        server = request.getfixturevalue(SERVERS[kind])
        how = {"type": "redis", "mode": "cluster"} if kind == "cluster" else {"type": kind}
        return OnlineStoreSettings(**how, url=server.url, prefix=f"{folder}:"[-100:], timeout_s=30)

    return make


@pytest.fixture(scope="session")
def open_store(redis_settings):
    """Opens an empty store of a kind in a folder."""

    def open_(kind, folder):
        if kind == "memory":
            return MemoryStore()
        if kind in SERVERS:
            store = ClusterStore if kind == "cluster" else RedisStore
            return store(redis_settings(folder, kind), writable=True)
        durability = "os" if kind == "lmdb-os" else "fsync"
        return LmdbStore(folder / "online", size_gib=0.25, writable=True, durability=durability)

    return open_


@pytest.fixture(params=["memory", "lmdb", "lmdb-os", *SERVERS])
def store(request, tmp_path, open_store):
    """Every kind of store, empty."""
    if request.param in SERVERS:  # else every scan would go through the rows of the tests before
        request.getfixturevalue(SERVERS[request.param]).flush()
    opened = open_store(request.param, tmp_path)
    yield opened
    opened.close()
