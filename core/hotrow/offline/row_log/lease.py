"""Who takes what waits in a store's outbox to the log, where several processes write the store.

One at a time, by a lease in the store, and only who has the log: a file in its folder holds an id, and the store knows
the id of the log that its rows go to. So rows are never spread over the folders of several machines.
"""

import contextlib
import os
import secrets
import socket
import uuid
from pathlib import Path

from hotrow import log
from hotrow.disk import sync
from hotrow.errors import Code, HotrowError
from hotrow.offline.row_log.failure import told
from hotrow.offline.row_log.folder import make_folders
from hotrow.stores.port import OnlineStore, SharedOutbox

_ID = ".id"
_SHORTEST_S = 30.0

_log = log.logger(__name__)


class LogLease:
    """The right to take a store's outbox to the log in a folder. Of an embedded store it is always this process's.

    To be asked for again every `interval_s`; whoever does not, and dies, loses it within three of them, or 30 s.
    """

    def __init__(self, folder: Path, store: OnlineStore, *, interval_s: float = 0.0) -> None:
        self._folder = folder
        self._shared = store if isinstance(store, SharedOutbox) else None
        self._holder = f"{socket.gethostname()} process {os.getpid()} {secrets.token_hex(4)}"
        self._lease_s = max(_SHORTEST_S, 3 * interval_s)
        self._elsewhere = False

    def held(self) -> bool:
        """Take it, or keep it, if nobody else has it and the log is in this folder.

        Raises HotrowError as the store does, and where the folder cannot be read.
        """
        return self._shared is None or self._hold(self._shared) == self._holder

    def claim(self) -> None:
        """Make the log in this folder, which is held, that of the store, if it has none yet."""
        if self._shared is None:
            return
        log_id = self._shared.log_id()
        if log_id:
            told(self._folder, lambda: _name(self._folder, log_id))
        else:
            self._move(self._shared, instead=False)

    def take(self) -> None:
        """As `held`; raises FAILED_PRECONDITION, naming who, where another has it."""
        if self._shared is None:
            return
        holder = self._hold(self._shared)
        if holder != self._holder:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"pushed rows are taken to the log by another: {holder or elsewhere(self._folder)}; stop hotrow on "
                f"every machine, or run this there; the right of one that died ends after {self._lease_s:.0f} s",
            )

    def take_over(self) -> None:
        """Take it from whoever has it; raises FAILED_PRECONDITION where the log is not in this folder."""
        if self._shared is not None:
            if not is_log_of(self._folder, self._shared):
                raise HotrowError(Code.FAILED_PRECONDITION, elsewhere(self._folder))
            self._shared.hold_outbox(self._holder, self._lease_s, instead=True)

    def adopt(self) -> None:
        """Make the log in this folder that of the store in the place of the one it has; raises as `take`."""
        if self._shared is not None:
            holder = self._shared.hold_outbox(self._holder, self._lease_s)
            if holder != self._holder:
                raise HotrowError(
                    Code.FAILED_PRECONDITION, f"pushed rows are taken to another log by {holder}; stop it first"
                )
            self._move(self._shared, instead=True)

    def release(self) -> None:
        """Let another have it at once."""
        if self._shared is not None:
            self._shared.release_outbox(self._holder)

    def _hold(self, shared: SharedOutbox) -> str:
        """Who holds it now, empty where the log is elsewhere; that is said once."""
        if not is_log_of(self._folder, shared):
            if not self._elsewhere:
                _log.warning("pushed rows are left to workers on other machines", reason=elsewhere(self._folder))
                shared.release_outbox(self._holder)
            self._elsewhere = True
            return ""
        self._elsewhere = False
        return shared.hold_outbox(self._holder, self._lease_s)

    def _move(self, shared: SharedOutbox, *, instead: bool) -> None:
        """The store knows the id before the folder has it: of two stores with one folder, the later one has it.
        Who stops between the two leaves a file by which others know the folder.
        """
        log_id = uuid.uuid4().hex
        told(self._folder, lambda: _prepare(self._folder, log_id))
        if shared.claim_log(log_id, instead=instead) == log_id:
            told(self._folder, lambda: _name(self._folder, log_id))
        else:
            told(self._folder, _prepared(self._folder, log_id).unlink)


def elsewhere(folder: Path) -> str:
    """Why the rows of a store are not taken to the log in a folder."""
    return (
        f"the log of the store is not the one at {folder} (offline_store.path): give the machines a folder that they "
        "share; or, where the log is lost or was moved here, run `hotrow store adopt-log`"
    )


def is_log_of(folder: Path, store: SharedOutbox) -> bool:
    """Whether the log in the folder is that of the store, or may become it."""
    log_id = store.log_id()
    return not log_id or told(folder, lambda: _has(folder, log_id))


def _has(folder: Path, log_id: str) -> bool:
    return _read_id(folder) == log_id or _prepared(folder, log_id).exists() or _read_id(folder) == log_id


def _read_id(folder: Path) -> str:
    try:
        return (folder / _ID).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _prepared(folder: Path, log_id: str) -> Path:
    return folder / f"{_ID}.{log_id}"


def _prepare(folder: Path, log_id: str) -> None:
    make_folders(folder)
    fresh = _prepared(folder, log_id)
    fresh.write_text(log_id + "\n", encoding="ascii")
    sync(fresh)
    sync(folder)


def _name(folder: Path, log_id: str) -> None:
    """Give the file that was prepared its name, if nobody has."""
    if _read_id(folder) != log_id:
        with contextlib.suppress(FileNotFoundError):  # another has, in this moment
            _prepared(folder, log_id).replace(folder / _ID)
        sync(folder)
