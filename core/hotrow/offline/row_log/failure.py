"""What it means that the log of pushed rows cannot be written or read."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hotrow.errors import Code, HotrowError

T = TypeVar("T")


def told(log: Path, act: Callable[[], T]) -> T:
    """What `act` returns. Its OSError becomes a HotrowError: FAILED_PRECONDITION for a lack of permission, EXHAUSTED
    where the disk is full, else UNAVAILABLE.
    """
    try:
        return act()
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            message = f"the log of pushed rows at {log}: permission denied to user {os.geteuid()}; give it write access"
            raise HotrowError(Code.FAILED_PRECONDITION, f"{message}, or set offline_store.path") from None
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            message = f"the disk of the log of pushed rows at {log} is full; make space on it"
            raise HotrowError(Code.EXHAUSTED, message) from None
        message = f"the log of pushed rows at {log} cannot be written: {error}; check offline_store.path"
        raise HotrowError(Code.UNAVAILABLE, message) from None
