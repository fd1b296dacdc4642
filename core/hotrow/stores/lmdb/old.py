"""The folders of older stores that rebuilds have left in the folder of an LMDB store.

Each is kept until two things were said: by a rebuild that came to its end, that a complete store has taken the place
of all of them, and by somebody, that they may go. A rebuild that was cut short says nothing, so the store that it
began with outlives the next one.
"""

import shutil
from pathlib import Path

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
