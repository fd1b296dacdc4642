"""Where the rows of a view come from, for materialization and training sets."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePath

from hotrow.errors import invalid
from hotrow.feast import explains_keywords
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_text

_MOST_LATENESS = timedelta(days=36_500)


@dataclass(frozen=True)
class DataSource:
    """Rows with times, at a path that is relative to the feature repository unless it is absolute.

    `event_time` and `created_time` are the names of columns; without the second, rows of one event time are equal in
    age. The other columns are found by the names of join keys and fields. `lateness` is by how much rows may come later
    than others of their event time: `materialize-incremental` starts that much before the newest row. Raises INVALID.
    """

    path: str
    event_time: str = field(kw_only=True)
    created_time: str = field(default="", kw_only=True)
    lateness: timedelta = field(default=timedelta(0), kw_only=True)

    @property
    def label(self) -> str:
        """What messages call it: `ParquetSource 'data/x.parquet'`."""
        return f"{type(self).__name__} {self.path!r}"

    def __post_init__(self) -> None:
        path: object = self.path
        if isinstance(path, PurePath):
            object.__setattr__(self, "path", path.as_posix())
        for what in ("path", "event_time", "created_time"):
            check_text(self.label, what, getattr(self, what))
        if not self.path:
            raise invalid(f"{self.label}: the path is empty; name {self._at_path()}")
        if not self.event_time:
            raise invalid(f"{self.label}: event_time is empty; name the column that says when a row became true")
        if self.created_time == self.event_time:
            raise invalid(
                f"{self.label}: created_time and event_time are both {self.event_time!r}; leave created_time out "
                "when the data has no column for it"
            )

        lateness: object = self.lateness
        if not isinstance(lateness, timedelta) or not timedelta(0) <= lateness <= _MOST_LATENESS:
            raise invalid(
                f"{self.label}: lateness is {lateness!r}; give a timedelta from 0 to {_MOST_LATENESS.days} "
                "days, such as timedelta(hours=2)"
            )

    @property
    def lateness_us(self) -> int:
        """The lateness in microseconds."""
        return self.lateness // timedelta(microseconds=1)

    def _at_path(self) -> str:
        raise NotImplementedError

    def document(self) -> Document:
        """The source as JSON holds it."""
        raise NotImplementedError

    def _times(self) -> Document:
        times = {"path": self.path, "event_time": self.event_time, "created_time": self.created_time}
        return times | ({"lateness_us": self.lateness_us} if self.lateness else {})


@explains_keywords
@dataclass(frozen=True)
class ParquetSource(DataSource):
    """Rows in Parquet: `ParquetSource("data/stats.parquet", event_time="event_timestamp", created_time="created")`.

    `path` is a file or a folder of files, whose folders may tell columns, as in `country=SE/` (Hive partitions).
    """

    def _at_path(self) -> str:
        return "a Parquet file or a folder of them"

    def document(self) -> Document:
        return without_empty({"type": "parquet", **self._times()})


@explains_keywords
@dataclass(frozen=True)
class SqliteSource(DataSource):
    """The result of a query: `SqliteSource("raw.db", query="SELECT * FROM readings", event_time="read_at")`.

    `path` is a SQLite database. Times are ISO 8601 texts (without a zone: UTC) or integers, seconds since 1970.
    """

    query: str = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text(self.label, "query", self.query)
        if not self.query.strip():
            raise invalid(f'{self.label}: the query is empty; give one, such as query="SELECT * FROM readings"')  # noqa: S608

    def _at_path(self) -> str:
        return "a SQLite database"

    def document(self) -> Document:
        return without_empty({"type": "sqlite", "query": self.query, **self._times()})


_KINDS = {"parquet": ParquetSource, "sqlite": SqliteSource}
KINDS = "a ParquetSource or a SqliteSource"
"""What a user may give, for messages."""


def source_from_document(document: Document) -> DataSource:
    """The inverse of `DataSource.document`; raises INVALID, KeyError, TypeError for anything else."""
    values = dict(document)
    name = values.pop("type")
    kind = _KINDS.get(name)
    if kind is None:
        raise invalid(f"unknown type of source {name!r}; it may come from a later version of hotrow")
    lateness = timedelta(microseconds=values.pop("lateness_us", 0))
    source: DataSource = kind(values.pop("path"), lateness=lateness, **values)
    return source
