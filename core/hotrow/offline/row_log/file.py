"""Writes a file of the log so that it is there completely, or not at all."""

import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hotrow.disk import sync
from hotrow.failpoint import Reached
from hotrow.offline.row_log.folder import make_folders


def write_log_file(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], reached: Reached, place: str) -> None:
    """Have a Parquet file of these rows on the disk, its name too, when this returns; raises OSError.

    `reached` is told `<place>_written` before the file gets its name, and `<place>_renamed` after.
    """
    make_folders(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # two may write it at once, and the same
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)
        sync(temporary)
        reached(f"{place}_written")
        temporary.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)
    reached(f"{place}_renamed")
