"""The right to write a log, held by flock, so that it ends with the process that has it."""

import fcntl
import os
from pathlib import Path

from hotrow.errors import Code, HotrowError
from hotrow.offline.row_log.folder import make_folders

_LOCK = ".lock"


class LogLock:
    """Held from now on; `shared`, by others too who hold it so, and take turns by other means (`row_log.lease`).

    Raises FAILED_PRECONDITION while another process has it, and OSError.
    """

    def __init__(self, log: Path, *, shared: bool = False) -> None:
        make_folders(log)
        self._fd = os.open(log / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            message = f"another process writes the log of pushed rows at {log}; give each store an offline_store.path"
            raise HotrowError(Code.FAILED_PRECONDITION, f"{message} of its own") from None

    def release(self) -> None:
        """Let go."""
        os.close(self._fd)
