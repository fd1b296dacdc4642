"""Reads a `SqliteSource`: the result of a query, in batches, from a database that is opened for reading only.

SQLite has no types of columns that it would keep to: what a value is, is seen when it is there. So a value that does
not fit the type of its field is refused for its row, and when the database is opened its first rows are looked at, so
that a column in which nothing fits is an error before any work starts.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from hotrow.errors import Code, HotrowError, invalid
from hotrow.offline.source import (
    DEFAULT_SIZE,
    MAX_BYTES,
    MAX_ROWS,
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
from hotrow.offline.sqlite_value import Cells, column_of, sqlite_type, text_of
from hotrow.types import UnixTimestamp, ValueType

_LOOKED_AT = 1000
_SAMPLED = 100


def open_sqlite(path: Path, query: str, wanted: SourceColumns) -> SourceReader:
    """Check a database and a query on it.

    Raises NOT_FOUND where there is no file, INVALID for what is no database, a query that fails or changes something,
    a column that is missing, and one none of whose first thousand values fits.
    """
    part = check_sqlite(path, query, wanted)
    _look_at_first_rows(part)
    return SourceReader((part,), part.digest)


def check_sqlite(path: Path, query: str, wanted: SourceColumns) -> "SqliteQuery":
    """Check the columns of the query's result, and run it for no row; raises as `open_sqlite` does."""
    if not path.is_file():
        raise HotrowError(
            Code.NOT_FOUND,
            f"view {wanted.view}: there is no file {path}; correct the path of its SqliteSource, or put one there",
        )
    return _checked(path, query.strip().rstrip(";"), wanted)


@dataclass(frozen=True, slots=True)
class SqliteQuery:
    """A checked query: a `SourcePart`. `checked` is the version of the database before it was looked at."""

    path: Path
    checked: str
    query: str
    wanted: SourceColumns
    columns: tuple[Column, ...]

    @property
    def deciding(self) -> tuple[Column, ...]:
        return self.columns  # in each of them there may be a value of any type

    def rows(self, interval: Interval) -> int:
        del interval  # times are compared when they have been read
        with self._running(_whole("count(*)", self.query)) as cursor:
            return int(cursor.fetchone()[0])

    def batches(
        self, interval: Interval, columns: Sequence[Column], size: BatchSize = DEFAULT_SIZE
    ) -> Iterator[SourceBatch]:
        for cells, count in self.read(columns, min(size.rows, MAX_ROWS), size.data):
            yield self._batch(cells, count, columns, interval)

    @property
    def holder(self) -> str:
        return self.query

    def rows_before(self, time_us: int) -> int:
        return counted_before(self, time_us)

    def version(self) -> str:
        return f"{self.query}\n{self.checked}"

    def changed(self) -> bool:
        return _version(self.path) != self.checked

    def digest(self) -> bytes:
        """A SHA-256 of the query and the rows of its result."""
        found = hashlib.sha256(self.query.encode())
        with self._running(self.query) as cursor:
            for row in cursor:
                found.update(repr(row).encode())
        return found.digest()

    def read(
        self, columns: Sequence[Column], rows: int, data: int = MAX_BYTES
    ) -> Iterator[tuple[dict[str, Cells], int]]:
        """The cells of each column of the times and of `columns`, up to so many rows at a time, and about so many bytes
        of texts and blobs as far as the rows before tell.
        """
        types = _types(self.wanted, columns)
        at_once = min(rows, _LOOKED_AT)
        with self._running(self.query) as cursor:
            names = self._names(cursor, types)
            while fetched := cursor.fetchmany(at_once):
                longest = max(_bytes_of(row) for row in fetched[:: 1 + len(fetched) // _SAMPLED])
                at_once = max(1, min(rows, data // max(longest, 1)))
                by_name = dict(zip(names, zip(*fetched, strict=True), strict=True))
                yield {name: column_of(by_name[name], declared) for name, declared in types.items()}, len(fetched)

    def _batch(self, cells: dict[str, Cells], count: int, columns: Sequence[Column], interval: Interval) -> SourceBatch:
        rows = pa.RecordBatch.from_arrays([one.values for one in cells.values()], names=list(cells))
        refused = [
            Refused(name, one.reason, _mask(one.refused, count), one.example)
            for name, one in cells.items()
            if one.refused
        ]
        return batch_in(rows, self.wanted, columns, interval, refused)

    def _names(self, cursor: sqlite3.Cursor, wanted: Iterable[str]) -> list[str]:
        """The columns of the result; refuse one that a join of tables has twice: either may be meant."""
        names = [name for name, *_ in cursor.description]
        for name in wanted:
            if (count := names.count(name)) > 1:
                where = f"view {self.wanted.view}: {self.path}, query: column {name!r}"
                raise invalid(f"{where} is there {count} times; name the columns in the query, this one once")
        return names

    @contextlib.contextmanager
    def _running(self, query: str) -> Iterator[sqlite3.Cursor]:
        with contextlib.closing(_connect(self.path)) as connection:
            try:
                yield connection.execute(query)
            except sqlite3.Error as error:
                raise _refused(self.wanted.view, self.path, error) from error


def _bytes_of(row: Sequence[object]) -> int:
    return sum(len(cell) for cell in row if isinstance(cell, str | bytes))


def _checked(path: Path, query: str, wanted: SourceColumns) -> SqliteQuery:
    checked = _version(path)
    try:
        with contextlib.closing(_connect(path)) as connection:
            names = [name for name, *_ in connection.execute(_whole("*", query) + " LIMIT 0").description]
    except sqlite3.Error as error:
        raise _refused(wanted.view, path, error) from error
    where = f"view {wanted.view}: {path}, query"
    for column in wanted.columns:
        if column.type.is_list and column.name in names:
            raise invalid(f"{where}: column {column.name!r}: SQLite has no lists; read the view from Parquet")
    types = _types(wanted, wanted.columns)
    schema = pa.schema([(name, sqlite_type(types[name]) if name in types else pa.null()) for name in names])
    columns = checked_columns(where, schema, wanted, holder="query")
    return SqliteQuery(path, checked, query, wanted, columns)


def _version(path: Path) -> str:
    real = path.resolve()  # the write-ahead log is beside the file, not beside a link to it
    log = real.with_name(f"{real.name}-wal")
    holds_rows = log.exists() and log.stat().st_size  # whoever reads the database leaves an empty one
    return f"{file_version(real)}\n{file_version(log) if holds_rows else ''}"


def _types(wanted: SourceColumns, columns: Sequence[Column]) -> dict[str, ValueType]:
    return {column.name: column.type for column in columns} | dict.fromkeys(wanted.times, UnixTimestamp)


def _look_at_first_rows(part: SqliteQuery) -> None:
    """Refuse a column in which no value fits, and times that are all missing."""
    for cells, _ in islice(part.read(part.columns, _LOOKED_AT), 1):
        for name, one in cells.items():
            there = len(one.values) - one.values.null_count + len(one.refused)
            where = f"view {part.wanted.view}: {part.path}, query: column {name!r}"
            if one.refused and len(one.refused) == there:
                raise invalid(f"{where} {one.reason}, such as {one.example}; convert it in the query")
            if name == part.wanted.event_time and not there and len(one.values) < _LOOKED_AT:
                raise invalid(f"{where} has no event time in any of its {len(one.values)} rows; name another column")


def _whole(what: str, query: str) -> str:
    """Of the whole result of the user's own query; the line ends keep a comment at its end from taking the bracket."""
    return f"SELECT {what} FROM (\n{query}\n)"  # noqa: S608


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = text_of
    return connection


def _mask(rows: Sequence[int], count: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    mask = np.zeros(count, np.bool_)
    mask[list(rows)] = True
    return mask


def _refused(view: str, path: Path, error: sqlite3.Error) -> HotrowError:
    what = f"view {view}: {path} cannot be read ({error})"
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what stands above it says more of the same
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HotrowError(Code.UNAVAILABLE, f"{what}: another process writes it; run it again when that has ended")
    if kind == sqlite3.SQLITE_READONLY:
        return invalid(f"{what}: a process that wrote it was cut off; open it once with one that may write, as sqlite3")
    return invalid(f"{what}; correct the path or the query of its SqliteSource")
