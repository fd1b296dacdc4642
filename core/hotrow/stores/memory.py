"""The store in a dict: the reference for what the port means, and the store of tests. One process, nothing on disk."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hotrow import clock
from hotrow.codec.lookup import Keys, Rows, Wanted, rows_from_list
from hotrow.stores.check import check_writes
from hotrow.stores.port import (
    ABSENT,
    HERE,
    MARK_KEPT_US,
    MARKS_KEPT,
    SKIPPED_STALE,
    VERSION,
    WRITTEN,
    Mark,
    Presence,
    StoredRow,
    StoreInfo,
    Waiting,
    Write,
    Written,
)

_READ_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class _Kept:
    time_us: int
    mark: Mark
    written: Written


class MemoryStore:
    """An `OnlineStore` that several threads may share."""

    atomic_across_entities = True

    def __init__(self, *, epoch: int = 1) -> None:
        self._id = uuid.uuid4().hex
        self._epoch = epoch
        self._lock = threading.Lock()
        self._rows: dict[tuple[bytes, bytes], bytes] = {}
        self._marks: dict[bytes, _Kept] = {}  # oldest first
        self._schemas: dict[bytes, bytes] = {}
        self._watermarks: dict[bytes, int] = {}
        self._outbox: list[Waiting] = []
        self._last_number = 0
        self._sequence = 0

    @property
    def id(self) -> str:
        return self._id

    @property
    def epoch(self) -> int:
        return self._epoch

    def read(self, wanted: Wanted, keys: Keys) -> Rows:
        places = zip(wanted.view_ids, wanted.sets, strict=True)
        names = [(view_id, keys.one(key_set, row)) for view_id, key_set in places for row in range(keys.n)]
        with self._lock:
            return rows_from_list([self._rows.get(name, ABSENT) for name in names])

    def write(self, writes: Sequence[Write]) -> list[Written]:
        writes = [write.listed() for write in writes]
        check_writes(writes)
        with self._lock:
            before = self._sequence
            written = [self._write(write, before) for write in writes]
            return [self._dated(one) for one in written]

    def _dated(self, written: Written) -> Written:
        """One transaction has one sequence, known at its end."""
        if written.replayed or written.conflict or written.sequence == self._sequence:
            return written
        return written._replace(sequence=self._sequence)

    def _write(self, write: Write, before: int) -> Written:
        mark, now_us = write.mark, clock.now_us()
        kept = self._marks.get(mark.key) if mark else None
        if mark and kept and now_us - kept.time_us <= MARK_KEPT_US:
            if kept.mark.digest != mark.digest:
                return Written(b"", 0, conflict=True)
            return Written(kept.written.outcomes, kept.written.sequence, replayed=True, note=kept.mark.note)
        outcomes = bytes(self._put((write.view_id, key), row) for key, row in zip(write.keys, write.rows, strict=True))
        stored_us, moved = self._watermarks.get(write.view_id), False
        if write.watermark_us is not None and (stored_us is None or stored_us < write.watermark_us):
            self._watermarks[write.view_id], moved = write.watermark_us, True
        for data in write.outbox:
            self._last_number += 1
            self._outbox.append(Waiting(self._last_number, bytes(data)))
        if mark or moved or write.outbox or WRITTEN in outcomes:
            self._sequence = before + 1
        written = Written(outcomes, self._sequence, note=mark.note if mark else b"")
        if mark:
            self._keep(_Kept(now_us, mark, written))
        return written

    def _put(self, name: tuple[bytes, bytes], row: bytes) -> int:
        if row[VERSION] <= self._rows.get(name, ABSENT)[VERSION]:
            return SKIPPED_STALE
        self._rows[name] = bytes(row)
        return WRITTEN

    def _keep(self, kept: _Kept) -> None:
        self._marks.pop(kept.mark.key, None)
        self._marks[kept.mark.key] = kept
        while len(self._marks) > MARKS_KEPT:
            del self._marks[next(iter(self._marks))]

    def sequence(self) -> int:
        return self._sequence

    def put_schemas(self, schemas: dict[bytes, bytes]) -> None:
        with self._lock:
            self._schemas |= schemas

    def schemas(self) -> dict[bytes, bytes]:
        with self._lock:
            return dict(self._schemas)

    def watermark_us(self, view_id: bytes) -> int | None:
        return self._watermarks.get(view_id)

    def watermarks(self) -> dict[bytes, int]:
        with self._lock:
            return dict(self._watermarks)

    def scan(self, view_id: bytes | None = None) -> Iterator[StoredRow]:
        with self._lock:
            names = sorted(name for name in self._rows if view_id is None or name[0] == view_id)
        for name in names:
            row = self._rows.get(name)
            if row is not None:
                yield StoredRow(name[0], name[1], row)

    def remove(self, rows: Sequence[StoredRow]) -> int:
        removed = 0
        with self._lock:
            for stored in rows:
                name = (stored.view_id, stored.key)
                if self._rows.get(name) == stored.row:
                    del self._rows[name]
                    removed += 1
            self._sequence += removed > 0
        return removed

    def read_outbox(self, after: int) -> list[Waiting]:
        with self._lock:
            return [entry for entry in self._outbox if entry.number > after][:_READ_ENTRIES]

    def remove_outbox(self, through: int) -> int:
        with self._lock:
            kept = [entry for entry in self._outbox if entry.number > through]
            removed = len(self._outbox) - len(kept)
            self._outbox = kept
            self._sequence += removed > 0
            return removed

    def reserve_outbox(self, through: int) -> None:
        with self._lock:
            self._sequence += through > self._last_number
            self._last_number = max(self._last_number, through)

    def info(self) -> StoreInfo:
        with self._lock:
            used_bytes = sum(len(key) + len(row) for (_, key), row in self._rows.items())
            used_bytes += sum(len(entry.data) for entry in self._outbox)
            rows, waiting = len(self._rows), len(self._outbox)
            return StoreInfo("memory", self._id, self._epoch, self._sequence, rows, used_bytes, 0, waiting)

    def verify(self) -> list[str]:
        return []

    def presence(self) -> Presence:
        return HERE

    def clear_stale_readers(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing to release."""
