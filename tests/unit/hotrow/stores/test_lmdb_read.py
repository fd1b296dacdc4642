"""The kernel that walks LMDB's pages finds what LMDB finds, and stays within the map whatever the pages hold."""

import ctypes
import mmap
import random
from pathlib import Path

import numpy as np
import pytest
from hotrow.codec.kernel_page import DAMAGED, MAX_NAME, PAGE_BYTES, find_rows
from hotrow.codec.lookup import Rows, keys_from_lists, wanted_views
from hotrow.stores.lmdb import env as lmdb_env
from hotrow.stores.lmdb.read import RowReader
from hypothesis import given
from hypothesis import strategies as st

NO_ACCESS = 0  # of mprotect
VIEWS = [b"view___1", b"\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xff\xff\xff\xff\xff"]
KEYS = st.binary(max_size=12) | st.sampled_from([b"", b"\0", b"\xff" * 480, b"\x80" * 9, b"\x7f" * 9])


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """An environment like a store's, and a reader of it."""
    folder = tmp_path_factory.mktemp("lmdb") / "online"
    lmdb_env.build(folder, "id")
    env = lmdb_env.open_env(folder, size_bytes=1 << 30, writable=True, sync=False)
    databases = lmdb_env.open_databases(env, writable=True)
    yield env, databases, RowReader(env, databases)
    env.close()


def changed(opened, put, remove=()):
    env, databases, _ = opened
    with env.begin(databases.rows, write=True) as txn:
        for name, row in put.items():
            txn.put(name, row)
        for name in remove:
            txn.delete(name)


def emptied(opened):
    env, databases, _ = opened
    with env.begin(write=True) as txn:
        txn.drop(databases.rows, delete=False)


def rows_found(opened, wanted, keys):
    """By the kernel, which must not have given up, and by LMDB."""
    env, _, reader = opened
    with env.begin() as txn:
        found = reader._find(txn.get(lmdb_env.ROWS), wanted, keys)
        assert found is not None
        return found.listed(), reader.one_by_one(txn, wanted, keys).listed()


@given(st.data())
def test_any_rows_are_those_that_lmdb_finds(opened, data):
    """Names of all lengths, rows from none to many pages, present, absent and removed; views with key sets of their own
    and shared ones.
    """
    emptied(opened)
    names = [key + view for key in data.draw(st.lists(KEYS, max_size=30)) for view in VIEWS]
    sizes = st.sampled_from([36, 100, 500, 1900, 2030, 2040, 2100, 4080, 4096, 20_000])
    rows = {name: bytes([number % 251]) * data.draw(sizes) for number, name in enumerate(names)}
    changed(opened, rows)
    changed(opened, {}, data.draw(st.sets(st.sampled_from(names))) if names else ())
    n, n_sets = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 3))
    asked = KEYS | st.sampled_from([name[:-8] for name in names] or [b""])
    sets = [data.draw(st.lists(asked, min_size=n, max_size=n)) for _ in range(n_sets)]
    views = data.draw(st.permutations(VIEWS))[: data.draw(st.integers(0, 3))]
    wanted = wanted_views(views, [data.draw(st.integers(0, n_sets - 1)) for _ in views])
    ours, theirs = rows_found(opened, wanted, keys_from_lists(sets))
    assert ours == theirs


def test_a_deep_tree_is_searched_as_lmdb_does(opened):
    """60,000 rows of long names, so that the tree has four levels, some of them removed again."""
    chance = random.Random(5)
    emptied(opened)
    numbers = list(range(20_000))
    chance.shuffle(numbers)
    keys = [b"%020d" % number * 15 for number in numbers]
    changed(opened, {key + view: (key + view)[:200] for key in keys for view in VIEWS})
    changed(opened, {}, [key + VIEWS[1] for key in keys[::3]])
    env, databases, _ = opened
    with env.begin() as txn:
        assert txn.stat(databases.rows)["depth"] >= 4
    absent = [key[:-1] for key in keys[:2000]] + [key + b"\0" for key in keys[:2000]]
    found = keys_from_lists([[*keys, *absent]])
    ours, theirs = rows_found(opened, wanted_views(VIEWS, [0, 0, 0]), found)
    assert ours == theirs
    assert sum(map(bool, ours)) == 60_000 - len(keys[::3])


def test_a_page_that_is_damaged_is_left_to_lmdb(opened, monkeypatch):
    """Whose error is the read's."""
    _, _, reader = opened
    emptied(opened)
    changed(opened, {b"a" + VIEWS[0]: b"row" * 20})
    wanted, keys = wanted_views(VIEWS[:1], [0]), keys_from_lists([[b"a"]])
    assert reader.read(wanted, keys).listed() == [b"row" * 20]
    monkeypatch.setattr("hotrow.stores.lmdb.read.find_rows", lambda *_: DAMAGED)
    assert reader.read(wanted, keys).listed() == [b"row" * 20]


@pytest.fixture(scope="module")
def image(opened):
    """The file of a tree of three levels with rows in leaves and in overflow pages, between pages that may not be read,
    and the record of its database.
    """
    env, _, _ = opened
    emptied(opened)
    changed(opened, {b"%04d" % i + view: b"r" * (36 + i % 90) for i in range(3000) for view in VIEWS})
    changed(opened, {b"%04d" % i + VIEWS[0]: b"o" * 9000 for i in range(0, 3000, 100)})
    with env.begin() as txn:
        database = txn.get(lmdb_env.ROWS)
    data = Path(env.path(), "data.mdb").read_bytes()
    size = len(data) // PAGE_BYTES * PAGE_BYTES
    region = mmap.mmap(-1, size + 2 * PAGE_BYTES)
    whole = np.frombuffer(region, np.uint8)
    whole[PAGE_BYTES:-PAGE_BYTES] = np.frombuffer(data, np.uint8)[:size]
    _protect(whole, 0)
    _protect(whole, len(whole) - PAGE_BYTES)
    return whole[PAGE_BYTES:-PAGE_BYTES], database


def _protect(whole, at):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    assert libc.mprotect(whole.ctypes.data + at, PAGE_BYTES, NO_ACCESS) == 0


@pytest.mark.parametrize("seed", range(8))
def test_pages_with_nonsense_in_them_never_lead_outside(image, seed):
    """Headers, nodes and numbers of pages are overwritten at random: a fault, or rows from within the file; the pages
    around it cannot be read, nor those around what is written.
    """
    pages, database = image
    chance = random.Random(seed)
    wanted = wanted_views(VIEWS, [0, 0, 0])
    kept = pages.copy()
    faults = 0
    for _ in range(150):
        for _ in range(chance.randint(1, 300)):
            page = chance.randrange(2, len(pages) // PAGE_BYTES)
            at = page * PAGE_BYTES + chance.choice([8, 10, 12, 16, 18, chance.randrange(PAGE_BYTES - 8)])
            width = chance.choice([1, 2, 4, 8])
            value = chance.choice([0, 1, 0xFFFF, chance.getrandbits(16), chance.getrandbits(64)])
            pages[at : at + width] = np.frombuffer(value.to_bytes(8, "little"), np.uint8)[:width]
        keys = keys_from_lists([[b"%04d" % chance.randrange(3000) for _ in range(50)]])
        guarded = np.full(3 * 50 * 400 + 1024, 0xA5, np.uint8)
        out = guarded[512:-512]
        starts, work = np.empty(151, np.int64), np.empty(2 * 150 + MAX_NAME // 8, np.int64)
        size = find_rows(
            pages.ctypes.data, len(pages) // PAGE_BYTES, database, wanted.table, keys.data, keys.offsets, 50, out,
            starts, work,
        )  # fmt: skip
        assert np.all(guarded[:512] == 0xA5)
        assert np.all(guarded[-512:] == 0xA5)
        faults += size == DAMAGED
        if 0 <= size <= len(out):
            rows = Rows(out, starts).listed()
            assert sum(map(len, rows)) == size
        if chance.random() < 0.5:
            pages[:] = kept
    pages[:] = kept
    assert faults > 5
