"""The outbox of an LMDB store: what was written and is still to be taken elsewhere, in the order of the commits.

`outbox`: number (u64, big-endian) to the entry. `meta`, b"outbox": the greatest number of an entry that was removed, or
that was reserved, so that numbers grow when no entry is left.
"""

import struct
from collections.abc import Sequence

import lmdb

from hotrow.stores.lmdb.env import Database, Databases, Txn
from hotrow.stores.lmdb.scan import chunk
from hotrow.stores.port import Waiting

_NUMBER = struct.Struct(">Q")
_PAST = b"outbox"
_REMOVED_AT_ONCE = 1000  # bounds the pages that a transaction takes before it gives any back


class Outbox:
    """The outbox of one store; a writer always has its database."""

    def __init__(self, databases: Databases) -> None:
        self._database = databases.outbox
        self._meta = databases.meta

    def append(self, txn: Txn, entries: Sequence[bytes]) -> None:
        """Add entries in a transaction of a writer."""
        first = self._last(txn) + 1
        for number, data in enumerate(entries, first):
            txn.put(_NUMBER.pack(number), data, db=self._written(), append=True)

    def read(self, txn: Txn, after: int) -> list[Waiting]:
        """Some of the entries behind a number."""
        if self._database is None:
            return []
        entries = chunk(txn, self._database, _NUMBER.pack(after + 1))
        return [Waiting(_NUMBER.unpack(key)[0], data) for key, data in entries]

    def remove(self, env: lmdb.Environment, through: int) -> int:
        """Remove entries up to a number, in one transaction or more; returns how many there were."""
        removed = 0
        while some := self._remove_some(env, through):
            removed += some
        return removed

    def reserve(self, env: lmdb.Environment, through: int) -> None:
        """Have no later entry get a number up to this one."""
        with env.begin(write=True) as txn:
            if self._last(txn) < through:
                txn.put(_PAST, _NUMBER.pack(through), db=self._meta)

    def _remove_some(self, env: lmdb.Environment, through: int) -> int:
        with env.begin(self._written(), write=True) as txn, txn.cursor() as cursor:
            last, removed = b"", 0
            while removed < _REMOVED_AT_ONCE and cursor.first() and _NUMBER.unpack(cursor.key())[0] <= through:
                last = cursor.key()
                removed += cursor.delete()
            if removed and _NUMBER.pack(self._past(txn)) < last:
                txn.put(_PAST, last, db=self._meta)
        return removed

    def _last(self, txn: Txn) -> int:
        """The greatest number that was given out or reserved."""
        past = self._past(txn)
        with txn.cursor(self._written()) as cursor:
            return max(past, int(_NUMBER.unpack(cursor.key())[0])) if cursor.last() else past

    def _past(self, txn: Txn) -> int:
        return int(_NUMBER.unpack(txn.get(_PAST, db=self._meta) or bytes(_NUMBER.size))[0])

    def _written(self) -> Database:
        assert self._database is not None  # noqa: S101 - a writer has made it
        return self._database
