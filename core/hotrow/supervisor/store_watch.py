"""What a worker does when its store is not where it was opened any more, and what is known of the stores before it."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from hotrow import log
from hotrow.settings import Settings
from hotrow.stores.port import HERE, REPLACED, OnlineStore

_POLL_S = 0.25
_NOTE = "store.note"

_log = log.logger(__name__)


class StoreWatch:
    """Looks a few times a second whether the store is still at its place, on a thread of its own.

    `on_change` is told whether it is: health checks say so. A worker whose store was replaced, from a backup say,
    drains; its supervisor starts one that has the new store open.
    """

    def __init__(self, store: OnlineStore, on_change: Callable[[bool], None], *, poll_s: float = _POLL_S) -> None:
        self._store = store
        self._on_change = on_change
        self._poll_s = poll_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hotrow-store-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more: the store is about to be closed."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        here = True
        while not self._ended.wait(self._poll_s):
            found = self._store.presence()
            if found == REPLACED:
                _log.error("the online store was replaced by another one; this worker ends, and the next one opens it")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            if (found == HERE) != here:
                here = found == HERE
                self._on_change(here)
                if here:
                    _log.warning("the online store is back at its place")
                else:
                    _log.error("the online store was deleted or moved while it was open; pushes are refused")


class _Note(msgspec.Struct, frozen=True):
    store: str


def note_store(settings: Settings, store: OnlineStore) -> None:
    """Write down which store this is, and warn where the one before it at this place was another.

    Best effort: a folder that cannot be written only costs the next worker the warning.
    """
    file: Path = settings.run_path / _NOTE
    before = ""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        before = msgspec.json.decode(file.read_bytes(), type=_Note).store
    if before == store.id:
        return
    if before:
        _log.warning(
            "the online store is a new one, without the rows of the one before it; run `hotrow materialize`, or "
            "`hotrow store rebuild` to have logged pushes back too",
            place=settings.online_store.place,
            store=store.id,
            before=before,
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(_Note(store.id)))
    except OSError as error:
        _log.warning("which store this is could not be written down", file=str(file), reason=error.strerror)
