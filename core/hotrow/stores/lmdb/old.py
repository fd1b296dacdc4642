"""The folders of older stores that rebuilds have left in the folder of an LMDB store.

Each is kept until two things were said: by a rebuild that came to its end, that a complete store has taken the place
of all of them, and by somebody, that they may go. A rebuild that was cut short says nothing, so the store that it
began with outlives the next one.
"""

import shutil
from pathlib import Path

from hotrow import clock
from hotrow.stores.lmdb.folder import put_aside
from hotrow.stores.lmdb.identity import OLD
from hotrow.stores.lmdb.lock import refused

_REPLACED = "replaced"


def note_replaced(path: Path) -> None:
    """Say that the store at `path` is complete, so that no older one in it is needed any more."""
    try:
        for old in _folders(path):
            (old / _REPLACED).touch()
    except OSError as error:
        raise refused(path, error) from None


def remove_replaced(path: Path) -> list[Path]:
    """Delete the older stores that are not needed any more; returns their folders."""
    replaced = [old for old in _folders(path) if (old / _REPLACED).exists()]
    for old in replaced:
        try:
            for file in old.iterdir():
                if file.name != _REPLACED:  # the last to go, so that what is cut short here is gone on with
                    file.unlink()
            shutil.rmtree(old)
        except OSError as error:
            raise refused(old, error) from None
    return replaced


def _folders(path: Path) -> list[Path]:
    return sorted(old for old in path.glob(f"{OLD}*") if old.is_dir() and not old.is_symlink())


def create_fresh(path: Path, *, project: str = "", wait_s: float = 1.0) -> Path | None:
    """Put the store at `path` aside and make an empty one there, of the same id and the next epoch.

    For a rebuild; works on a store that no longer opens. Returns the folder of the old data, which may be deleted,
    None if there was none. Raises FAILED_PRECONDITION while any process has the store open, for a folder that is no
    store, and for the store of another project.
    """
    return put_aside(path, project=project, deadline_s=clock.monotonic_s() + wait_s)
