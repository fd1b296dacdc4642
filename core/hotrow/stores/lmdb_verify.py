"""Whether an LMDB store is in order, in two depths."""

from collections.abc import Iterator
from pathlib import Path

import lmdb

from hotrow.stores.lmdb_env import Databases
from hotrow.stores.lmdb_file import structure_problems
from hotrow.stores.port import MAX_KEY_BYTES, MIN_ROW_BYTES, VIEW_ID_BYTES

_CHUNK = 1000
_MAX_PROBLEMS = 100


def verify_still(folder: Path) -> list[str]:
    """Every page of the data file, while nobody writes it."""
    return structure_problems(folder)


def verify_live(env: lmdb.Environment, databases: Databases) -> list[str]:
    """Every entry of every database, in short transactions, while a writer may go on."""
    problems: list[str] = []
    for name, database in databases.named():
        last = b""
        for key, value in _entries(env, database):
            if last and key <= last:
                problems.append(f"{name}: keys are out of order after {last.hex()}")
            if name == "rows" and not VIEW_ID_BYTES <= len(key) <= VIEW_ID_BYTES + MAX_KEY_BYTES:
                problems.append(f"rows: a key of {len(key)} bytes: {key.hex()}")
            if name == "rows" and len(value) < MIN_ROW_BYTES:
                problems.append(f"rows: a row of {len(value)} bytes at {key.hex()}")
            if len(problems) >= _MAX_PROBLEMS:
                return problems
            last = key
    return problems


def _entries(env: lmdb.Environment, database: lmdb._Database) -> Iterator[tuple[bytes, bytes]]:
    start = b""
    while True:
        chunk: list[tuple[bytes, bytes]] = []
        with env.begin(database) as txn, txn.cursor() as cursor:
            if cursor.set_range(start) if start else cursor.first():
                for entry in cursor:
                    chunk.append(entry)
                    if len(chunk) == _CHUNK:
                        break
        yield from chunk
        if len(chunk) < _CHUNK:
            return
        start = chunk[-1][0] + b"\0"
