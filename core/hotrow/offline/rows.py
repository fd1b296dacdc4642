"""From batches of a source to the bytes of requests: conversion, refusal of single rows, and a bound on the size."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from hotrow.offline.arrow_column import may_refuse
from hotrow.offline.conversion import Converted, convert
from hotrow.offline.number_column import Mask
from hotrow.offline.source import MAX_BYTES, MAX_ROW_BYTES, Column, SourceBatch
from hotrow.offline.wire import column_parts, row_parts, time_parts

NO_EVENT_TIME = "has no event time"
NULL_KEY = "is null in the source, and a join key must have a value"
TOO_LARGE = f"makes its row larger than {MAX_ROW_BYTES >> 20} MiB"


@dataclass(frozen=True, slots=True)
class Refusals:
    """Rows that cannot be written, counted by (column, reason), each with the first example that was met."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.counts.total()

    def add(self, column: str, reason: str, rows: int, example: str = "") -> None:
        """Count `rows` more."""
        if rows:
            self.counts[(column, reason)] += rows
            self.examples.setdefault((column, reason), example)


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """`rows` are fields 4 to 6 of a request, for `count` rows, which are to be written or to be deleted."""

    rows: bytes
    count: int
    deleted: bool = False


def encode_batch(batch: SourceBatch, event_time: str, refusals: Refusals) -> Iterator[EncodedRows]:
    """The rows of a batch in one request or more, none much over MAX_BYTES unless a single row is.

    Rows that cannot be written are left out and counted in `refusals`, each once, by its first fault.
    """
    if batch.deleted is None:
        yield from _encode(batch, event_time, refusals, deleted=False)
        return
    keys = tuple(column for column in batch.columns if column.key)
    yield from _encode(filtered(batch, ~batch.deleted), event_time, refusals, deleted=False)
    yield from _encode(replace(filtered(batch, batch.deleted), columns=keys), event_time, refusals, deleted=True)


def _encode(batch: SourceBatch, event_time: str, refusals: Refusals, *, deleted: bool) -> Iterator[EncodedRows]:
    converted = [convert(batch.rows.column(column.name), column.type) for column in batch.columns]
    kept = kept_rows(batch, converted, event_time, refusals)
    if not kept.all():
        batch = filtered(batch, kept)
        converted = [convert(batch.rows.column(column.name), column.type) for column in batch.columns]
    count = batch.rows.num_rows
    if not count:
        return
    columns = [
        column_parts(column.name, cells, column.type, column.unit)
        for column, cells in zip(batch.columns, converted, strict=True)
    ]
    rows = b"".join(row_parts(columns) + time_parts(batch.event_time_us, batch.created_time_us))
    if count == 1 and len(rows) > MAX_ROW_BYTES:
        largest = max(range(len(columns)), key=lambda place: sum(map(len, columns[place])))
        refusals.add(batch.columns[largest].name, TOO_LARGE, 1)
        return
    if len(rows) <= MAX_BYTES or count == 1:
        yield EncodedRows(rows, count, deleted)
        return
    half = count // 2
    for part in (slice(0, half), slice(half, count)):
        yield from _encode(_sliced(batch, part), event_time, refusals, deleted=deleted)


def deciding_columns(schema: pa.Schema, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Those of the columns that `kept_rows` has to see: the join keys, and where a value may not fit its type."""
    return tuple(c for c in columns if c.key or may_refuse(schema.field(c.name).type, c.type))


def kept_rows(batch: SourceBatch, converted: list[Converted], event_time: str, refusals: Refusals) -> Mask:
    """Which rows can be written; the others are counted in `refusals`, each once, by its first fault."""
    kept = np.ones(batch.rows.num_rows, np.bool_)
    for one in batch.refused:  # first: of a time that is none it says what stands there
        refusals.add(one.column, one.reason, int(np.count_nonzero(one.rows & kept)), one.example)
        kept &= ~one.rows
    refusals.add(event_time, NO_EVENT_TIME, int(np.count_nonzero(batch.timeless & kept)))
    kept &= ~batch.timeless
    for column, cells in zip(batch.columns, converted, strict=True):
        if column.key and cells.nulls.any():
            refusals.add(column.name, NULL_KEY, int(np.count_nonzero(cells.nulls & kept)))
            kept &= ~cells.nulls
        if cells.refused is not None:
            rows = int(np.count_nonzero(cells.refused & kept))
            refusals.add(column.name, cells.reason, rows, cells.example)
            kept &= ~cells.refused
    return kept


def filtered(batch: SourceBatch, kept: Mask) -> SourceBatch:
    """The rows of a batch that are kept."""
    created = batch.created_time_us
    return replace(
        batch,
        rows=batch.rows.filter(pa.array(kept)),
        event_time_us=batch.event_time_us[kept],
        created_time_us=created if created is None else created[kept],
        timeless=batch.timeless[kept],
        refused=(),  # none of them is kept
        deleted=None if batch.deleted is None else batch.deleted[kept],
    )


def _sliced(batch: SourceBatch, part: slice) -> SourceBatch:
    created = batch.created_time_us
    return replace(
        batch,
        rows=batch.rows.slice(part.start, part.stop - part.start),
        event_time_us=batch.event_time_us[part],
        created_time_us=created if created is None else created[part],
        timeless=batch.timeless[part],
    )


def encode_no_rows(columns: Sequence[Column]) -> bytes:
    """The columns without a row, for a request that says something of the view alone."""
    empty = [column_parts(c.name, convert(pa.nulls(0), c.type), c.type, c.unit) for c in columns if not c.optional]
    return b"".join(row_parts(empty))
