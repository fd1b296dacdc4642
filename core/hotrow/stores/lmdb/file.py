"""Checks on LMDB's data file made without LMDB, which trusts what it maps: a truncated file is a SIGBUS to it, a
damaged page an abort. The layout of a meta page is that of MDB_page and MDB_meta in LMDB 0.9's mdb.c, 64 bits.
"""

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from lmdb import verify as lmdb_verify

from hotrow import clock
from hotrow.stores.lmdb.lock import refused

DATA = "data.mdb"
_MAGIC = 0xBEEFC0DE
_DATA_VERSION = 1  # LMDB 0.9
_P_META = 8
_META = struct.Struct("<10xH4xIIQQI92xQQ")  # flags; magic, version, address, map size; page size; last page, txn id
_TOO_MANY = re.compile(r"overflow page \d+ header mp_pages (\d+) != OVPAGES\(\d+\)=(\d+)$")
_LOST = re.compile(r"walked \d+ overflow pages, record says \d+$|are neither reachable nor in the freeDB")
_READS = 3  # a writer may be at the page while it is read
_READ_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class _Meta:
    page_bytes: int
    last_page: int
    transaction: int


def problem(folder: Path) -> str:
    """Why the data file must not be given to LMDB; empty when it may. Costs two small reads on a sound file.

    The file must not be written meanwhile by a process other than an LMDB writer.
    """
    for attempt in range(_READS):
        if attempt:
            clock.sleep_s(_READ_PAUSE_S)
        found = _problem(folder / DATA)
        if not found:
            return ""
    return found


def structure_problems(folder: Path) -> list[str]:
    """Every page walked, in Python, without LMDB (seconds a million rows); the file must not be written meanwhile.

    Pages that are only lost to use are no problem: what is in the file is whole, and a store is not refused for them.
    """
    try:
        found: list[str] = lmdb_verify.verify(str(folder), subdir=True)  # type: ignore[no-untyped-call]
    except lmdb_verify.VerifyError as error:
        return [str(error)]
    except OSError as error:
        raise refused(folder / DATA, error) from None
    return [line for line in found if not _is_waste(line)]


def _is_waste(line: str) -> bool:
    """Whether a line of the verifier tells of pages that hold nothing, which LMDB neither reads nor gives out again."""
    pages = _TOO_MANY.search(line)
    return int(pages[1]) > int(pages[2]) if pages else _LOST.search(line) is not None


def _problem(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            meta = _newest_meta(opened.fileno())
            # After the meta page: a writer grows the file before it says so there.
            size_bytes = os.fstat(opened.fileno()).st_size
    except OSError as error:
        raise refused(file, error) from None
    if isinstance(meta, str):
        return meta
    needed_bytes = (meta.last_page + 1) * meta.page_bytes
    if size_bytes >= needed_bytes:
        return ""
    # A free page at the end may never have been written. So a short file is sound if each page in use is there.
    found = structure_problems(file.parent)
    return f"it has {size_bytes} bytes of at least {needed_bytes}: {found[0]}" if found else ""


def _newest_meta(fd: int) -> _Meta | str:
    first = _read_meta(fd, 0)
    if isinstance(first, str):
        return first
    second = _read_meta(fd, first.page_bytes)
    if isinstance(second, str):
        return second
    return max(first, second, key=lambda meta: meta.transaction)


def _read_meta(fd: int, offset: int) -> _Meta | str:
    data = os.pread(fd, _META.size, offset)
    if len(data) < _META.size:
        return "it is truncated"
    flags, magic, version, _, _, page_bytes, last_page, transaction = _META.unpack(data)
    if magic != _MAGIC or not flags & _P_META:
        return "it is not an LMDB data file"
    if version != _DATA_VERSION:
        return f"it has LMDB's data format {version}, not {_DATA_VERSION}"
    if page_bytes < 512 or page_bytes & (page_bytes - 1):
        return "its meta page is damaged"
    return _Meta(page_bytes, last_page, transaction)
