"""Takes pushed rows from the outbox of the store to the log, on a thread of its own, while pushes are served."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from hotrow import clock, log
from hotrow.errors import HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.offline.log_folder import last_number
from hotrow.offline.log_lease import LogLease
from hotrow.offline.log_writer import LogWriter
from hotrow.stores.port import OnlineStore

_LAST_BATCH_S = 1.0

_log = log.logger(__name__)


class LogDrain:
    """Writes what is in the outbox every `interval_s`, and once more when it is stopped.

    Where the log cannot be written rows wait in the outbox, and this is tried again. To be made before the store is
    written to: it has the store number its entries behind those that the log has, which an older store, or another that
    has taken the place of a lost one, would give out again. Of several workers on a store one does this at a time.
    """

    def __init__(self, store: OnlineStore, folder: Path, *, interval_s: float, reached: Reached = unarmed) -> None:
        self._store = store
        self._folder = folder
        self._interval_s = interval_s
        self._reached = reached
        self._lease = LogLease(folder, store, interval_s=interval_s)
        self._writer: LogWriter | None = None
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        store.reserve_outbox(last_number(folder))
        self._thread = threading.Thread(target=self._run, name="hotrow-log", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what is there, nothing being pushed any more, and end; whether the store is left alone from now on.

        What is not written in time waits for the next start.
        """
        self._stopping.set()
        self._thread.join(max(0.0, timeout_s - _LAST_BATCH_S))
        self._given_up.set()
        self._thread.join(_LAST_BATCH_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._folder.is_dir():
            self._guarded(self._open)  # removes what a process that was killed has left half written
        while not self._stopping.wait(self._interval_s):
            self._guarded(self._drain)
        self._guarded(self._drain)
        self._give_up()

    def _open(self) -> LogWriter | None:
        """None while another worker takes the rows to the log."""
        if not self._lease.held():
            self._close()  # it was stopped for longer than it may
        elif self._writer is None:
            self._lease.claim()
            self._writer = LogWriter(self._folder, self._store, self._reached)
        return self._writer

    def _drain(self) -> None:
        if not self._store.info().outbox:
            if self._writer is not None:
                self._open()  # stays the one, so that the next does not have to look through the folder
            return
        began_s = clock.monotonic_s()
        writer = self._open()
        if writer is not None:
            rows = writer.drain(lambda: self._given_up.is_set() or not self._lease.held())
            writer.merge(lambda: self._stopping.is_set() or not self._lease.held())
            _log.debug("pushed rows logged", rows=rows, seconds=round(clock.monotonic_s() - began_s, 3))

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _give_up(self) -> None:
        """Let another worker try."""
        self._close()
        with contextlib.suppress(HotrowError):  # it ends by itself
            self._lease.release()

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except HotrowError as error:
            self._give_up()
            _log.warning("pushed rows are not logged and wait in the outbox; tried again", error=error.message)
        except Exception:  # noqa: BLE001 - pushes go on whatever it is, and so does the thread
            self._give_up()
            _log.exception("pushed rows are not logged and wait in the outbox; tried again")
