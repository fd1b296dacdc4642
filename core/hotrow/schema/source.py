"""Where the rows of a view come from, for materialization and training sets."""

from dataclasses import dataclass, field
from pathlib import PurePath

from hotrow.errors import invalid
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_text


@dataclass(frozen=True)
class ParquetSource:
    """Rows in Parquet: `ParquetSource("data/stats.parquet", event_time="event_timestamp", created_time="created")`.

    `path` is a file or a folder of files, relative to the feature repository unless it is absolute. `event_time` and
    `created_time` are the names of columns; without the second, rows of one event time are equal in age. The other
    columns are found by the names of join keys and fields. Raises INVALID.
    """

    path: str
    event_time: str = field(kw_only=True)
    created_time: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        path: object = self.path
        if isinstance(path, PurePath):
            object.__setattr__(self, "path", path.as_posix())
        label = f"ParquetSource {self.path!r}"
        for what in ("path", "event_time", "created_time"):
            check_text(label, what, getattr(self, what))
        if not self.path:
            raise invalid(f"{label}: the path is empty; name a Parquet file or a folder of them")
        if not self.event_time:
            raise invalid(f"{label}: event_time is empty; name the column that says when a row became true")
        if self.created_time == self.event_time:
            raise invalid(
                f"{label}: created_time and event_time are both {self.event_time!r}; leave created_time out "
                "when the data has no column for it"
            )

    def document(self) -> Document:
        """The source as JSON holds it."""
        return without_empty(
            {"type": "parquet", "path": self.path, "event_time": self.event_time, "created_time": self.created_time}
        )


def source_from_document(document: Document) -> ParquetSource:
    """The inverse of `ParquetSource.document`; raises INVALID, KeyError, TypeError for anything else."""
    values = dict(document)
    kind = values.pop("type")
    if kind != "parquet":
        raise invalid(f"unknown type of source {kind!r}; it may come from a later version of hotrow")
    return ParquetSource(values.pop("path"), **values)
