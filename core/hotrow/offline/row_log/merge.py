"""Merges small files of a view's log into larger ones, so that a day of pushes is some files and not thousands.

Files of one day and one schema that follow one another are merged when there are sixteen of a tier: below 1 MiB, below
16 MiB, below 256 MiB. The merged file's numbers span theirs, so from its name on readers pass them over. They are
deleted an hour later, for a training set that began before may still read them.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hotrow import clock
from hotrow.failpoint import Reached
from hotrow.offline.row_log.file import write_log_file
from hotrow.offline.row_log.folder import LogFile, complete_files, current_files, file_name

FILES = 16
_TIERS_BYTES = (1 << 20, 16 << 20, 256 << 20)
_ROWS = 1 << 17
KEPT_S = 3600.0


def merge_day(folder: Path, reached: Reached) -> bool:
    """Merge files of a day for as long as there are enough, and delete those that were merged long ago.

    Returns whether some of those are left, to be deleted later, or to be merged, for files were pruned under this.
    Raises OSError.
    """
    try:
        while run := _mergeable(current_files(complete_files(folder))):
            _merge(run, reached)
        files = complete_files(folder)
        kept = [_kept(file, files) for file in files]
    except FileNotFoundError:
        return True
    return any(kept)


def _kept(file: LogFile, files: Sequence[LogFile]) -> bool:
    """Delete the file if it was merged long ago; whether it was merged and is kept."""
    holders = [other.path for other in files if file.lies_in(other)]
    if holders and clock.now_s() - holders[0].stat().st_mtime > KEPT_S:
        file.path.unlink()
        return False
    return bool(holders)


def _mergeable(files: Sequence[LogFile]) -> list[LogFile]:
    """Files that should be one; empty where there are none."""
    for limit_bytes in _TIERS_BYTES:
        for fits, run in itertools.groupby(files, lambda file: file.path.stat().st_size < limit_bytes):  # noqa: B023
            small = list(run)
            if not fits or len(small) < FILES:
                continue
            for _, alike in itertools.groupby(small, _schema_bytes):
                same = list(itertools.islice(alike, FILES))
                if len(same) == FILES:
                    return same
    return []


def _schema_bytes(file: LogFile) -> bytes:
    schema: bytes = pq.read_schema(file.path).serialize().to_pybytes()  # with the units, which `==` passes over
    return schema


def _merge(files: Sequence[LogFile], reached: Reached) -> None:
    path = files[0].path.with_name(file_name(files[0].first, files[-1].last))
    schema = pq.read_schema(files[0].path)
    write_log_file(path, schema, _tables(files, schema), reached, "merge")


def _tables(files: Sequence[LogFile], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of the files in order, so many at a time that row groups are of use."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for file in files:
        with pq.ParquetFile(file.path) as opened:
            for batch in opened.iter_batches(_ROWS):
                held.append(batch)
                rows += batch.num_rows
                if rows >= _ROWS:
                    yield pa.Table.from_batches(held, schema)
                    held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held, schema)
