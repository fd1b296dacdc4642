"""Files that survive a kill and a power cut: atomic replacement, appending, a lock, and errors that name the path."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hotrow.clock import monotonic_s, sleep_s
from hotrow.disk import sync
from hotrow.errors import Code, HotrowError

LOCK_WAIT_S = 30.0
_LOCK_POLL_S = 0.005


def read_bytes(path: Path) -> bytes | None:
    """The file's content; None where there is no such file."""
    with translated(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def replace_file(path: Path, data: bytes, *, newer_than_old: bool = False) -> None:
    """Give a file new content: readers see the old or the new one, and the new one is on disk when this returns.

    The caller holds a lock against other writers. With `newer_than_old` the modification time grows by at least a
    nanosecond, whatever the clock says.
    """
    with translated(path):
        _make_folder(path.parent)
        temporary = path.parent / f".{path.name}.new"
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            if newer_than_old:
                _touch_after(file.fileno(), path)
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)


def append_after(path: Path, offset: int, data: bytes) -> int:
    """Cut a file at `offset`, append `data`, bring it to the disk, and return the file's new length.

    The caller holds a lock. Raises FAILED_PRECONDITION when the file is shorter than `offset`.
    """
    with translated(path):
        _make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with open(descriptor, "r+b") as file:  # noqa: PTH123 - Path.open cannot create without cutting
            length = file.seek(0, os.SEEK_END)
            if length < offset:
                raise HotrowError(
                    Code.FAILED_PRECONDITION,
                    f"{path} is damaged: it has {length} bytes of the {offset} that were written; restore it from "
                    "a backup",
                )
            file.truncate(offset)
            file.seek(offset)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync(path.parent)
    return offset + len(data)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock against other processes and threads; raises UNAVAILABLE when it stays taken.

    The lock goes with the process, so one that was killed leaves none behind.
    """
    with translated(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _wait_for_lock(path, descriptor)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the system's errors into errors that name the path and the remedy."""
    try:
        yield
    except OSError as error:
        shown = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HotrowError(
                Code.EXHAUSTED, f"{shown}: no space is left on the disk; make room and try again"
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EISDIR):
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{shown}: {error.strerror}; the registry has to be a folder of its own",
            ) from error
        raise HotrowError(
            Code.UNAVAILABLE, f"{shown}: {error.strerror or error}; check that the folder is there and permitted"
        ) from error


def _wait_for_lock(path: Path, descriptor: int) -> None:
    deadline = monotonic_s() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic_s() > deadline:
                raise HotrowError(
                    Code.UNAVAILABLE,
                    f"{path} has been locked by another process for {LOCK_WAIT_S:.0f} s; end that process "
                    f"(`fuser {path}` shows it) and try again",
                ) from None
            sleep_s(_LOCK_POLL_S)
        except OSError as error:
            raise HotrowError(
                Code.UNAVAILABLE,
                f"{path} cannot be locked ({error.strerror}); keep the registry on a file system that has locks",
            ) from error
        else:
            return


def _touch_after(descriptor: int, old: Path) -> None:
    try:
        floor_ns = old.stat().st_mtime_ns + 1
    except FileNotFoundError:
        return
    now_ns = os.fstat(descriptor).st_mtime_ns
    if now_ns < floor_ns:
        os.utime(descriptor, ns=(floor_ns, floor_ns))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        sync(folder.parent)
