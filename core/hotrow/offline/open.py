"""Which reader a source has."""

from pathlib import Path

from hotrow.errors import invalid
from hotrow.offline.parquet import open_parquet
from hotrow.offline.source import SourceColumns, SourceReader
from hotrow.offline.sqlite import open_sqlite
from hotrow.schema.source import DataSource, SqliteSource


def open_source(source: DataSource, repo: Path, wanted: SourceColumns) -> SourceReader:
    """Open and check the source of a view, whose path is relative to `repo`.

    Raises HotrowError: NOT_FOUND for a path where nothing is, INVALID for what cannot be read or does not fit.
    """
    if "://" in source.path:  # a Path would make one slash of the two
        raise invalid(
            f"view {wanted.view}: {source.path} is a URL; a {type(source).__name__} reads local files, so mount or "
            "copy it"
        )
    if isinstance(source, SqliteSource):
        return open_sqlite(repo / source.path, source.query, wanted)
    return open_parquet(repo / source.path, wanted)
