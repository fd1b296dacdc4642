"""Locks on the folder of an LMDB store, by flock, so that they end with the process that holds them, however it ends.

`writer.lock` is held, exclusively, by the one process that may write; its content is that process's pid. LMDB itself
would admit a second writer, which would be safe but would break what the ingest worker keeps in memory.
`users.lock` is shared by all that have the store open, and taken exclusively to look at a file that nobody may be
using: to rebuild the store, and, by the first reader, to check the data file.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from hotrow import clock
from hotrow.errors import Code, HotrowError

WRITER = "writer.lock"
USERS = "users.lock"
POLL_S = 0.02
FILE_MODE = 0o660


def lock_writer(folder: Path, *, deadline_s: float) -> int:
    """Hold the right to write; returns the descriptor that holds it.

    Tries until `deadline_s` (monotonic), then raises FAILED_PRECONDITION naming the pid of the holder.
    """
    fd = _open(folder / WRITER, os.O_RDWR | os.O_CREAT)
    while not _try(fd, fcntl.LOCK_EX):
        if clock.monotonic_s() >= deadline_s:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            remedy = "stop that process, or let it do the work"
            message = f"the store at {folder} has a writer already, process {holder}; {remedy}"
            raise HotrowError(Code.FAILED_PRECONDITION, message)
        clock.sleep_s(POLL_S)
    os.pwrite(fd, f"{os.getpid():<15}\n".encode(), 0)  # of one length: on a full disk there is room for it again
    return fd


def writer_pid(folder: Path) -> str:
    """The pid that the last writer left, empty when there was none; the process may have ended."""
    with contextlib.suppress(OSError):
        return (folder / WRITER).read_text().strip()
    return ""


def open_users(folder: Path) -> int:
    """A descriptor of the users' lock, which the writer makes; raises FileNotFoundError before it has."""
    return _open(folder / USERS, os.O_RDONLY)


def make_users(folder: Path) -> None:
    os.close(_open(folder / USERS, os.O_RDONLY | os.O_CREAT))


def try_exclusive(fd: int) -> bool:
    """Whether the users' lock is now held by this descriptor alone."""
    return _try(fd, fcntl.LOCK_EX)


def try_share(fd: int) -> bool:
    """Whether the users' lock is now shared by this descriptor, an exclusive hold of its own given up."""
    return _try(fd, fcntl.LOCK_SH)


def share(fd: int) -> None:
    """As `try_share`, waiting for whoever checks the store at the moment."""
    fcntl.flock(fd, fcntl.LOCK_SH)


def _try(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(file: Path, flags: int) -> int:
    try:
        return os.open(file, flags | os.O_CLOEXEC, FILE_MODE)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refused(file, error) from None


def refused(file: Path, error: OSError) -> HotrowError:
    """What a failed access to a file of the store is told as."""
    if isinstance(error, PermissionError):
        message = f"{file}: permission denied to user {os.geteuid()}; give that user read and write access to the store"
        return HotrowError(Code.FAILED_PRECONDITION, message)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return HotrowError(Code.EXHAUSTED, f"{file}: the disk is full; make space on it")
    return HotrowError(Code.UNAVAILABLE, f"{file}: {error.strerror}; check the disk and the path of the store")
