"""Reads that wait until the store shows a commit, without holding a thread each."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hotrow import clock, log
from hotrow.errors import Code, HotrowError
from hotrow.rpc.call import Call
from hotrow.stores.port import OnlineStore

_POLL_S = 0.001
_MARGIN_S = 0.005  # answered this long before the deadline, so that the answer arrives
_PATIENCE_S = 30.0  # of a call without a deadline


@dataclass(frozen=True, slots=True)
class _Waiting:
    sequence: int
    until_s: float
    call: Call
    proceed: Callable[[], None]


class SequenceWaiter:
    """Runs calls once the store's sequence has come to theirs; one thread, which lives only while calls wait."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._running = False
        self._log = log.logger(__name__)

    def when_visible(self, sequence: int, call: Call, proceed: Callable[[], None]) -> None:
        """Call `proceed` when a read would see `sequence`; within its deadline, else answer UNAVAILABLE."""
        until_s = min(call.deadline_s - _MARGIN_S, clock.now_s() + _PATIENCE_S)
        with self._lock:
            self._waiting.append(_Waiting(sequence, until_s, call, proceed))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="hotrow-wait", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                if not waiting:
                    self._running = False
                    return
            kept = [one for one in waiting if not self._settle(one)]
            with self._lock:
                self._waiting += kept
            clock.sleep_s(_POLL_S)

    def _settle(self, one: _Waiting) -> bool:
        """Whether the call needs to wait no more."""
        if one.call.cancelled():
            return True
        try:
            if self._store.sequence() >= one.sequence:
                one.proceed()
                return True
        except HotrowError as error:
            one.call.fail(error)
            return True
        except Exception:  # noqa: BLE001 - whatever it is, its caller gets an answer and the others wait on
            self._log.exception("a read that waited failed", request_id=one.call.request_id)
            one.call.fail(HotrowError(Code.INTERNAL, f"internal error; request id {one.call.request_id}"))
            return True
        if clock.now_s() < one.until_s:
            return False
        one.call.fail(
            HotrowError(Code.UNAVAILABLE, "the write that min_token names is not visible here yet", retry_after_s=0.05)
        )
        return True
