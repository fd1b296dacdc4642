"""How the environment of an LMDB store is opened, and what databases it has."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import lmdb

if TYPE_CHECKING:
    Txn: TypeAlias = lmdb.Transaction[bytes]
    Database: TypeAlias = lmdb._Database  # noqa: SLF001 - the type of a handle has no public name
else:
    Txn = lmdb.Transaction  # generic to type checkers only
    Database = lmdb._Database  # noqa: SLF001

PAGE_BYTES = 4096
RESERVE_BYTES = 64 << 20
"""Of the map beyond the configured size, which bounds the pages in use: room for removals, and for pages that are free
but still read."""

_READER_TIMES = 4
_READER_BYTES = 256 << 30
"""A reader maps more than there is (addresses are free), so that the writer's size may be raised before the readers':
a map cannot be replaced safely while threads read it."""

MAX_READERS = 4096
"""Read transactions at once over all processes, 64 bytes of lock.mdb each; LMDB's own 126 are few for many workers."""

READERS_BYTES = MAX_READERS * 64 + PAGE_BYTES

ROWS, _META, _SCHEMAS, _WATERMARKS = b"rows", b"meta", b"schemas", b"watermarks"
_MARKS, _MARK_ORDER = b"marks", b"mark_order"
_OUTBOX = b"outbox"
_NAMES = (ROWS, _META, _SCHEMAS, _WATERMARKS, _MARKS, _MARK_ORDER)
_ALL_NAMES = (*_NAMES, _OUTBOX)
_ID = b"id"


@dataclass(frozen=True, slots=True)
class Databases:
    """Handles of the named databases. `rows`: entity key and view id to row; `meta`: b"id" to the store's id;
    `schemas`: fingerprint to schema; `watermarks`: view id to i64; the marks are `hotrow.stores.lmdb.mark`'s, and the
    outbox is `hotrow.stores.lmdb.outbox`'s: None to a reader of a store that was last written by an older version.
    """

    rows: Database
    meta: Database
    schemas: Database
    watermarks: Database
    marks: Database
    mark_order: Database
    outbox: Database | None

    def named(self) -> list[tuple[str, Database]]:
        handles = (self.rows, self.meta, self.schemas, self.watermarks, self.marks, self.mark_order, self.outbox)
        named = zip(_ALL_NAMES, handles, strict=True)
        return [(name.decode(), handle) for name, handle in named if handle is not None]


def open_env(folder: Path, *, size_bytes: int, writable: bool, sync: bool) -> lmdb.Environment:
    """Raises lmdb.Error. The file must have been found sound: LMDB trusts it.

    Without writemap, for a full disk must be an error: with it, a page of the sparse map that has no room on the disk
    is a SIGBUS (seen on a full tmpfs). With sync it would be no gain either. Measured with 200,000 rows of 432 bytes,
    random keys, the median of a commit of one row and of 1,000:

        sync, writemap off   426 us   16.1 ms       no sync, writemap off   24 us   6.3 ms
        sync, writemap on    333 us   38.2 ms       no sync, writemap on     6 us   2.4 ms
    """
    return lmdb.open(
        str(folder),
        map_size=RESERVE_BYTES + (size_bytes if writable else max(size_bytes * _READER_TIMES, _READER_BYTES)),
        subdir=True,
        readonly=not writable,
        create=False,
        mode=0o770,
        sync=sync,
        metasync=sync,
        writemap=False,
        max_readers=MAX_READERS,
        max_dbs=len(_ALL_NAMES),
        max_spare_txns=1,
    )


def open_databases(env: lmdb.Environment, *, writable: bool) -> Databases:
    """Raises lmdb.NotFoundError where one is missing. A writer makes the outbox, which older stores have not."""
    rows, meta, schemas, watermarks, marks, mark_order = (env.open_db(name, create=False) for name in _NAMES)
    outbox: Database | None = None
    try:
        outbox = env.open_db(_OUTBOX, create=False)
    except lmdb.NotFoundError:
        if writable:
            outbox = env.open_db(_OUTBOX)
    return Databases(rows, meta, schemas, watermarks, marks, mark_order, outbox)


def store_id(env: lmdb.Environment, databases: Databases) -> str:
    """The id in the data file itself, by which it belongs to its folder."""
    with env.begin(databases.meta) as txn:
        return txn.get(_ID, b"").decode(errors="replace")


def build(folder: Path, new_id: str) -> None:
    """Make an empty store's data file in a new folder."""
    folder.mkdir()
    env = lmdb.open(str(folder), map_size=1 << 20, mode=0o770, max_dbs=len(_ALL_NAMES), max_readers=MAX_READERS)
    with env, env.begin(write=True) as txn:
        for name in _ALL_NAMES:
            database = env.open_db(name, txn=txn)
            if name == _META:
                txn.put(_ID, new_id.encode(), db=database)
