"""Reads rows of an LMDB store with a kernel that walks the file's pages, see `hotrow.codec.kernel_page`."""

import ctypes
import threading

import lmdb
import numpy as np

from hotrow.codec.kernel_page import DAMAGED, MAX_NAME, find_rows
from hotrow.codec.lookup import Keys, Rows, Wanted, rows_from_list
from hotrow.codec.wire import Octets, Table
from hotrow.stores.lmdb.env import PAGE_BYTES, ROWS, Databases, Txn
from hotrow.stores.port import ABSENT

_KEPT_BYTES = 8 << 20  # what a thread keeps of a buffer between requests


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.rows = np.empty(65536, np.uint8)
        self.starts = np.empty(1024, np.int64)
        self.work = _work(1024)


def _work(count: int) -> Table:
    return np.empty(2 * count + MAX_NAME // 8, np.int64)


_buffers = _Buffers()


class RowReader:
    """Reads the rows of an environment, whose map stays where it is until it is closed. Threads may share it.

    A name in the database is the key and then the view id, so that the rows of one entity are neighbours.
    """

    def __init__(self, env: lmdb.Environment, databases: Databases) -> None:
        self._begin = env.begin
        self._database = databases.rows
        self._pages = env.info()["map_size"] // PAGE_BYTES
        # The pages of a machine with larger ones are left to LMDB: the kernel would refuse every read.
        self._base = _map_address(env) if env.stat()["psize"] == PAGE_BYTES else 0

    def read(self, wanted: Wanted, keys: Keys) -> Rows:
        """Rows as `OnlineStore.read` gives them; raises lmdb.Error.

        1.6 us for one row, 39 for 300 rows of 100 entities, half of it waiting for memory; by LMDB's own lookup, a
        call and three objects a row, it was 1.6 and 120.
        """
        txn = self._begin()
        try:
            if self._base:
                found = self._find(txn.get(ROWS, b""), wanted, keys)
                if found is not None:
                    return found
            return self.one_by_one(txn, wanted, keys)  # raises what is wrong with the file, in LMDB's words
        finally:
            txn.abort()

    def one_by_one(self, txn: Txn, wanted: Wanted, keys: Keys) -> Rows:
        """The same by LMDB's own lookup."""
        return rows_from_list(
            [
                txn.get(keys.one(key_set, row) + view_id, ABSENT, self._database)
                for view_id, key_set in zip(wanted.view_ids, wanted.sets, strict=True)
                for row in range(keys.n)
            ]
        )

    def _find(self, database: bytes, wanted: Wanted, keys: Keys) -> Rows | None:
        """Rows by the kernel from a snapshot of the database; None where a page is not as it should be."""
        buffers = _buffers
        out, starts, work = buffers.rows, buffers.starts, buffers.work
        count = len(wanted.view_ids) * keys.n
        if count >= len(starts):
            starts, work = buffers.starts, buffers.work = np.empty(count + 1, np.int64), _work(count)
        pages = self._pages
        size = find_rows(self._base, pages, database, wanted.table, keys.data, keys.offsets, keys.n, out, starts, work)
        if size > len(out):
            out = np.empty(size, np.uint8)
            if size <= _KEPT_BYTES:
                buffers.rows = out
            find_rows(self._base, pages, database, wanted.table, keys.data, keys.offsets, keys.n, out, starts, work)
        return Rows(out, starts[: count + 1]) if size != DAMAGED else None


def _map_address(env: lmdb.Environment) -> int:
    """Where the map starts: a page knows its number, so any entry tells it."""
    with env.begin(buffers=True) as txn:
        entry: Octets = np.frombuffer(txn.get(ROWS, b""), np.uint8)
        page = entry.ctypes.data // PAGE_BYTES * PAGE_BYTES
        number = int.from_bytes(ctypes.string_at(page, 8), "little")
    return page - number * PAGE_BYTES
