"""The embedded store: LMDB, a memory-mapped B+ tree. Many processes read, one writes, nothing else runs."""

import dataclasses
import itertools
import os
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import lmdb

from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.stores import lmdb_env, lmdb_folder, lmdb_lock
from hotrow.stores.check import check_writes
from hotrow.stores.lmdb_env import Txn
from hotrow.stores.lmdb_failure import failed, failed_open
from hotrow.stores.lmdb_file import DATA
from hotrow.stores.lmdb_mark import Marks
from hotrow.stores.lmdb_verify import verify_live, verify_still
from hotrow.stores.port import (
    ABSENT,
    SKIPPED_STALE,
    VERSION,
    VIEW_ID_BYTES,
    WRITTEN,
    StoredRow,
    StoreInfo,
    Write,
    Written,
)

T = TypeVar("T")

_WATERMARK = struct.Struct(">q")
_GIB = 1 << 30
_PAGE = 4096
_SCAN_ROWS = 1000
_SCAN_BYTES = 1 << 20
_READ_TRIES = 3


class LmdbStore:
    """An `OnlineStore` in a folder of the local disk. Threads may share it; a fork must not.

    Open it after a process has been spawned, once in a process, for LMDB's locks belong to the process. With
    `writable` the store is made if there is none, and this process is its one writer until `close`. `durability` is
    the writer's: "fsync", a commit is on the disk when `write` returns; "os", it is with the system, and survives the
    process but not a power cut. `size_gib` bounds the rows; all processes give the same. Up to `wait_s` a writer
    waits for the previous one to end, and a reader for the writer to make the store.

    Raises HotrowError: FAILED_PRECONDITION for a second writer (naming the first), a folder that is no store, a store
    that is damaged or of a newer format, or a lack of permission; UNAVAILABLE for a reader that comes before the
    writer has made the store; EXHAUSTED where the disk is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        size_gib: float = 64.0,
        writable: bool = False,
        durability: Literal["fsync", "os"] = "fsync",
        wait_s: float = 0.0,
    ) -> None:
        deadline_s = clock.monotonic_s() + wait_s
        if writable:
            self._folder = lmdb_folder.open_writer(path, durability=durability, deadline_s=deadline_s)
        else:
            self._folder = lmdb_folder.open_reader(path, deadline_s=deadline_s)
        self._path = path
        self._writable = writable
        self._durability = durability
        self._size_bytes = int(size_gib * _GIB) // _PAGE * _PAGE
        self._write_lock = threading.Lock()
        self._closed = False
        try:
            self._open()
        except BaseException:
            self._folder.release()
            raise

    def _open(self) -> None:
        sync = self._durability == "fsync"
        try:
            env = lmdb_env.open_env(self._path, size_bytes=self._size_bytes, writable=self._writable, sync=sync)
        except lmdb.Error as error:
            raise failed_open(self._path, error) from None
        try:
            self._databases = lmdb_env.open_databases(env)
            found = lmdb_env.store_id(env, self._databases)
            if found != self.id:
                raise lmdb.InvalidError(f"{DATA} is of store {found!r}, the folder of {self.id!r}")
            env.reader_check()
        except lmdb.Error as error:
            env.close()
            raise failed_open(self._path, error) from None
        self._env = env
        self._begin = env.begin
        self._rows = self._databases.rows
        self._marks = Marks(self._databases)

    @property
    def id(self) -> str:
        return self._folder.identity.id

    @property
    def epoch(self) -> int:
        return self._folder.identity.epoch

    def read(self, view_ids: Sequence[bytes], keys: Sequence[Sequence[bytes]]) -> list[bytes]:
        # The hot path. 1.1 us for one key, 32 us for 100, of 532-byte rows; map and repeat save a tenth over a
        # comprehension, and getmulti, buffers=True, and one cursor for all keys were slower.
        names = [view_id + key for view_id, group in zip(view_ids, keys, strict=True) for key in group]
        try:
            with self._begin(self._rows) as txn:
                return list(map(txn.get, names, itertools.repeat(ABSENT)))
        except lmdb.Error as error:
            return self._again(error, lambda txn: [txn.get(name, ABSENT, self._rows) for name in names])

    def write(self, writes: Sequence[Write]) -> list[Written]:
        check_writes(writes)
        with self._write_lock:
            try:
                return self._commit(writes)
            except lmdb.MapFullError as error:
                if not self._env.reader_check():  # readers that died may have kept free pages from use
                    raise failed(self._path, error) from None
                return self._guarded(lambda: self._commit(writes))
            except lmdb.Error as error:
                raise self._write_failed(error) from None

    def _commit(self, writes: Sequence[Write]) -> list[Written]:
        with self._begin(self._rows, None, True) as txn:
            sequence = txn.id()
            changed = False
            written = []
            for write in writes:
                one, touched = self._apply(txn, write, sequence)
                written.append(one)
                changed |= touched
        # LMDB takes no number for a transaction that changed nothing.
        return written if changed else [_dated(one, sequence - 1) for one in written]

    def _apply(self, txn: Txn, write: Write, sequence: int) -> tuple[Written, bool]:
        """The outcome, and whether anything was changed."""
        mark = write.mark
        if mark is not None:
            known = self._marks.find(txn, mark)
            if known is not None:
                return known, False
        view_id, get, put = write.view_id, txn.get, txn.put
        outcomes = bytearray()
        for key, row in zip(write.keys, write.rows, strict=True):
            name = view_id + key
            if get(name, ABSENT)[VERSION] < row[VERSION]:
                put(name, row)
                outcomes.append(WRITTEN)
            else:
                outcomes.append(SKIPPED_STALE)
        changed = WRITTEN in outcomes
        if write.watermark_us is not None:
            watermark = _WATERMARK.pack(write.watermark_us)
            if get(view_id, None, self._databases.watermarks) != watermark:
                put(view_id, watermark, db=self._databases.watermarks)
                changed = True
        result = bytes(outcomes)
        if mark is None:
            return Written(result, sequence), changed
        self._marks.keep(txn, mark, result)
        return Written(result, sequence, note=mark.note), True

    def sequence(self) -> int:
        try:
            with self._begin() as txn:
                return txn.id()
        except lmdb.Error as error:
            return self._again(error, lambda txn: txn.id())

    def put_schemas(self, schemas: dict[bytes, bytes]) -> None:
        stored = self.schemas()
        new = {fingerprint: schema for fingerprint, schema in schemas.items() if stored.get(fingerprint) != schema}
        if new:
            with self._write_lock:
                self._guarded(lambda: self._put_schemas(new))

    def _put_schemas(self, schemas: dict[bytes, bytes]) -> None:
        with self._begin(self._databases.schemas, None, True) as txn:
            for fingerprint, schema in schemas.items():
                txn.put(fingerprint, schema)

    def schemas(self) -> dict[bytes, bytes]:
        return self._read(lambda txn: dict(txn.cursor(self._databases.schemas)))

    def watermark_us(self, view_id: bytes) -> int | None:
        stored = self._read(lambda txn: txn.get(view_id, None, self._databases.watermarks))
        return None if stored is None else int(_WATERMARK.unpack(stored)[0])

    def scan(self, view_id: bytes | None = None) -> Iterator[StoredRow]:
        start = prefix = view_id or b""
        while True:
            chunk = self._chunk(start, prefix)
            for name, row in chunk:
                yield StoredRow(name[:VIEW_ID_BYTES], name[VIEW_ID_BYTES:], row)
            if not chunk:
                return
            start = chunk[-1][0] + b"\0"

    def _chunk(self, start: bytes, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Some rows from `start` on, of a transaction as short as that: a longer one would keep old pages from use."""

        def collect(txn: Txn) -> list[tuple[bytes, bytes]]:
            rows: list[tuple[bytes, bytes]] = []
            room_bytes = _SCAN_BYTES
            with txn.cursor(self._rows) as cursor:
                if not (cursor.set_range(start) if start else cursor.first()):
                    return rows
                for name, row in cursor:
                    if room_bytes <= 0 or len(rows) == _SCAN_ROWS or not name.startswith(prefix):
                        break
                    rows.append((name, row))
                    room_bytes -= len(row)
            return rows

        return self._read(collect)

    def remove(self, rows: Sequence[StoredRow]) -> int:
        with self._write_lock:
            try:
                return self._remove(rows)
            except lmdb.MapFullError:
                return self._guarded(lambda: self._remove_in_reserve(rows))
            except lmdb.Error as error:
                raise self._write_failed(error) from None

    def _remove(self, rows: Sequence[StoredRow]) -> int:
        removed = 0
        with self._begin(self._rows, None, True) as txn:
            for stored in rows:
                name = stored.view_id + stored.key
                if txn.get(name) == stored.row:
                    removed += txn.delete(name)
        return removed

    def _remove_in_reserve(self, rows: Sequence[StoredRow]) -> int:
        self._env.set_mapsize(self._size_bytes + lmdb_env.RESERVE_BYTES)
        try:
            return self._remove(rows)
        finally:
            self._env.set_mapsize(self._size_bytes)

    def info(self) -> StoreInfo:
        def collect(txn: Txn) -> StoreInfo:
            stats = {name: txn.stat(handle) for name, handle in self._databases.named()}
            pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats.values())
            page_bytes = stats["rows"]["psize"]
            env = self._env.info()
            details = {
                "path": str(self._path),
                "format": str(lmdb_folder.FORMAT),
                "durability": self._durability if self._writable else "",
                "file_bytes": str((env["last_pgno"] + 1) * page_bytes),
                "disk_free_bytes": str(_free_bytes(self._path)),
                "marks": str(stats["mark_order"]["entries"]),
                "schemas": str(stats["schemas"]["entries"]),
                "reader_slots": str(env["num_readers"]),
                "writer_pid": lmdb_lock.writer_pid(self._path),
                "lmdb": ".".join(map(str, lmdb.version())),
            }
            rows, used_bytes = stats["rows"]["entries"], pages * page_bytes
            return StoreInfo("lmdb", self.id, self.epoch, txn.id(), rows, used_bytes, self._size_bytes, details)

        return self._read(collect)

    def verify(self) -> list[str]:
        """As the port says. A writer's store stands still for as long as it takes, some seconds a million rows, and
        every page is looked at. A reader's goes on: what can be seen of the databases by reading them is.
        """
        if not self._writable:
            return self._guarded(lambda: verify_live(self._env, self._databases))
        with self._write_lock, self._begin(write=True):
            return self._guarded(lambda: verify_still(self._path))

    def clear_stale_readers(self) -> int:
        return self._guarded(self._env.reader_check)

    def close(self) -> None:
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self._writable and self._folder.identity.unsynced_boot:
                    self._guarded(lambda: self._env.sync(True))
                    identity = dataclasses.replace(self._folder.identity, unsynced_boot="")
                    lmdb_folder.write_identity(self._path, identity)
            finally:
                self._env.close()
                self._folder.release()

    def _read(self, ask: Callable[[Txn], T]) -> T:
        try:
            with self._begin() as txn:
                return ask(txn)
        except lmdb.Error as error:
            return self._again(error, ask)

    def _again(self, error: lmdb.Error, ask: Callable[[Txn], T]) -> T:
        """A read that failed, after what may have been its cause: the writer's larger map, or readers that died."""
        for _ in range(_READ_TRIES):
            if self._closed:
                raise HotrowError(Code.UNAVAILABLE, f"the store at {self._path} is closed")
            try:
                if isinstance(error, lmdb.MapResizedError):
                    self._env.set_mapsize(0)
                elif isinstance(error, lmdb.ReadersFullError):
                    self._env.reader_check()
                with self._begin() as txn:
                    return ask(txn)
            except lmdb.Error as another:
                error = another
        raise failed(self._path, error) from None

    def _guarded(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except lmdb.Error as error:
            raise self._write_failed(error) from None

    def _write_failed(self, error: lmdb.Error) -> HotrowError:
        """LMDB writes no more once it could not undo a failed commit; it does again when opened anew."""
        told = failed(self._path, error)
        if isinstance(error, lmdb.PanicError):
            self._env.close()
            self._open()
        return told


def _dated(written: Written, sequence: int) -> Written:
    if written.replayed or written.conflict:
        return written
    return dataclasses.replace(written, sequence=sequence)


def _free_bytes(path: Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def create_fresh(path: Path, *, wait_s: float = 0.0) -> Path | None:
    """Put the store at `path` aside and make an empty one there, of the same id and the next epoch.

    For a rebuild; works on a store that no longer opens. Returns the folder of the old data, which may be deleted,
    None if there was none. Raises FAILED_PRECONDITION while any process has the store open, and for a folder that is
    no store.
    """
    return lmdb_folder.put_aside(path, deadline_s=clock.monotonic_s() + wait_s)
