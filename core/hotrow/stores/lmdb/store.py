"""The embedded store: LMDB, a memory-mapped B+ tree. Many processes read, one writes, nothing else runs."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import lmdb

from hotrow import clock
from hotrow.codec.lookup import Keys, Rows, Wanted
from hotrow.errors import Code, HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.stores.check import check_writes
from hotrow.stores.lmdb import env as lmdb_env
from hotrow.stores.lmdb import folder as lmdb_folder
from hotrow.stores.lmdb import lock as lmdb_lock
from hotrow.stores.lmdb.env import PAGE_BYTES, Txn
from hotrow.stores.lmdb.failure import failed, failed_open, store_full
from hotrow.stores.lmdb.file import DATA, structure_problems
from hotrow.stores.lmdb.identity import damaged, write_identity
from hotrow.stores.lmdb.info import describe, free_bytes, live_pages, waiting
from hotrow.stores.lmdb.outbox import Outbox
from hotrow.stores.lmdb.presence import DataFile
from hotrow.stores.lmdb.read import RowReader
from hotrow.stores.lmdb.scan import after, chunk
from hotrow.stores.lmdb.verify import reader_problems
from hotrow.stores.lmdb.write import WATERMARK, Writing
from hotrow.stores.port import VIEW_ID_BYTES, Presence, StoredRow, StoreInfo, Waiting, Write, Written

T = TypeVar("T")

_GIB = 1 << 30
_LARGEST_WRITE_BYTES = 1 << 30  # in pages it changes, with room to spare


class LmdbStore:
    """An `OnlineStore` in a folder of the local disk. Threads may share it; a fork must not.

    Open it after a process has been spawned, once in a process, for LMDB's locks belong to the process. With
    `writable` the store is made if there is none, and this process is its one writer until `close`. `durability` is
    the writer's: "fsync", a commit is on the disk when `write` returns; "os", it is with the system, and survives the
    process but not a power cut. `size_gib` bounds the rows; all processes give the same. Up to `wait_s` a writer
    waits for the previous one to end, and a reader for the writer to make the store. `reached` is for tests of crashes.

    Raises HotrowError: FAILED_PRECONDITION for a second writer (naming the first), a folder that is no store, a store
    that is damaged or of a newer format, or a lack of permission; UNAVAILABLE for a reader that comes before the
    writer has made the store; EXHAUSTED where the disk is full.
    """

    atomic_across_entities = True

    def __init__(
        self,
        path: Path,
        *,
        size_gib: float = 64.0,
        writable: bool = False,
        durability: Literal["fsync", "os"] = "fsync",
        wait_s: float = 0.0,
        reached: Reached = unarmed,
    ) -> None:
        deadline_s = clock.monotonic_s() + wait_s
        if writable:
            self._folder = lmdb_folder.open_writer(path, durability=durability, deadline_s=deadline_s)
        else:
            self._folder = lmdb_folder.open_reader(path, deadline_s=deadline_s)
        self._path = path
        self._writable = writable
        self._durability = durability
        self._reached = reached
        self._size_bytes = int(size_gib * _GIB) // PAGE_BYTES * PAGE_BYTES
        self._roomy_pages = (self._size_bytes - _LARGEST_WRITE_BYTES) // PAGE_BYTES
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
            self._databases = lmdb_env.open_databases(env, writable=self._writable)
            found = lmdb_env.store_id(env, self._databases)
            env.reader_check()
        except lmdb.Error as error:
            env.close()
            raise failed_open(self._path, error) from None
        if found != self.id:
            env.close()
            raise damaged(self._path, f"{DATA} is of store {found}, the folder of {self.id}")
        self._env = env
        self._file = DataFile(self._path)
        self._begin = env.begin
        self._rows = self._databases.rows
        self._reader = RowReader(env, self._databases)
        self._writing = Writing(self._databases, self._reader)
        self._outbox = Outbox(self._databases)

    def claim(self, project: str) -> None:
        """Have the store belong to a project, if this is the writer and it belongs to none yet.

        Raises FAILED_PRECONDITION where it belongs to another.
        """
        identity = lmdb_folder.claimed(self._path, self._folder.identity, project)
        if self._writable and identity != self._folder.identity:
            write_identity(self._path, identity)
            self._folder = dataclasses.replace(self._folder, identity=identity)

    @property
    def id(self) -> str:
        return self._folder.identity.id

    @property
    def epoch(self) -> int:
        return self._folder.identity.epoch

    def read(self, wanted: Wanted, keys: Keys) -> Rows:
        try:
            return self._reader.read(wanted, keys)
        except lmdb.Error as error:
            return self._again(error, lambda txn: self._reader.one_by_one(txn, wanted, keys))

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
            written = self._writing.apply(txn, writes)
            if self._env.info()["last_pgno"] >= self._roomy_pages:
                self._check_room(txn)
            self._reached("after_write")
        self._file.require_linked()
        return written

    def _check_room(self, txn: Txn) -> None:
        """Keeps the map beyond the configured size free for removals, which take pages before they give any back."""
        if live_pages(txn, self._databases) > self._size_bytes // PAGE_BYTES:
            raise store_full(self._path, waiting(txn, self._databases))

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
        return None if stored is None else int(WATERMARK.unpack(stored)[0])

    def watermarks(self) -> dict[bytes, int]:
        stored = self._read(lambda txn: dict(txn.cursor(self._databases.watermarks)))
        return {view_id: int(WATERMARK.unpack(watermark)[0]) for view_id, watermark in stored.items()}

    def scan(self, view_id: bytes | None = None) -> Iterator[StoredRow]:
        start = b""
        while entries := self._read(partial(chunk, database=self._rows, start=start)):
            for name, row in entries:
                if view_id is None or name.endswith(view_id):
                    yield StoredRow(name[-VIEW_ID_BYTES:], name[:-VIEW_ID_BYTES], row)
            start = after(entries[-1][0])

    def remove(self, rows: Sequence[StoredRow]) -> int:
        with self._write_lock:
            return self._guarded(lambda: self._remove(rows))

    def _remove(self, rows: Sequence[StoredRow]) -> int:
        removed = 0
        with self._begin(self._rows, None, True) as txn:
            for stored in rows:
                name = stored.key + stored.view_id
                if txn.get(name) == stored.row:
                    removed += txn.delete(name)
        return removed

    def read_outbox(self, after: int) -> list[Waiting]:
        return self._read(lambda txn: self._outbox.read(txn, after))

    def remove_outbox(self, through: int) -> int:
        with self._write_lock:
            return self._guarded(lambda: self._outbox.remove(self._env, through))

    def reserve_outbox(self, through: int) -> None:
        with self._write_lock:
            self._guarded(lambda: self._outbox.reserve(self._env, through))

    def info(self) -> StoreInfo:
        info = self._read(lambda txn: describe(self._env, txn, self._databases))
        details = {
            "path": str(self._path),
            "durability": self._durability if self._writable else "",
            "writer_pid": lmdb_lock.writer_pid(self._path),
            **info.details,
            "disk_free_bytes": str(free_bytes(self._path)),
        }
        replace = dataclasses.replace
        return replace(info, id=self.id, epoch=self.epoch, size_bytes=self._size_bytes, details=details)

    def verify(self) -> list[str]:
        """As the port says, and every page is looked at while nobody writes: a writer's calls wait for it, some seconds
        a million rows, and where there is no writer none can start. A reader beside a writer looks at every entry.
        """
        if self._writable:
            with self._write_lock:
                return self._guarded(lambda: structure_problems(self._path))
        return self._guarded(lambda: reader_problems(self._path, self._env, self._databases))

    def presence(self) -> Presence:
        return self._file.presence()

    def clear_stale_readers(self) -> int:
        return self._guarded(self._env.reader_check)

    def close(self) -> None:
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self._writable and self._folder.identity.unsynced_boot:
                    self._note_synced()
            finally:
                self._env.close()
                self._file.close()
                self._folder.release()

    def _note_synced(self) -> None:
        # Where it cannot be noted, the next to open the store has more to do, and nothing is lost.
        with contextlib.suppress(lmdb.Error, OSError):
            self._env.sync(True)
            write_identity(self._path, dataclasses.replace(self._folder.identity, unsynced_boot=""))

    def _read(self, ask: Callable[[Txn], T]) -> T:
        try:
            with self._begin() as txn:
                return ask(txn)
        except lmdb.Error as error:
            return self._again(error, ask)

    def _again(self, error: lmdb.Error, ask: Callable[[Txn], T]) -> T:
        """A read that failed, once more where readers that died may have been the cause."""
        if self._closed:
            raise HotrowError(Code.UNAVAILABLE, f"the store at {self._path} is closed")
        try:
            if not isinstance(error, lmdb.ReadersFullError) or not self._env.reader_check():
                raise error
            with self._begin() as txn:
                return ask(txn)
        except lmdb.Error as last:
            raise failed(self._path, last) from None

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
            self._file.close()
            self._open()
        return told
