"""What makes a folder an LMDB store: its store.json, and how a folder that is none is told."""

import dataclasses
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from hotrow.disk import sync
from hotrow.errors import Code, HotrowError
from hotrow.stores.lmdb.lock import USERS, WRITER, refused

FORMAT = 1
IDENTITY = "store.json"
READERS = "lock.mdb"
NEW = "new"
OLD = "old-"
_TEMPORARY = "store.json.tmp"
_OURS = {IDENTITY, _TEMPORARY, READERS, WRITER, USERS, NEW, "lost+found"}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_REBUILD = "run `hotrow store rebuild`"


@dataclass(frozen=True, slots=True)
class Identity:
    """What store.json says. `unsynced_boot` is the boot id of commits that may not be on the disk, else empty.

    `project` is empty in a store that no writer has opened since stores belong to projects.
    """

    id: str
    epoch: int
    unsynced_boot: str = ""
    project: str = ""


def boot_id() -> str:
    """Names the time since the system started; a random one where the system has none, so that no two are equal."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return uuid.uuid4().hex


def write_identity(path: Path, identity: Identity) -> None:
    """Replace store.json at once, on the disk when this returns."""
    fields = {"format": FORMAT, **dataclasses.asdict(identity)}
    temporary = path / _TEMPORARY
    with temporary.open("w") as file:
        file.write(json.dumps(fields) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path / IDENTITY)
    sync(path)


def read_identity(path: Path) -> Identity | None:
    """None where no store has been made yet: there is no folder, or nothing in it that would be in the way."""
    try:
        data = (path / IDENTITY).read_bytes()
    except FileNotFoundError:
        refuse_foreign(path)
        return None
    except NotADirectoryError:
        raise foreign(path, "it is a file, not a folder") from None
    except OSError as error:
        raise refused(path / IDENTITY, error) from None
    try:
        fields = json.loads(data)
        version = fields["format"]
        if isinstance(version, int) and version > FORMAT:
            message = f"the store at {path} has format {version}, of a newer hotrow (this one knows {FORMAT}); upgrade"
            raise HotrowError(Code.FAILED_PRECONDITION, f"{message}, or {_REBUILD}")
        project = str(fields.get("project", ""))
        return Identity(str(fields["id"]), int(fields["epoch"]), str(fields["unsynced_boot"]), project)
    except (ValueError, KeyError, TypeError):
        raise damaged(path, f"{IDENTITY} is unreadable") from None


def refuse_foreign(path: Path) -> None:
    """For a folder without an identity: raises FAILED_PRECONDITION if something is in it that is not a store's."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused(path, error) from None
    strange = [name for name in names if not (name in _OURS or name.startswith(OLD))]
    if strange:
        raise foreign(path, f"it has no {IDENTITY} but holds {', '.join(strange[:3])}")


def foreign(path: Path, reason: str) -> HotrowError:
    """The error of a path that holds something else."""
    message = f"{path} is not a hotrow store: {reason}; set online_store.path to another folder"
    return HotrowError(Code.FAILED_PRECONDITION, message)


def damaged(path: Path, reason: str) -> HotrowError:
    """The error of a store that cannot be used as it is."""
    message = f"the store at {path} is damaged: {reason}; {_REBUILD}, or restore the folder from a backup"
    return HotrowError(Code.FAILED_PRECONDITION, message)
