"""Takes entries of the outbox to the log of pushed rows, each once.

An entry is removed from the outbox when the file that has it is on the disk, and where a process dies between the two,
the file's name tells the next that it is there. pyarrow is loaded with the first row: a worker whose pushes go online
alone does without.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hotrow import clock
from hotrow.codec.logged import LoggedRows, decode_entry, described_view
from hotrow.disk import sync
from hotrow.errors import Code, HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.offline.row_log.failure import told
from hotrow.offline.row_log.folder import (
    TEMPORARY,
    date_folder,
    day_folders,
    file_name,
    last_file,
    last_number,
    logged_views,
    view_folder,
)
from hotrow.offline.row_log.lock import LogLock
from hotrow.stores.port import OnlineStore, SharedOutbox, Waiting

_LEFT_S = 600.0
_BATCH_BYTES = 16 << 20


class _Numbered(NamedTuple):
    number: int
    rows: LoggedRows


class LogWriter:
    """The one writer of the log in a folder, until `close`; of a store that several processes write, one whose turn it
    is (`LogLease`). `reached` is for tests of crashes.

    Its methods raise HotrowError: FAILED_PRECONDITION where another process writes the log or this one may not, or
    where an entry cannot be read; EXHAUSTED where the disk is full; UNAVAILABLE where it fails otherwise. What was not
    written stays in the outbox.
    """

    def __init__(self, log: Path, store: OnlineStore, reached: Reached = unarmed) -> None:
        self._log = log
        self._store = store
        self._reached = reached
        self._last: dict[bytes, int] = {}
        self._days: set[Path] = set()
        self._shared = store if isinstance(store, SharedOutbox) else None
        self._lock = told(log, lambda: LogLock(log, shared=self._shared is not None))
        told(log, self._clean)

    def drain(self, stopped: Callable[[], bool] = lambda: False) -> int:
        """Write what is in the outbox, batch by batch until it is empty or `stopped`; returns the rows written."""
        rows = position = 0
        while not stopped():
            batch = self._batch(position)
            if not batch:
                break
            rows += self._write(batch)
            position = batch[-1].number
            self._store.remove_outbox(position)
        return rows

    def merge(self, stopped: Callable[[], bool]) -> None:
        """Merge small files of the days that were written to, and of those that an earlier process left."""
        from hotrow.offline.row_log.merge import merge_day  # noqa: PLC0415 - see the module

        for day in sorted(self._days):
            if stopped():
                return
            if not told(self._log, partial(merge_day, day, self._reached)):
                self._days.discard(day)

    def close(self) -> None:
        """Let another process write."""
        self._lock.release()

    def _clean(self) -> None:
        for left in self._log.glob(TEMPORARY):
            if self._shared is None or clock.now_s() - left.stat().st_mtime > _LEFT_S:  # else another may write it
                left.unlink(missing_ok=True)
        self._days.update(day for view in logged_views(self._log) for day in day_folders(view.folder))

    def _batch(self, position: int) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while size < _BATCH_BYTES and (some := self._store.read_outbox(batch[-1].number if batch else position)):
            batch += some
            size += sum(len(entry.data) for entry in some)
        return self._fixed(self._shared, batch) if self._shared is not None and batch else batch

    def _fixed(self, shared: SharedOutbox, batch: list[Waiting]) -> list[Waiting]:
        """The batch that begins with the same entry, as whoever began it first has it; empty where others took it."""
        last = shared.begin_batch(batch[0].number, batch[-1].number)
        while batch[-1].number < last and (some := self._store.read_outbox(batch[-1].number)):
            batch += some
        return [entry for entry in batch if entry.number <= last]

    def _write(self, batch: Sequence[Waiting]) -> int:
        by_view: dict[bytes, list[_Numbered]] = {}
        for waiting in batch:
            rows = decode_entry(waiting.data)
            by_view.setdefault(rows.view_id, []).append(_Numbered(waiting.number, rows))
        schemas = self._store.schemas()
        written = 0
        for view_id, entries in by_view.items():
            last = self._last_of(view_id)
            for run in _runs(entry for entry in entries if entry.number > last):
                self._write_run(run, schemas)
                self._last[view_id] = run[-1].number
                written += sum(len(entry.rows.row_lengths) for entry in run)
        return written

    def _last_of(self, view_id: bytes) -> int:
        """The number of the last entry of the view that is in the log, for good."""
        if view_id not in self._last:
            folders = [view.folder for view in logged_views(self._log) if view.view_id == view_id]
            for file in filter(None, map(last_file, folders)):
                # A process that was killed may have given the file its name, and not seen that onto the disk.
                told(self._log, partial(sync, file.path.parent))
            self._last[view_id] = last_number(self._log, view_id)
        return self._last[view_id]

    def _write_run(self, run: Sequence[_Numbered], schemas: Mapping[bytes, bytes]) -> None:
        from hotrow.offline.row_log.file import write_log_file  # noqa: PLC0415 - see the module
        from hotrow.offline.row_log.table import log_table  # noqa: PLC0415

        first = run[0].rows
        schema = schemas.get(first.fingerprint)
        if schema is None:
            raise HotrowError(
                Code.FAILED_PRECONDITION, f"the store does not know the schema {first.fingerprint.hex()} of pushed rows"
            )
        table = log_table([entry.rows for entry in run], schema)
        view, _ = described_view(first.description)
        folder = date_folder(view_folder(self._log, view, first.view_id), first.created_us)
        path = folder / file_name(run[0].number, run[-1].number)
        told(self._log, lambda: write_log_file(path, table.schema, [table], self._reached, "log"))
        self._days.add(folder)


def _runs(entries: Iterator[_Numbered]) -> Iterator[list[_Numbered]]:
    """Entries that one file can take: one after another, of one schema and one day."""

    def kind(entry: _Numbered) -> tuple[bytes, bytes, Path]:
        rows = entry.rows
        return rows.description, rows.fingerprint, date_folder(Path(), rows.created_us)

    for _, run in itertools.groupby(entries, kind):
        yield list(run)
