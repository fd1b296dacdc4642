"""What can be seen of an LMDB store's order while a writer may go on."""

import os
from collections.abc import Iterator
from pathlib import Path

import lmdb

from hotrow.errors import HotrowError
from hotrow.stores.lmdb.env import Database, Databases
from hotrow.stores.lmdb.file import structure_problems
from hotrow.stores.lmdb.lock import lock_writer
from hotrow.stores.lmdb.scan import after, chunk
from hotrow.stores.port import MAX_KEY_BYTES, MIN_ROW_BYTES, VIEW_ID_BYTES

_MAX_PROBLEMS = 100


def reader_problems(path: Path, env: lmdb.Environment, databases: Databases) -> list[str]:
    """What a process finds that does not write: of the whole file where nobody else writes, else of every entry."""
    try:
        writer_fd = lock_writer(path, deadline_s=0)
    except HotrowError:
        return _live_problems(env, databases)
    try:
        return structure_problems(path)
    finally:
        os.close(writer_fd)


def _live_problems(env: lmdb.Environment, databases: Databases) -> list[str]:
    """Every entry of every database is read; raises lmdb.Error where one cannot be."""
    problems: list[str] = []
    for name, database in databases.named():
        last = b""
        for key, value in _entries(env, database):
            if last and key <= last:
                problems.append(f"{name}: keys are out of order after {last.hex()}")
            if name == "rows":
                problems += _row_problems(key, value)
            if len(problems) >= _MAX_PROBLEMS:
                return problems
            last = key
    return problems


def _row_problems(key: bytes, row: bytes) -> Iterator[str]:
    if not VIEW_ID_BYTES <= len(key) <= VIEW_ID_BYTES + MAX_KEY_BYTES:
        yield f"rows: a key of {len(key)} bytes: {key.hex()}"
    if len(row) < MIN_ROW_BYTES:
        yield f"rows: a row of {len(row)} bytes at {key.hex()}"


def _entries(env: lmdb.Environment, database: Database) -> Iterator[tuple[bytes, bytes]]:
    start = b""
    while True:
        with env.begin() as txn:
            entries = chunk(txn, database, start)
        if not entries:
            return
        yield from entries
        start = after(entries[-1][0])
