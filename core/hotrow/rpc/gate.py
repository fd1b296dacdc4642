"""The gate: the one function of checks that every call passes, whichever door it came by."""

import itertools
import os
import re
import threading
from collections import Counter
from dataclasses import dataclass

from hotrow import log
from hotrow.clock import now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc.call import Call, Handler
from hotrow.rpc.metadata import Metadata

DEFAULT_MAX_RUNNING = 10_000
RETRY_AFTER_S = 0.1

REQUEST_ID_KEY = "x-request-id"
_PASSED_ON = "hotrow-"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)

_EXPIRED = HotrowError(Code.DEADLINE, "the deadline had passed before the call was begun")
_STOPPING = HotrowError(
    Code.UNAVAILABLE, "the server stops and the call did not end in time; send it again", retry_after_s=1.0
)


def passed_on(metadata: Metadata) -> Metadata:
    """What of a call's metadata goes with it to the worker that carries it out."""
    return tuple([item for item in metadata if item[0].startswith(_PASSED_ON)])


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What has passed since the start. `failed` counts answers by code, `abandoned` calls whose caller went away."""

    admitted: int
    running: int
    abandoned: int
    failed: dict[Code, int]


class Gate:
    """Admits calls and knows those that run. One a process, shared by all its doors; safe from any thread.

    A door gives every call to `admit`, and asks `claim` before it answers, so that a call is answered once.
    """

    def __init__(self, *, max_running: int = DEFAULT_MAX_RUNNING) -> None:
        self._max_running = max_running
        self._busy = HotrowError(
            Code.EXHAUSTED, f"{max_running} calls are running, the server's limit", retry_after_s=RETRY_AFTER_S
        )
        self._running: dict[Call, Call] = {}
        self._sequence = itertools.count(1)
        self._admitted = 0
        self._ids = itertools.count(1)
        self._prefix = f"{os.getpid():x}-{os.urandom(4).hex()}-"
        self._lock = threading.Lock()
        self._abandoned = 0
        self._failed: Counter[Code] = Counter()
        self._log = log.logger(__name__)

    def admit(self, handler: Handler, request: bytes, call: Call) -> None:
        """Check the call and run its handler; whatever the handler raises becomes the call's answer.

        Authentication and permissions have their place here, before the handler.
        """
        running = self._running
        running[call] = call
        self._admitted = next(self._sequence)
        if len(running) > self._max_running:
            call.fail(self._busy)
        elif call.deadline_s <= now_s():
            call.fail(_EXPIRED)
        else:
            timer = call.timer
            if timer is not None:
                timer.ended("queue")
            try:
                handler(request, call)
            except HotrowError as error:
                call.fail(error)
            except Exception:  # noqa: BLE001 - a handler may raise anything, and its caller gets an answer
                call.fail(self._unforeseen(call))

    def claim(self, call: Call) -> bool:
        """Whether the call is still to be answered, true once: a dict's pop is atomic."""
        return self._running.pop(call, None) is not None

    def count_failed(self, code: Code) -> None:
        """A door has answered a call with an error."""
        with self._lock:
            self._failed[code] += 1

    def count_abandoned(self) -> None:
        """A door has seen a call end before its answer."""
        with self._lock:
            self._abandoned += 1

    def request_id(self, metadata: Metadata) -> str:
        """The caller's `x-request-id` if it is sane, else a new one."""
        for key, value in metadata:
            if key == REQUEST_ID_KEY and isinstance(value, str) and _SANE_ID.fullmatch(value):
                return value
        return f"{self._prefix}{next(self._ids):x}"

    def fail_running(self) -> None:
        """Answer every call that still runs with UNAVAILABLE: the server stops."""
        for call in list(self._running):
            call.fail(_STOPPING)

    def counts(self) -> GateCounts:
        """A snapshot of the counters."""
        with self._lock:
            return GateCounts(self._admitted, len(self._running), self._abandoned, dict(self._failed))

    def _unforeseen(self, call: Call) -> HotrowError:
        request_id = call.request_id
        self._log.exception("call failed", method=call.method, request_id=request_id, peer=call.peer)
        return HotrowError(Code.INTERNAL, f"internal error; request id {request_id}")
