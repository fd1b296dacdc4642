"""Whether the file that LMDB has open is still the store at its path: a deleted file goes on taking commits."""

import os
from pathlib import Path

from hotrow.errors import Code, HotrowError
from hotrow.stores.lmdb.file import DATA
from hotrow.stores.port import HERE, MISSING, REPLACED, Presence


class DataFile:
    """The data file of a store, held open to be known again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path / DATA, os.O_RDONLY | os.O_CLOEXEC)

    def require_linked(self) -> None:
        """Raises FAILED_PRECONDITION where the file was deleted: what was committed to it is lost when it is closed."""
        if os.fstat(self._fd).st_nlink == 0:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"the store at {self._path} was deleted while it was open, and nothing that is written would be kept; "
                "restore the folder, or start hotrow again with an empty store and materialize",
            )

    def presence(self) -> Presence:
        """What is at the path now."""
        try:
            found = (self._path / DATA).stat()
        except OSError:
            return MISSING
        return HERE if os.path.samestat(found, os.fstat(self._fd)) else REPLACED

    def close(self) -> None:
        """Let the file go."""
        os.close(self._fd)
