"""Reads a `ParquetSource`: a Parquet file, or a folder of them, in batches and in bounded memory.

Everything that can be known before work starts is checked by `open_source`: that files are there and readable, that
each has the columns, that their types and stated units fit, that the event time column has times. Rows come with
`ParquetFile.iter_batches`, which decodes as it goes: 44 MiB for a row group of 4,000,000 x 6 doubles, where
`pyarrow.dataset` decodes the whole group and took 415 MiB. Row groups whose statistics show no event time in the range
are skipped.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hotrow.errors import Code, HotrowError, invalid, nearest
from hotrow.offline.conversion import Mask, convert, mismatch
from hotrow.offline.stated_unit import check_stated_unit
from hotrow.types import UnixTimestamp, ValueType

MAX_ROWS = 20_000
MAX_BYTES = 8 << 20
_BUFFER_BYTES = 1 << 20
_UNITS = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}


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
class SourceBatch:
    """Rows of one file in the interval, and rows without an event time (`timeless`), which are in no interval.

    `columns` are those that the file has. `scanned` counts the rows read for this batch, kept or not.
    """

    rows: pa.RecordBatch
    columns: tuple[Column, ...]
    event_time_us: npt.NDArray[np.int64]
    created_time_us: npt.NDArray[np.int64] | None
    timeless: Mask
    scanned: int


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How large batches may be; `data` is the size of the rows as the file's metadata tells it."""

    rows: int = MAX_ROWS
    data: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One checked file, and its schema as it is read."""

    path: Path
    metadata: pq.FileMetaData
    schema: pa.Schema
    wanted: SourceColumns
    columns: tuple[Column, ...]

    def groups(self, interval: Interval) -> list[int]:
        """The row groups that may hold event times of the interval, or rows without one."""
        return [i for i in range(self.metadata.num_row_groups) if self._may_hold(i, interval)]

    def _may_hold(self, group: int, interval: Interval) -> bool:
        column = _event_column(self.metadata, group, self.wanted.event_time)
        bounds = _bounds_us(self.metadata, column) if column is not None else None
        if column is None or bounds is None or column.statistics.null_count:
            return True
        return interval.overlaps(*bounds)

    def batches(self, interval: Interval, size: BatchSize = BatchSize()) -> Iterator[SourceBatch]:
        """The file's rows in batches of at most `size`; raises INVALID when the file turns out to be damaged."""
        groups = self.groups(interval)
        if not groups:
            return
        names = list(dict.fromkeys([c.name for c in self.columns] + self._times()))
        try:
            with pq.ParquetFile(self.path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
                rows_at_once = self._rows_at_once(groups, size)
                for rows in file.iter_batches(rows_at_once, row_groups=groups, columns=names):
                    yield self._batch(rows, interval)
        except (pa.ArrowException, OSError) as error:
            raise invalid(
                f"view {self.wanted.view}: {self.path} cannot be read to its end ({_brief(error)}); write it again"
            ) from error

    def _times(self) -> list[str]:
        return [name for name in (self.wanted.event_time, self.wanted.created_time) if name]

    def _rows_at_once(self, groups: list[int], size: BatchSize) -> int:
        data: int = sum(self.metadata.row_group(i).total_byte_size for i in groups)
        rows: int = sum(self.metadata.row_group(i).num_rows for i in groups)
        return max(1, min(size.rows, size.data * rows // max(data, 1)))

    def _batch(self, rows: pa.RecordBatch, interval: Interval) -> SourceBatch:
        scanned = rows.num_rows
        times = convert(rows.column(self.wanted.event_time), UnixTimestamp)
        timeless = times.nulls if times.refused is None else times.nulls | times.refused
        kept = interval.mask(times.values.to_numpy()) | timeless
        event_time_us = times.values.to_numpy()
        if not kept.all():
            rows = rows.filter(pa.array(kept))
            event_time_us, timeless = event_time_us[kept], timeless[kept]
        created_time_us = None
        if self.wanted.created_time:
            created_time_us = convert(rows.column(self.wanted.created_time), UnixTimestamp).values.to_numpy()
        return SourceBatch(rows, self.columns, event_time_us, created_time_us, timeless, scanned)


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """All files of a source, checked."""

    files: tuple[SourceFile, ...]

    def rows(self, interval: Interval) -> int:
        """How many rows `batches` will scan."""
        return sum(f.metadata.row_group(i).num_rows for f in self.files for i in f.groups(interval))

    def batches(self, interval: Interval) -> Iterator[SourceBatch]:
        """Rows of the interval, file by file in the order of their paths."""
        for file in self.files:
            yield from file.batches(interval)


def open_source(path: Path, wanted: SourceColumns) -> ParquetReader:
    """Check a Parquet file or every `*.parquet` file below a folder; raises INVALID or NOT_FOUND naming the file.

    Files and folders whose names start with "_" or "." are not looked at.
    """
    files = tuple(_open_file(file, wanted) for file in _files(path, wanted.view))
    _check_has_times(files, path, wanted)
    return ParquetReader(files)


def _files(path: Path, view: str) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise HotrowError(
            Code.NOT_FOUND,
            f"view {view}: there is no file or folder {path}; correct the path of its ParquetSource, or put one there",
        )
    hidden = ("_", ".")
    files = [
        file
        for file in sorted(path.rglob("*.parquet"))
        if file.is_file() and not any(part.startswith(hidden) for part in file.relative_to(path).parts)
    ]
    if not files:
        raise HotrowError(Code.NOT_FOUND, f"view {view}: the folder {path} has no *.parquet file")
    return files


def _open_file(path: Path, wanted: SourceColumns) -> SourceFile:
    try:
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise invalid(
            f"view {wanted.view}: {path} is no readable Parquet ({_brief(error)}); write it again, or correct the path"
        ) from error
    where = f"view {wanted.view}: {path}"
    columns = []
    for column in wanted.columns:
        if column.name not in schema.names and column.optional:
            continue
        role = "join key" if column.key else "field"
        held = _type_of(schema, column.name, f"{where}, {role}")
        _refuse(f"{where}: column {column.name!r}", mismatch(held, column.type), f"{column.type.name} of the {role}")
        check_stated_unit(where, schema.field(column.name), column.unit)
        columns.append(column)
    for role, name in (("event time", wanted.event_time), ("created time", wanted.created_time)):
        if name:
            held = _type_of(schema, name, f"{where}, {role}")
            _refuse(f"{where}: column {name!r}", mismatch(held, UnixTimestamp), f"timestamps of the {role}")
    return SourceFile(path, metadata, schema, wanted, tuple(columns))


def _type_of(schema: pa.Schema, name: str, where: str) -> pa.DataType:
    count = schema.names.count(name)
    if count == 1:
        return schema.field(name).type
    if count:
        raise invalid(f"{where}: column {name!r} is there {count} times; rename all but one")
    remedy = "add it to the file" + (", or give the field a default" if where.endswith("field") else "")
    raise invalid(f"{where}: there is no column {name!r}{nearest(name, schema.names)}; {remedy}")


def _refuse(where: str, objection: str, wanted: str) -> None:
    if objection:
        raise invalid(
            f"{where} does not fit {wanted}: {objection}; cast it when writing the file, or correct the schema"
        )


def _check_has_times(files: Sequence[SourceFile], path: Path, wanted: SourceColumns) -> None:
    """Refuse a source that has rows and not one event time, as its statistics say."""
    rows = 0
    for file in files:
        for group in range(file.metadata.num_row_groups):
            in_group = file.metadata.row_group(group).num_rows
            column = _event_column(file.metadata, group, wanted.event_time)
            if column is None or not _all_null(column, in_group):
                return
            rows += in_group
    if rows:
        raise invalid(
            f"view {wanted.view}: {path}: column {wanted.event_time!r} has no event time in any of its {rows} rows; "
            "fill it, or name another column as event_time"
        )


def _all_null(column: pq.ColumnChunkMetaData, rows: int) -> bool:
    """Whether the statistics say so; a column of Arrow's null type has no other values (and none of the physical
    type that a timestamp has).
    """
    statistics = column.statistics
    if statistics is None or not statistics.has_null_count:
        return bool(column.physical_type == "INT32")
    return bool(statistics.null_count >= rows)


def _event_column(metadata: pq.FileMetaData, group: int, name: str) -> pq.ColumnChunkMetaData | None:
    row_group = metadata.row_group(group)
    for i in range(row_group.num_columns):
        if row_group.column(i).path_in_schema == name:
            return row_group.column(i)
    return None


def _bounds_us(metadata: pq.FileMetaData, column: pq.ColumnChunkMetaData) -> tuple[int, int] | None:
    """The least and greatest event time of a row group in microseconds, where its statistics tell."""
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max or not statistics.has_null_count:
        return None
    if column.physical_type != "INT64":
        return None
    names = [metadata.schema.column(i).path for i in range(len(metadata.schema.names))]
    logical = json.loads(metadata.schema.column(names.index(column.path_in_schema)).logical_type.to_json())
    per_s = _UNITS.get(logical.get("timeUnit", ""))
    if per_s is None:
        return None
    return statistics.min_raw * 1_000_000 // per_s, statistics.max_raw * 1_000_000 // per_s


def _brief(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")
