"""Which reader a source has, and which check of its schema."""

from pathlib import Path

from hotrow.errors import invalid
from hotrow.offline.parquet import check_parquet, open_parquet
from hotrow.offline.source import SourceColumns, SourceReader
from hotrow.offline.sqlite import check_sqlite, open_sqlite
from hotrow.schema.source import DataSource, SqliteSource


def open_source(source: DataSource, repo: Path, wanted: SourceColumns) -> SourceReader:
    """Open and check the source of a view, whose path is relative to `repo`.

    Raises HotrowError: NOT_FOUND for a path where nothing is, INVALID for what cannot be read or does not fit.
    """
    path = _path(source, repo, wanted)
    return open_sqlite(path, source.query, wanted) if isinstance(source, SqliteSource) else open_parquet(path, wanted)


def check_source(source: DataSource, repo: Path, wanted: SourceColumns) -> None:
    """Check the columns that a source has and their types, without reading a row; raises as `open_source` does."""
    path = _path(source, repo, wanted)
    if isinstance(source, SqliteSource):
        check_sqlite(path, source.query, wanted)
    else:
        check_parquet(path, wanted)


def _path(source: DataSource, repo: Path, wanted: SourceColumns) -> Path:
    if "://" in source.path:  # a Path would make one slash of the two
        raise invalid(
            f"view {wanted.view}: {source.path} is a URL; a {type(source).__name__} reads local files, so mount or "
            "copy it"
        )
    return repo / source.path
