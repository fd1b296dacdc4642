"""Sizes and counts of an LMDB store."""

import os
from pathlib import Path

import lmdb

from hotrow.stores.lmdb_env import Databases, Txn
from hotrow.stores.lmdb_identity import FORMAT
from hotrow.stores.port import StoreInfo


def describe(env: lmdb.Environment, txn: Txn, databases: Databases) -> StoreInfo:
    """What the data file tells; `used_bytes` are those of pages in use, `file_bytes` of all that ever were."""
    stats = {name: txn.stat(handle) for name, handle in databases.named()}
    pages = sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in stats.values())
    page_bytes = stats["rows"]["psize"]
    whole = env.info()
    details = {
        "format": str(FORMAT),
        "file_bytes": str((whole["last_pgno"] + 1) * page_bytes),
        "marks": str(stats["mark_order"]["entries"]),
        "schemas": str(stats["schemas"]["entries"]),
        "reader_slots": str(whole["num_readers"]),
        "lmdb": ".".join(map(str, lmdb.version())),
    }
    return StoreInfo("lmdb", "", 0, txn.id(), stats["rows"]["entries"], pages * page_bytes, 0, details)


def free_bytes(path: Path) -> int:
    """What is left on the disk of `path` for ordinary users."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize
