"""The folder of an LMDB store: what is in it, how it is made, opened, and put aside.

    store.json      identity: format version, id, epoch, project, and the boot in which commits may not have reached the
                    disk
    data.mdb        LMDB's data          lock.mdb    LMDB's table of readers, of no value when nobody has it open
    writer.lock     users.lock           (see `hotrow.stores.lmdb.lock`)
    new/            a store being made, complete before its data.mdb is moved up
    old-N/          the store of epoch N, which a rebuild put aside (see `hotrow.stores.lmdb.old`)

Everything stays inside the folder, which may be the root of a volume. A step that is cut short is finished, or begun
again, by the next writer.
"""

import os
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import lmdb

from hotrow import clock
from hotrow.disk import sync
from hotrow.errors import Code, HotrowError
from hotrow.stores.check import check_project
from hotrow.stores.lmdb import env as lmdb_env
from hotrow.stores.lmdb import file as lmdb_file
from hotrow.stores.lmdb import lock as lmdb_lock
from hotrow.stores.lmdb.failure import failed_open
from hotrow.stores.lmdb.file import DATA
from hotrow.stores.lmdb.identity import (
    IDENTITY,
    NEW,
    OLD,
    READERS,
    Identity,
    boot_id,
    damaged,
    foreign,
    read_identity,
    refuse_foreign,
    write_identity,
)
from hotrow.stores.lmdb.lock import refused


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """A store's folder that this process has open, with the descriptors that hold its locks."""

    path: Path
    identity: Identity
    writer_fd: int | None
    users_fd: int

    def release(self) -> None:
        """Give up the locks."""
        os.close(self.users_fd)
        if self.writer_fd is not None:
            os.close(self.writer_fd)


def open_writer(path: Path, *, durability: str, deadline_s: float) -> StoreFolder:
    """Lock the store for writing, made if there is none, and sound; raises HotrowError as `LmdbStore` says."""
    fd = _lock_folder(path, deadline_s)
    try:
        lmdb_lock.make_users(path)
        identity = read_identity(path) or _create(path)
        _finish_or_discard_new(path)
        identity = _checked(path, identity)
        unsynced_boot = boot_id() if durability == "os" else ""
        if identity.unsynced_boot != unsynced_boot:
            sync(path / DATA)  # what this boot's earlier writer left to the system
            identity = replace(identity, unsynced_boot=unsynced_boot)
            write_identity(path, identity)
        _allocate_readers(path / READERS)
        users_fd = lmdb_lock.open_users(path)
        lmdb_lock.share(users_fd)
    except OSError as error:
        os.close(fd)
        raise refused(path, error) from None
    except BaseException:
        os.close(fd)
        raise
    return StoreFolder(path, identity, fd, users_fd)


def open_reader(path: Path, *, deadline_s: float) -> StoreFolder:
    """Open a store that its writer has made; until `deadline_s` (monotonic) waits for that, then UNAVAILABLE."""
    while True:
        opened = _try_open_reader(path)
        if isinstance(opened, StoreFolder):
            return opened
        if clock.monotonic_s() >= deadline_s:
            raise HotrowError(Code.UNAVAILABLE, opened, retry_after_s=1.0)
        clock.sleep_s(lmdb_lock.POLL_S)


def put_aside(path: Path, *, project: str, deadline_s: float) -> Path | None:
    """Move the data of the store into old-N and make it empty, of the same id and the next epoch.

    Works on a store that cannot be opened. Returns where the old data is, None where there was none. Raises
    FAILED_PRECONDITION while any process has the store open.
    """
    fd = _lock_folder(path, deadline_s)
    users_fd = -1
    try:
        lmdb_lock.make_users(path)
        users_fd = lmdb_lock.open_users(path)
        while not lmdb_lock.try_exclusive(users_fd):
            if clock.monotonic_s() >= deadline_s:
                message = f"the store at {path} is open in other processes; stop `hotrow serve` and `hotrow server`"
                raise HotrowError(Code.FAILED_PRECONDITION, message)
            clock.sleep_s(lmdb_lock.POLL_S)
        return _put_aside(path, project)
    except OSError as error:
        raise refused(path, error) from None
    finally:
        os.close(fd)
        if users_fd >= 0:
            os.close(users_fd)


def _lock_folder(path: Path, deadline_s: float) -> int:
    """The writer's lock, before which nothing is put into a folder that is not a store's."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not (path / IDENTITY).exists():
            refuse_foreign(path)
        return lmdb_lock.lock_writer(path, deadline_s=deadline_s)
    except (FileExistsError, NotADirectoryError):
        raise foreign(path, "it is a file, not a folder") from None
    except OSError as error:
        raise refused(path, error) from None


def claimed(path: Path, identity: Identity, project: str) -> Identity:
    """The identity of a store of the project, which a store that is nobody's becomes; raises FAILED_PRECONDITION for
    that of another.
    """
    check_project(str(path), identity.project, project, field="online_store.path")
    return replace(identity, project=identity.project or project)


def _create(path: Path) -> Identity:
    """Begin a store, up to the move of its data (`_finish_or_discard_new`). The identity makes a folder a store."""
    identity = Identity(uuid.uuid4().hex, 1)
    _build_new(path, identity.id)
    write_identity(path, identity)
    return identity


def _build_new(path: Path, store_id: str) -> None:
    shutil.rmtree(path / NEW, ignore_errors=True)
    try:
        lmdb_env.build(path / NEW, store_id)
    except lmdb.Error as error:
        raise failed_open(path, error) from None
    sync(path / NEW / DATA)
    sync(path / NEW)


def _finish_or_discard_new(path: Path) -> None:
    new = path / NEW
    if not (path / DATA).exists():
        if not (new / DATA).exists():
            raise damaged(path, f"{DATA} is gone")
        (path / READERS).unlink(missing_ok=True)
        (new / DATA).rename(path / DATA)
        sync(path)
    shutil.rmtree(new, ignore_errors=True)


def _allocate_readers(file: Path) -> None:
    """Have the table of readers on the disk, for LMDB maps it: a page of it that a full disk has no room for would be a
    SIGBUS. Not touched when it is there already: to close it would end the locks of an LMDB in this process.
    """
    size_bytes = lmdb_env.READERS_BYTES
    if file.exists() and file.stat().st_blocks * 512 >= size_bytes:
        return
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, lmdb_lock.FILE_MODE)
    try:
        os.posix_fallocate(fd, 0, size_bytes)
    finally:
        os.close(fd)


def _checked(path: Path, identity: Identity) -> Identity:
    """The identity of a sound store, of a new epoch where a power cut may have taken its last commits."""
    found = lmdb_file.problem(path)
    if found:
        raise damaged(path, f"{DATA}: {found}")
    if identity.unsynced_boot in {"", boot_id()}:
        return identity
    problems = lmdb_file.structure_problems(path)
    if problems:
        reason = f'the system stopped while durability was "os", and {DATA} did not survive: {problems[0]}'
        raise damaged(path, reason)
    identity = replace(identity, epoch=identity.epoch + 1)
    write_identity(path, replace(identity, unsynced_boot=""))
    return identity


def _try_open_reader(path: Path) -> StoreFolder | str:
    """The store, or why it cannot be opened yet."""
    waiting = (
        f"the store at {path} is not there yet; the ingest worker makes it: start `hotrow serve` or `hotrow ingest`"
    )
    if read_identity(path) is None:
        return waiting
    try:
        fd = lmdb_lock.open_users(path)
    except FileNotFoundError:
        return waiting
    keep = False
    try:
        alone = lmdb_lock.try_exclusive(fd)
        if not alone and not lmdb_lock.try_share(fd):
            return f"the store at {path} is being checked by another process"
        if reason := _not_ready(path):
            return reason
        found = lmdb_file.problem(path) if alone else ""  # the first one looks, for all
        if found:
            raise damaged(path, f"{DATA}: {found}")
        lmdb_lock.share(fd)
        identity = read_identity(path)  # again: where this waited, it was for a writer
        if identity is None or _not_ready(path):
            return waiting
        keep = True
        return StoreFolder(path, identity, None, fd)
    finally:
        if not keep:
            os.close(fd)


def _not_ready(path: Path) -> str:
    identity = read_identity(path)
    if identity is None or not (path / DATA).exists():
        return f"the store at {path} is being made by another process"
    if identity.unsynced_boot not in {"", boot_id()}:
        return f"the store at {path} is to be checked by its ingest worker: the system stopped while it was open"
    return ""


def _put_aside(path: Path, project: str) -> Path | None:
    try:
        identity = read_identity(path)
    except HotrowError:  # store.json tells nothing this version can use: a store of a new id takes its place
        identity = None
    if identity:
        identity = claimed(path, identity, project)
    aside = _free_name(path, identity.epoch if identity else 0)
    # The new epoch first: cut short, this leaves the old rows in it, or the new store to move up.
    following = (
        replace(identity, epoch=identity.epoch + 1) if identity else Identity(uuid.uuid4().hex, 1, project=project)
    )
    _build_new(path, following.id)
    old = [path / name for name in (DATA, *([] if identity else [IDENTITY])) if (path / name).exists()]
    if identity:
        write_identity(path, following)
    if old:
        aside.mkdir()
    for file in old:
        file.rename(aside / file.name)
    (path / READERS).unlink(missing_ok=True)
    write_identity(path, replace(following, unsynced_boot=""))
    _finish_or_discard_new(path)
    return aside if old else None


def _free_name(path: Path, epoch: int) -> Path:
    aside = path / f"{OLD}{epoch}"
    number = 1
    while aside.exists():
        number += 1
        aside = path / f"{OLD}{epoch}-{number}"
    return aside
