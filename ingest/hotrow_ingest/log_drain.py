"""Takes pushed rows from the outbox of the store to the log, on a thread of its own, while pushes are served."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from hotrow import clock, log
from hotrow.errors import Code, HotrowError
from hotrow.failpoint import Reached, unarmed
from hotrow.offline.row_log.folder import last_number
from hotrow.offline.row_log.lease import LogLease
from hotrow.offline.row_log.writer import LogWriter
from hotrow.rpc.call import Call
from hotrow.stores.port import OnlineStore

_LAST_BATCH_S = 1.0

_log = log.logger(__name__)
_FAILED = HotrowError(Code.INTERNAL, "internal error while pushed rows were logged; they wait in the outbox")
_GIVEN_UP = HotrowError(Code.UNAVAILABLE, "the ingest worker stops; send the call again", retry_after_s=0.5)
_TAKEN_OVER = HotrowError(
    Code.UNAVAILABLE, "another ingest worker was asked too; send the call again", retry_after_s=0.2
)

Asked = Callable[[HotrowError | None], None]
"""Told that all is logged, by None, or why it is not."""


class LogDrain:
    """Writes what is in the outbox every `interval_s`, when it is asked to, and once more when it is stopped.

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
        self._asked: SimpleQueue[Asked] = SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        store.reserve_outbox(last_number(folder))
        self._thread = threading.Thread(target=self._run, name="hotrow-log", daemon=True)
        self._thread.start()

    def flush_log(self, _request: bytes, call: Call) -> None:
        """`hotrow.v1.FeatureIngest/FlushLog`: rows that were answered before the call are in the outbox, or logged."""

        def answer(error: HotrowError | None) -> None:
            if error is None:
                call.reply(b"")
            else:
                call.fail(error)

        self._asked.put(answer)
        self._wake.set()

    def stop(self, timeout_s: float) -> bool:
        """Write what is there, nothing being pushed any more, and end; whether the store is left alone from now on.

        What is not written in time waits for the next start.
        """
        self._stopping.set()
        self._wake.set()
        self._thread.join(max(0.0, timeout_s - _LAST_BATCH_S))
        self._given_up.set()
        self._thread.join(_LAST_BATCH_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if self._folder.is_dir():
            self._guarded(self._open)  # removes what a process that was killed has left half written
        while not self._stopping.is_set():
            self._wake.wait(self._interval_s)
            self._wake.clear()
            self._turn()
        self._turn()
        self._give_up()

    def _open(self) -> LogWriter | None:
        """None while another worker takes the rows to the log."""
        if not self._lease.held():
            self._close()  # it was stopped for longer than it may
        elif self._writer is None:
            self._lease.claim()
            self._writer = LogWriter(self._folder, self._store, self._reached)
        return self._writer

    def _turn(self) -> None:
        """Write what is there, and then tell those who had asked for it before."""
        asked = [self._asked.get() for _ in range(self._asked.qsize())]
        error = self._guarded(lambda: self._drain(asked=bool(asked)))
        for told in asked:
            told(error)
        if self._writer is not None and error is None:
            self._guarded(self._merge)

    def _drain(self, *, asked: bool) -> None:
        """If it is this worker's turn; who is `asked` has it now, for what is fixed in the store keeps others right."""
        if asked:
            self._lease.take_over()
        if not self._store.info().outbox:
            if self._writer is not None:
                self._open()  # stays the one, so that the next does not have to look through the folder
            return
        began_s = clock.monotonic_s()
        writer = self._open()
        if writer is not None:
            rows = writer.drain(lambda: self._given_up.is_set() or not self._lease.held())
            _log.debug("pushed rows logged", rows=rows, seconds=round(clock.monotonic_s() - began_s, 3))
            if self._given_up.is_set() and self._store.info().outbox:
                raise _GIVEN_UP
        if asked and not self._lease.held():
            raise _TAKEN_OVER

    def _merge(self) -> None:
        writer = self._open()
        if writer is not None:
            writer.merge(lambda: self._stopping.is_set() or not self._lease.held())

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _give_up(self) -> None:
        """Let another worker try."""
        self._close()
        with contextlib.suppress(HotrowError):  # it ends by itself
            self._lease.release()

    def _guarded(self, act: Callable[[], object]) -> HotrowError | None:
        """Do it; what kept it from being done is said, and returned."""
        try:
            act()
        except HotrowError as error:
            self._give_up()
            _log.warning("pushed rows are not logged and wait in the outbox; tried again", error=error.message)
            return error
        except Exception:  # noqa: BLE001 - pushes go on whatever it is, and so does the thread
            self._give_up()
            _log.exception("pushed rows are not logged and wait in the outbox; tried again")
            return _FAILED
        return None
