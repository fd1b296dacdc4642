"""The port to the rows of a view: what materialization, training sets and encoders read, whatever holds it.

A source is read as parts: a Parquet file, the result of a query, a file of the log of pushed rows. A part is checked
when it is opened, before any work starts, and gives its rows as Arrow batches. Another kind of source, such as a
warehouse, is one more class with the methods of `SourcePart`, and one more line in `hotrow.offline.open`;
tests/contract/test_source.py is what it has to pass.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotrow.offline.arrow_form import computed, computed_type
from hotrow.offline.conversion import Converted, convert
from hotrow.offline.number_column import Mask
from hotrow.types import UnixTimestamp, ValueType

MAX_ROWS = 20_000
MAX_BYTES = 8 << 20
MAX_ROW_BYTES = 63 << 20
"""Of what is sent to the ingest worker, which takes messages of 64 MiB."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a view wants of its source. One that is `optional` may be missing: its field has a default."""

    name: str
    type: ValueType
    unit: str = ""
    key: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """What a view wants of its source; `view` is for messages."""

    view: str
    columns: tuple[Column, ...]
    event_time: str
    created_time: str = ""

    @property
    def times(self) -> list[str]:
        """The columns of the times."""
        return [name for name in (self.event_time, self.created_time) if name]


@dataclass(frozen=True, slots=True)
class Interval:
    """Event times, in microseconds UTC: `start_us` inclusive, `end_us` exclusive; None is without a bound."""

    start_us: int | None = None
    end_us: int | None = None

    def mask(self, times_us: npt.NDArray[np.int64]) -> Mask:
        """Which of the times are inside."""
        inside = np.ones(len(times_us), np.bool_)
        if self.start_us is not None:
            inside &= times_us >= self.start_us
        if self.end_us is not None:
            inside &= times_us < self.end_us
        return inside

    def overlaps(self, first_us: int, last_us: int) -> bool:
        """Whether any time between the two, both inclusive, can be inside."""
        return (self.start_us is None or last_us >= self.start_us) and (self.end_us is None or first_us < self.end_us)


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows of a batch whose value in a column the part cannot give: `rows` marks them, `example` is one such value."""

    column: str
    reason: str
    rows: Mask
    example: str = ""


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Rows of one part in the interval, and rows without an event time (`timeless`), which are in no interval.

    `columns` are those that the part has. `scanned` counts the rows read for this batch, kept or not. `refused` are
    rows that are not to be used; in a refused place stands any value of the column's type. `deleted` marks rows that
    say that there is none of their key from their event time on, whose fields are null; None: no row does.
    """

    rows: pa.RecordBatch
    columns: tuple[Column, ...]
    event_time_us: npt.NDArray[np.int64]
    created_time_us: npt.NDArray[np.int64] | None
    timeless: Mask
    scanned: int
    refused: tuple[Refused, ...] = ()
    deleted: Mask | None = None


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How large batches may be; `data` is the size of the rows in bytes, as far as the part can tell it."""

    rows: int = MAX_ROWS
    data: int = MAX_BYTES


DEFAULT_SIZE = BatchSize()
BLOCK = BatchSize(rows=1 << 18, data=64 << 20)
"""For readers who work on whole columns."""


class SourcePart(Protocol):
    """One part of a source, checked. Its methods may be called from several threads."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that it has of those wanted."""

    @property
    def deciding(self) -> tuple[Column, ...]:
        """Those of `columns` that say whether a row counts: the join keys, and those of which a value may not fit."""

    def rows(self, interval: Interval) -> int:
        """How many rows `batches` will scan."""

    def batches(
        self, interval: Interval, columns: Sequence[Column], size: BatchSize = DEFAULT_SIZE
    ) -> Iterator[SourceBatch]:
        """The rows with these of its columns, in batches of at most `size`, always in the same order.

        Raises HotrowError INVALID when what is read turns out to be damaged.
        """

    @property
    def holder(self) -> str:
        """What holds its rows, as a user knows it: a file, a query. Several parts may have one."""

    def rows_before(self, time_us: int) -> int:
        """How many rows have an event time before that."""

    def version(self) -> str:
        """Names what it reads, as it was when it was checked: the same for a part that is opened later if that is
        unchanged. So rows that come while it is read make another version. Empty: it cannot tell.
        """

    def changed(self) -> bool:
        """Whether what it reads is another by now than when it was checked."""


@dataclass(frozen=True, slots=True)
class SourceReader:
    """All parts of a source, in the order in which rows that are equal in both times replace one another.

    `digest` makes a SHA-256 of all that they read.
    """

    parts: tuple[SourcePart, ...]
    digest: Callable[[], bytes]

    def rows(self, interval: Interval) -> int:
        """How many rows `batches` will scan."""
        return sum(part.rows(interval) for part in self.parts)

    def batches(self, interval: Interval, size: BatchSize = DEFAULT_SIZE) -> Iterator[SourceBatch]:
        """Rows of the interval with all columns, part by part."""
        for part in self.parts:
            yield from part.batches(interval, part.columns, size)


def counted_before(part: SourcePart, time_us: int) -> int:
    """`SourcePart.rows_before` by reading the times."""
    batches = part.batches(Interval(None, time_us), ())
    return sum(int(np.count_nonzero(~batch.timeless)) for batch in batches)


def file_version(path: Path) -> str:
    """A file as it is now; empty where there is none."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return ""
    return f"{path.absolute()} {state.st_size} {state.st_mtime_ns}"


def batch_in(
    rows: pa.RecordBatch,
    wanted: SourceColumns,
    columns: Sequence[Column],
    interval: Interval,
    refused: Sequence[Refused] = (),
) -> SourceBatch:
    """The rows of a batch that lie in the interval; `rows` also has the columns of the times."""
    scanned = rows.num_rows
    if any(computed_type(held) != held for held in rows.schema.types):
        rows = pa.RecordBatch.from_arrays([computed(column) for column in rows.columns], names=rows.schema.names)
    times = [convert(rows.column(name), UnixTimestamp) for name in wanted.times]
    refused = [*refused, *_refused_times(wanted.times, times)]
    event, *created = times
    timeless = event.nulls.copy()
    for one in refused:
        if one.column == wanted.event_time:
            timeless |= one.rows
    event_time_us = event.values.to_numpy()
    created_time_us = created[0].values.to_numpy() if created else None
    kept = interval.mask(event_time_us) | timeless
    if not kept.all():
        rows = rows.filter(pa.array(kept))
        event_time_us, timeless = event_time_us[kept], timeless[kept]
        created_time_us = None if created_time_us is None else created_time_us[kept]
        refused = [replace(one, rows=one.rows[kept]) for one in refused]
    return SourceBatch(rows, tuple(columns), event_time_us, created_time_us, timeless, scanned, tuple(refused))


def _refused_times(names: Sequence[str], times: Sequence[Converted]) -> Iterator[Refused]:
    for name, one in zip(names, times, strict=True):
        if one.refused is not None:
            yield Refused(name, one.reason, one.refused, one.example)
