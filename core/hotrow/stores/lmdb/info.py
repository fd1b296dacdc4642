"""Sizes and counts of an LMDB store."""

import os
from pathlib import Path

import lmdb

from hotrow.stores.lmdb.env import Databases, Txn
from hotrow.stores.lmdb.identity import FORMAT
from hotrow.stores.port import StoreInfo


def describe(env: lmdb.Environment, txn: Txn, databases: Databases) -> StoreInfo:
    """What the data file tells; `used_bytes` are those of pages in use, `file_bytes` of all that ever were."""
    rows = txn.stat(databases.rows)
    page_bytes = rows["psize"]
    whole = env.info()
    details = {
        "format": str(FORMAT),
        "file_bytes": str((whole["last_pgno"] + 1) * page_bytes),
        "marks": str(txn.stat(databases.mark_order)["entries"]),
        "schemas": str(txn.stat(databases.schemas)["entries"]),
        "reader_slots": str(whole["num_readers"]),
        "lmdb": ".".join(map(str, lmdb.version())),
    }
    used_bytes = live_pages(txn, databases) * page_bytes
    outbox = waiting(txn, databases)
    return StoreInfo("lmdb", "", 0, txn.id(), rows["entries"], used_bytes, 0, outbox, details)


def waiting(txn: Txn, databases: Databases) -> int:
    """How many entries are in the outbox."""
    return int(txn.stat(databases.outbox)["entries"]) if databases.outbox is not None else 0


def live_pages(txn: Txn, databases: Databases) -> int:
    """Pages that hold something, as the transaction sees it."""
    pages = 0
    large = (databases.rows, databases.marks, databases.mark_order, databases.outbox)  # the others take a few pages
    for database in large:
        if database is None:
            continue
        stat = txn.stat(database)
        pages += stat["leaf_pages"] + stat["overflow_pages"] + stat["branch_pages"]
    return pages


def free_bytes(path: Path) -> int:
    """What is left on the disk of `path` for ordinary users; 0 for a folder that was deleted."""
    try:
        disk = os.statvfs(path)
    except FileNotFoundError:
        return 0
    return disk.f_bavail * disk.f_frsize
