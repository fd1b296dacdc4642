"""What LMDB's failures mean to a caller."""

import errno
import os
from pathlib import Path

import lmdb

from hotrow.errors import Code, HotrowError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_ROOM_BYTES = 4 << 20
_MANY_WAITING = 10  # fewer are in every store that is written to
_MAP_FULL = "the store at {path} is full; raise online_store.size_gib and restart, or remove rows: `hotrow store gc`"
_DISK_FULL = "the disk of the store at {path} is full; make space on it, or in the store: `hotrow store gc`"
_RESIZED = "the store at {path} has outgrown what this process maps of it; restart this process"
_TRANSACTION_FULL = "too many rows for one transaction of the store at {path}; send them in smaller batches"
_READERS_FULL = "too many reads of the store at {path} at once"
_KEY = "an entity key is too long for the store at {path}; shorten the join key"
_DAMAGED = "the store at {path} is damaged ({error}); run `hotrow store verify`, then `hotrow store rebuild`"
_READ_ONLY = "this process has the store at {path} open for reading only; send writes to the ingest worker"
_TOLD: tuple[tuple[type[lmdb.Error], Code, str, float | None], ...] = (
    (lmdb.MapFullError, Code.EXHAUSTED, _MAP_FULL, None),
    (lmdb.MapResizedError, Code.UNAVAILABLE, _RESIZED, None),
    (lmdb.TxnFullError, Code.EXHAUSTED, _TRANSACTION_FULL, None),
    (lmdb.ReadersFullError, Code.EXHAUSTED, _READERS_FULL, 0.1),
    (lmdb.BadValsizeError, Code.INVALID, _KEY, None),
    (lmdb.CorruptedError, Code.FAILED_PRECONDITION, _DAMAGED, None),
    (lmdb.PageNotFoundError, Code.FAILED_PRECONDITION, _DAMAGED, None),
)


def failed(path: Path, error: lmdb.Error) -> HotrowError:
    """The error of a read or write that LMDB refused; nothing of the write is kept.

    A hint to come back is given only where time alone may help: a full store or disk takes somebody to make room.
    """
    if disk_full(path, error.code):
        return HotrowError(Code.EXHAUSTED, _DISK_FULL.format(path=path))
    if error.code in {errno.EACCES, errno.EROFS}:
        return HotrowError(Code.FAILED_PRECONDITION, _READ_ONLY.format(path=path))
    for kind, code, message, retry_after_s in _TOLD:
        if isinstance(error, kind):
            return HotrowError(code, message.format(path=path, error=error), retry_after_s=retry_after_s)
    return HotrowError(Code.UNAVAILABLE, f"the store at {path} failed: {error}; check its disk", retry_after_s=1.0)


def store_full(path: Path, waiting: int) -> HotrowError:
    """The error of a write that takes the store over its size; `waiting` entries are in its outbox."""
    told = _MAP_FULL.format(path=path)
    if waiting > _MANY_WAITING:
        told += f"; {waiting} entries wait in its outbox, and the ingest worker logs why they are not written out"
    return HotrowError(Code.EXHAUSTED, told)


def failed_open(path: Path, error: lmdb.Error) -> HotrowError:
    """The error of a store that LMDB would not open."""
    if error.code in {errno.EACCES, errno.EPERM}:
        message = f"{path}: permission denied to user {os.geteuid()}; give that user read and write access to the store"
        return HotrowError(Code.FAILED_PRECONDITION, message)
    if disk_full(path, error.code):
        return HotrowError(Code.EXHAUSTED, f"the disk of the store at {path} is full; make space on it")
    foreign = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.NotFoundError, lmdb.CorruptedError)
    if isinstance(error, foreign):
        remedy = "set online_store.path to another folder, or run `hotrow store rebuild`"
        return HotrowError(Code.FAILED_PRECONDITION, f"{path} does not hold a hotrow store ({error}); {remedy}")
    return HotrowError(Code.UNAVAILABLE, f"the store at {path} cannot be opened: {error}")


def disk_full(path: Path, code: int) -> bool:
    """Whether a failed write means a full disk: LMDB tells a write that was cut short as EIO."""
    if code in _FULL:
        return True
    if code != errno.EIO:
        return False
    try:
        disk = os.statvfs(path)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _NO_ROOM_BYTES
