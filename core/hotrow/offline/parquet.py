"""Reads a `ParquetSource`: a Parquet file, or a folder of them, in batches and in bounded memory.

Everything that can be known before work starts is checked by `open_source`: that files are there and readable, that
each has the columns, that their types and stated units fit, that the event time column has times. Rows come with
`ParquetFile.iter_batches`, which decodes as it goes: 44 MiB for a row group of 4,000,000 x 6 doubles, where
`pyarrow.dataset` decodes the whole group and took 415 MiB. Row groups whose statistics show no event time in the range
are skipped. In a folder, `name=value` in the names of folders are columns of the files below them (Hive partitions).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hotrow.errors import Code, HotrowError, invalid
from hotrow.offline.hive import partitions_of
from hotrow.offline.parquet_file import (
    OUT_OF_RANGE,
    bounds_us,
    event_column,
    int96_columns,
    open_file,
    rows_out_of_range,
)
from hotrow.offline.rows import deciding_columns
from hotrow.offline.source import (
    DEFAULT_SIZE,
    BatchSize,
    Column,
    Interval,
    Refused,
    SourceBatch,
    SourceColumns,
    SourceReader,
    batch_in,
    counted_before,
    file_version,
)
from hotrow.offline.source_check import checked_columns

_BUFFER_BYTES = 1 << 20
_PART_ROWS = 1 << 20
_FIRST_ROWS = 1024
_LOOKED_AT = 4


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """Some row groups of a checked file: a `SourcePart`. `constants` are the columns that its path tells, `checked` is
    the version of the file that was checked.
    """

    path: Path
    checked: str
    metadata: pq.FileMetaData
    schema: pa.Schema
    wanted: SourceColumns
    columns: tuple[Column, ...]
    constants: Mapping[str, pa.Scalar]
    groups: range

    @property
    def deciding(self) -> tuple[Column, ...]:
        deciding = deciding_columns(self.schema, self.columns)
        beyond = int96_columns(self.metadata, [column.name for column in self.columns])
        return tuple(column for column in self.columns if column in deciding or column.name in beyond)

    def rows(self, interval: Interval) -> int:
        return sum(self.metadata.row_group(group).num_rows for group in self._groups(interval))

    def batches(
        self, interval: Interval, columns: Sequence[Column], size: BatchSize = DEFAULT_SIZE
    ) -> Iterator[SourceBatch]:
        groups = self._groups(interval)
        if not groups:
            return
        asked = [column.name for column in columns] + self.wanted.times
        names = [name for name in dict.fromkeys(asked) if name not in self.constants]
        if self.changed():  # other row groups, and perhaps other columns, than are known
            raise invalid(f"view {self.wanted.view}: {self.path} has changed since the work began; run it again")
        try:
            beyond = rows_out_of_range(self.path, self.metadata, groups, names)
            at = 0
            with open_file(self.path, self.metadata, buffer_bytes=_BUFFER_BYTES) as file:
                rows_at_once = self._rows_at_once(file, groups, names, size)
                for rows in file.iter_batches(rows_at_once, row_groups=groups, columns=names):
                    refused = [Refused(n, OUT_OF_RANGE, m[at : at + rows.num_rows]) for n, m in beyond.items()]
                    at += rows.num_rows
                    yield batch_in(self._with_constants(rows), self.wanted, columns, interval, refused)
        except (pa.ArrowException, OSError) as error:
            raise invalid(
                f"view {self.wanted.view}: {self.path} cannot be read to its end ({_brief(error)}); write it again"
            ) from error

    @property
    def holder(self) -> str:
        return str(self.path)

    def rows_before(self, time_us: int) -> int:
        """Row groups whose statistics tell are not read."""
        rows = 0
        for group in self.groups:
            column = event_column(self.metadata, group, self.wanted.event_time)
            bounds = bounds_us(self.metadata, column) if column is not None else None
            if column is None or bounds is None or bounds[0] < time_us <= bounds[1]:
                rows += counted_before(replace(self, groups=range(group, group + 1)), time_us)
            elif bounds[1] < time_us:
                rows += self.metadata.row_group(group).num_rows - column.statistics.null_count
        return rows

    def version(self) -> str:
        return f"{self.checked} {self.groups}"

    def changed(self) -> bool:
        return file_version(self.path) != self.checked

    def _groups(self, interval: Interval) -> list[int]:
        """The row groups that may hold event times of the interval, or rows without one."""
        return [i for i in self.groups if self._may_hold(i, interval)]

    def _may_hold(self, group: int, interval: Interval) -> bool:
        column = event_column(self.metadata, group, self.wanted.event_time)
        bounds = bounds_us(self.metadata, column) if column is not None else None
        if column is None or bounds is None or column.statistics.null_count:
            return True
        return interval.overlaps(*bounds)

    def _rows_at_once(self, file: pq.ParquetFile, groups: list[int], names: list[str], size: BatchSize) -> int:
        """How many rows have the size asked for. What a dictionary holds once takes more when it is decoded, so that
        the first rows tell, too.
        """
        data: int = sum(self.metadata.row_group(i).total_byte_size for i in groups)
        rows: int = sum(self.metadata.row_group(i).num_rows for i in groups)
        most = max(1, min(size.rows, size.data * rows // max(data, 1)))
        held = [self.schema.field(name).type for name in names]
        if most <= _FIRST_ROWS or all(pa.types.is_primitive(one) for one in held):
            return most
        first = next(file.iter_batches(_FIRST_ROWS, row_groups=groups[:1], columns=names), None)
        if first is None or not first.num_rows:
            return most
        decoded: int = sum(_decoded(column).nbytes for column in first.columns)
        fitting: int = size.data * first.num_rows // max(decoded, 1)
        return max(1, min(most, fitting))

    def _with_constants(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        for name, value in self.constants.items():
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        return rows


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def open_parquet(path: Path, wanted: SourceColumns) -> SourceReader:
    """Check a Parquet file or every `*.parquet` file below a folder; raises INVALID or NOT_FOUND naming the file.

    Files and folders whose names start with "_" or "." are not looked at.
    """
    paths = _files(path, wanted.view)
    for file in paths:
        _check_name(file, wanted.view)
    files = [_open_file(file, path, wanted) for file in paths]
    _check_has_times(files, path, wanted)
    return SourceReader(tuple(part for file in files for part in _parts(file)), lambda: _digest(paths))


def check_parquet(path: Path, wanted: SourceColumns) -> None:
    """Check the schemas of a file, or of a few files of a folder, and nothing else; raises as `open_parquet` does."""
    paths = _files(path, wanted.view)
    for file in dict.fromkeys([*paths[:_LOOKED_AT], paths[-1]]):
        _check_name(file, wanted.view)
        _open_file(file, path, wanted)


def schema_of(path: Path) -> pa.Schema:
    """The schema of a file, or of the first file of a folder; raises NOT_FOUND, or INVALID for what is no Parquet."""
    first = _files(path, path.name)[0]
    try:
        return pq.read_schema(first)
    except (pa.ArrowException, OSError) as error:
        raise invalid(f"{first} is no readable Parquet ({_brief(error)}); name another file") from error


def _parts(file: ParquetPart) -> Iterator[ParquetPart]:
    """The file in parts of at least _PART_ROWS rows, so that a long run can be gone on with in the middle of it."""
    start = rows = 0
    for group in file.groups:
        rows += file.metadata.row_group(group).num_rows
        if rows >= _PART_ROWS or group == file.groups[-1]:
            yield replace(file, groups=range(start, group + 1))
            start, rows = group + 1, 0


def _digest(paths: Sequence[Path]) -> bytes:
    """Of one file the SHA-256 that everybody computes; of several that of theirs."""
    digests = []
    for path in paths:
        with path.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").digest())
    return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()


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


def _check_name(path: Path, view: str) -> None:
    """Arrow opens files by names in UTF-8 alone."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise invalid(f"view {view}: the name of the file {str(path)!a} is not UTF-8; rename it") from None


def _open_file(path: Path, folder: Path, wanted: SourceColumns) -> ParquetPart:
    checked = file_version(path)  # before it is read: what changes from now on is another version
    try:
        with open_file(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise invalid(
            f"view {wanted.view}: {path} is no readable Parquet ({_brief(error)}); write it again, or correct the path"
        ) from error
    where = f"view {wanted.view}: {path}"
    constants = partitions_of(where, path.relative_to(folder).parent, schema, wanted)
    for name, value in constants.items():
        schema = schema.append(pa.field(name, value.type))
    columns = checked_columns(where, schema, wanted, holder="file")
    return ParquetPart(path, checked, metadata, schema, wanted, columns, constants, range(metadata.num_row_groups))


def _check_has_times(files: Sequence[ParquetPart], path: Path, wanted: SourceColumns) -> None:
    """Refuse a source that has rows and not one event time, as its statistics say."""
    rows = 0
    for file in files:
        for group in range(file.metadata.num_row_groups):
            in_group = file.metadata.row_group(group).num_rows
            column = event_column(file.metadata, group, wanted.event_time)
            if column is None or not _all_null(column, in_group, file.schema.field(wanted.event_time).type):
                return
            rows += in_group
    if rows:
        raise invalid(
            f"view {wanted.view}: {path}: column {wanted.event_time!r} has no event time in any of its {rows} rows; "
            "fill it, or name another column as event_time"
        )


def _all_null(column: pq.ColumnChunkMetaData, rows: int, held: pa.DataType) -> bool:
    """Whether the statistics say so; a column of Arrow's null type has no other values."""
    statistics = column.statistics
    if statistics is None or not statistics.has_null_count:
        return bool(pa.types.is_null(held))
    return bool(statistics.null_count >= rows)


def _brief(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")
