"""Marks in an LMDB store: which requests were written, by key, and in the order they came, to forget the oldest.

`marks`: SHA-256 of the mark's key, to header, digest, note, outcomes (compressed when long).
`mark_order`: ordinal (u64, big-endian, ever growing), to time (i64, big-endian) and the key in `marks`.
"""

import hashlib
import struct
import zlib

from hotrow import clock
from hotrow.stores.lmdb.env import Databases, Txn
from hotrow.stores.port import MARK_KEPT_US, MARKS_KEPT, Mark, Written

_HEADER = struct.Struct(">qQQIII")  # time, ordinal, sequence, bytes of digest and note, bytes of the plain outcomes
_ORDINAL = struct.Struct(">Q")
_TIME = struct.Struct(">q")
_PLAIN_BYTES = 64
_PRUNED_AT_ONCE = 256  # bounds what one commit does for marks past; more than one comes in is enough to catch up


class Marks:
    """The marks of one store, within transactions that its methods are given."""

    def __init__(self, databases: Databases) -> None:
        self._by_key = databases.marks
        self._order = databases.mark_order

    def find(self, txn: Txn, mark: Mark) -> Written | None:
        """What the marked write came to, if it was done before and is not forgotten."""
        kept = txn.get(_name(mark), db=self._by_key)
        if kept is None:
            return None
        time_us, _, sequence, digest_bytes, note_bytes, outcomes_bytes = _HEADER.unpack_from(kept)
        if clock.now_us() - time_us > MARK_KEPT_US:
            return None
        note_start = _HEADER.size + digest_bytes
        if kept[_HEADER.size : note_start] != mark.digest:
            return Written(b"", 0, conflict=True)
        outcomes = kept[note_start + note_bytes :]
        if outcomes_bytes > _PLAIN_BYTES:
            outcomes = zlib.decompress(outcomes)
        return Written(outcomes, sequence, replayed=True, note=kept[note_start : note_start + note_bytes])

    def keep(self, txn: Txn, mark: Mark, outcomes: bytes) -> None:
        """Remember a write of this transaction, and forget what is old."""
        now_us, name = clock.now_us(), _name(mark)
        forgotten = txn.get(name, db=self._by_key)
        if forgotten is not None:  # too old to be found
            txn.delete(_ORDINAL.pack(_HEADER.unpack_from(forgotten)[1]), db=self._order)
        with txn.cursor(self._order) as cursor:
            ordinal = _ORDINAL.unpack(cursor.key())[0] + 1 if cursor.last() else 0
        header = _HEADER.pack(now_us, ordinal, txn.id(), len(mark.digest), len(mark.note), len(outcomes))
        stored = zlib.compress(outcomes, 1) if len(outcomes) > _PLAIN_BYTES else outcomes
        txn.put(name, b"".join((header, mark.digest, mark.note, stored)), db=self._by_key)
        txn.put(_ORDINAL.pack(ordinal), _TIME.pack(now_us) + name, db=self._order, append=True)
        self._prune(txn, now_us)

    def _prune(self, txn: Txn, now_us: int) -> None:
        surplus = txn.stat(self._order)["entries"] - MARKS_KEPT
        with txn.cursor(self._order) as cursor:
            for _ in range(_PRUNED_AT_ONCE):
                if not cursor.first():
                    return
                value = cursor.value()
                if surplus <= 0 and now_us - _TIME.unpack_from(value)[0] <= MARK_KEPT_US:
                    return
                cursor.delete()
                txn.delete(value[_TIME.size :], db=self._by_key)
                surplus -= 1


def _name(mark: Mark) -> bytes:
    return hashlib.sha256(mark.key).digest()
