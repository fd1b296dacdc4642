"""The outbox of an LMDB store: of older stores, across processes, and when the store is full."""

import contextlib

import lmdb
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.stores.port import WRITTEN, Write, read_rows

VIEW = b"horses__"


def append(store, *entries):
    return store.write([Write(VIEW, [], [], outbox=entries)])[0]


def make_old(folder):
    """What an older version made: the same databases but the outbox."""
    with lmdb.open(str(folder), max_dbs=16) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(b"outbox", txn=txn), delete=True)


def test_a_store_without_an_outbox_is_read_and_gets_one(make_store, make_row, folder, run):
    """A reader does without until a writer has opened the store; the rows are as they were."""
    store = make_store()
    store.write([Write(VIEW, [b"k"], [make_row(1)])])
    store.close()
    make_old(folder)
    assert run("store = LmdbStore(path)\nsay([store.read_outbox(0), store.info().outbox, store.verify()])") == [
        [],
        0,
        [],
    ]
    again = make_store()
    assert read_rows(again, [VIEW], [[b"k"]]) == [make_row(1)]
    append(again, b"first")
    assert again.read_outbox(0) == [(1, b"first")]
    assert run("say(LmdbStore(path).info().outbox)") == 1
    assert again.verify() == []


def test_numbers_go_on_in_the_next_process(make_store):
    """With entries left, with none left, and behind what was reserved."""
    store = make_store()
    append(store, b"1", b"2")
    store.remove_outbox(1)
    store.close()
    store = make_store()
    assert store.read_outbox(0) == [(2, b"2")]
    store.remove_outbox(2)
    store.close()
    store = make_store()
    append(store, b"3")
    store.reserve_outbox(7)
    store.close()
    store = make_store()
    append(store, b"8")
    assert store.read_outbox(0) == [(3, b"3"), (8, b"8")]


def test_an_outbox_that_fills_the_store_refuses_and_is_emptied(make_store, make_row):
    """Nothing of what was taken is lost, rows are refused as well, and removals make room for both."""
    store = make_store(size_gib=1 / 1024)
    entries = 0
    with contextlib.suppress(HotrowError):
        while True:
            append(store, bytes(50_000))
            entries += 1
    with pytest.raises(HotrowError, match="wait in its outbox") as refusal:
        append(store, bytes(50_000))
    assert refusal.value.code is Code.EXHAUSTED
    with pytest.raises(HotrowError, match="wait in its outbox"):
        store.write([Write(VIEW, [b"k"], [make_row(1, bytes(200_000))])])
    assert store.info().outbox == entries > 10
    for through in range(1, entries + 1):
        assert store.remove_outbox(through) == 1
    assert store.info().outbox == 0
    for _ in range(3):  # pages are used again
        for _ in range(entries - 2):
            append(store, bytes(50_000))
        store.remove_outbox(1 << 40)
    assert store.write([Write(VIEW, [b"k"], [make_row(1, bytes(200_000))])])[0].outcomes == bytes([WRITTEN])
    assert store.verify() == []
