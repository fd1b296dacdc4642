"""Reads the log of pushed rows as parts of a view's source.

A row has the fields of the schema that it was pushed with. It is read as an online store reads it: a field is found by
name and type, and one that the row lacks is its default, or null. Rows that are marked as pruned are passed over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from hotrow.errors import HotrowError
from hotrow.offline.arrow_column import arrow_type
from hotrow.offline.conversion import mismatch
from hotrow.offline.parquet import ParquetPart, open_parquet
from hotrow.offline.row_log.folder import (
    CREATED_TIME,
    DELETED,
    EVENT_TIME,
    Pruned,
    complete_files,
    current_files,
    day_folders,
    pruned_marks,
)
from hotrow.offline.rows import deciding_columns, filtered
from hotrow.offline.source import (
    DEFAULT_SIZE,
    BatchSize,
    Column,
    Interval,
    SourceBatch,
    SourceColumns,
    SourcePart,
    counted_before,
)
from hotrow.types import Bool

_DELETED = Column(DELETED, Bool)


@dataclass(frozen=True, slots=True)
class LogPart:
    """Some rows of a file of the log: a `SourcePart`. `nulls` are the columns that it has as nulls alone, and `pruned`
    tells which rows it does not give.
    """

    inner: ParquetPart
    columns: tuple[Column, ...]
    nulls: frozenset[str]
    schema: pa.Schema
    pruned: Sequence[Pruned] = ()

    @property
    def deciding(self) -> tuple[Column, ...]:
        return deciding_columns(self.schema, self.columns)

    def rows(self, interval: Interval) -> int:
        return self.inner.rows(interval)

    def batches(
        self, interval: Interval, columns: Sequence[Column], size: BatchSize = DEFAULT_SIZE
    ) -> Iterator[SourceBatch]:
        held = [column for column in columns if column.name not in self.nulls]
        for inner in self.inner.batches(interval, [*held, _DELETED], size):
            batch = self._without_pruned(inner)
            deleted = batch.rows.column(DELETED).to_numpy(zero_copy_only=False)
            rows = batch.rows.drop_columns([DELETED])
            for column in columns:
                if column.name in self.nulls:
                    rows = rows.append_column(column.name, pa.nulls(rows.num_rows, arrow_type(column.type)))
            yield replace(batch, rows=rows, columns=tuple(columns), deleted=deleted if deleted.any() else None)

    def _without_pruned(self, batch: SourceBatch) -> SourceBatch:
        assert batch.created_time_us is not None  # noqa: S101 - every file of the log has them
        gone = np.zeros(batch.rows.num_rows, np.bool_)
        for mark in self.pruned:
            gone |= (batch.event_time_us < mark.before_us) & (batch.created_time_us <= mark.created_us)
        return filtered(batch, ~gone) if gone.any() else batch

    @property
    def holder(self) -> str:
        return self.inner.holder

    def rows_before(self, time_us: int) -> int:
        return counted_before(self, time_us)

    def version(self) -> str:
        return self.inner.version()

    def changed(self) -> bool:
        return self.inner.changed()


def has_log(folder: Path) -> bool:
    """Whether anything that was pushed to the view of that folder is in the log."""
    return any(complete_files(day) for day in day_folders(folder))


def open_log(folder: Path, wanted: SourceColumns) -> tuple[LogPart, ...]:
    """The parts of a view's log; raises INVALID for a file that cannot be read."""
    files = sorted(file for day in day_folders(folder) for file in current_files(complete_files(day)))
    times = SourceColumns(wanted.view, (_DELETED,), EVENT_TIME, CREATED_TIME)
    try:
        opened = [part for file in files for part in open_parquet(file.path, times).parts]
    except HotrowError:
        if all(file.path.exists() for file in files):
            raise
        return open_log(folder, wanted)  # one was pruned since its name was read, or was merged long ago
    pruned = pruned_marks(folder)  # after the files: while there is no mark, none has been pruned
    return tuple(_part(part, wanted, pruned) for part in opened)


def _part(inner: SourcePart, wanted: SourceColumns, pruned: Sequence[Pruned]) -> LogPart:
    assert isinstance(inner, ParquetPart)  # noqa: S101 - what `open_parquet` makes
    held = inner.schema
    there = {c.name for c in wanted.columns if c.name in held.names and _fits(held.field(c.name).type, c)}
    columns = tuple(column for column in wanted.columns if column.name in there or not column.optional)
    nulls = frozenset(column.name for column in columns if column.name not in there)
    types = [(c.name, arrow_type(c.type) if c.name in nulls else held.field(c.name).type) for c in columns]
    return LogPart(inner, columns, nulls, pa.schema(types), pruned)


def _fits(held: pa.DataType, column: Column) -> bool:
    """Join keys of one encoding are those of one view; a field is another one when its type is."""
    return not mismatch(held, column.type, key=True) if column.key else held == arrow_type(column.type)
