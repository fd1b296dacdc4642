"""Walks over a database of an LMDB store, in transactions so short that none keeps old pages from being used again."""

from hotrow.stores.lmdb.env import Database, Txn

_ENTRIES = 1000
_BYTES = 1 << 20


def chunk(txn: Txn, database: Database, start: bytes) -> list[tuple[bytes, bytes]]:
    """Some entries from key `start` on, in order; empty at the end. Go on at `after` the last."""
    entries: list[tuple[bytes, bytes]] = []
    room_bytes = _BYTES
    with txn.cursor(database) as cursor:
        if not (cursor.set_range(start) if start else cursor.first()):
            return entries
        for key, value in cursor:
            if room_bytes <= 0 or len(entries) == _ENTRIES:
                break
            entries.append((key, value))
            room_bytes -= len(value)
    return entries


def after(key: bytes) -> bytes:
    """The least key that is greater."""
    return key + b"\0"
