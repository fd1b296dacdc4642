"""Requests to the ingest worker: several in flight, tried again where that can help, and counted.

How a request travels is the caller's: a `Submit` starts one and returns what waits for its reply. Sending one twice
does no harm, because the worker compares versions, so whatever may have been lost is sent again: with care, where the
worker died of it perhaps.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.offline.split import split_request
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply

IN_FLIGHT = 4
PATIENCE_S = 60.0
SETTLE_S = 15.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class Pending(Protocol):
    """A request under way."""

    def result(self) -> bytes:
        """Wait for the reply; raises HotrowError."""

    def cancel(self) -> object:
        """Stop waiting."""


_UNSERVED = "the ingest worker does not serve this snapshot yet"

Submit = Callable[[bytes], Pending]


@dataclass(slots=True)
class Tally:
    """What became of the rows of the requests that were answered; `rejections` by (field, reason).

    `raised` has, by transform, for how many rows it raised, and the reason of the first.
    """

    written: int = 0
    stale: int = 0
    duplicates: int = 0
    rejected: int = 0
    rejections: dict[tuple[str, str], int] = field(default_factory=dict)
    raised: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, reply: MaterializeRowsReply) -> None:
        """Count a reply."""
        self.written += reply.written
        self.stale += reply.skipped_stale
        self.duplicates += reply.duplicates
        self.rejected += reply.rejected
        for rejection in reply.rejections:
            key = (rejection.field, rejection.reason)
            self.rejections[key] = self.rejections.get(key, 0) + 1
        for error in reply.transform_errors:
            rows, reason = self.raised.get(error.transform, (0, error.reason))
            self.raised[error.transform] = rows + error.rows, reason


class Delivery:
    """Sends requests through `submit`, at most IN_FLIGHT unanswered at a time, and keeps the `tally`.

    `send` and `drain` raise HotrowError for an answer that trying again does not change, and for one that did not
    change in PATIENCE_S. `on_wait` is told why it waits before it tries again.

    A request during which the worker died is sent again alone, in `turn`, which all that share the worker take for
    that. Where the worker dies again, its rows are sent in halves, until one row is found that it does not survive:
    `describe` names that row in the error, and the others are written.
    """

    def __init__(
        self,
        submit: Submit,
        *,
        on_wait: Callable[[HotrowError], None] = lambda _: None,
        turn: AbstractContextManager[bool] | None = None,
        describe: Callable[[bytes], str] = lambda _: "a row",
    ) -> None:
        self.tally = Tally()
        self._turn = turn or threading.Lock()
        self._describe = describe
        self._submit = submit
        self._on_wait = on_wait
        self._waiting: deque[tuple[bytes, Pending]] = deque()
        self._answered = False

    def send(self, request: bytes) -> None:
        """Send a serialized `MaterializeRowsRequest`; waits while too many are unanswered."""
        while len(self._waiting) >= IN_FLIGHT:
            self._finish_oldest()
        self._waiting.append((request, self._submit(request)))

    def drain(self) -> None:
        """Wait until every request is answered."""
        while self._waiting:
            self._finish_oldest()

    def cancel(self) -> None:
        """Wait for nothing any more."""
        while self._waiting:
            self._waiting.popleft()[1].cancel()

    def _finish_oldest(self) -> None:
        request, pending = self._waiting.popleft()
        try:
            replies = [self._reply(request, pending)]
        except HotrowError as error:
            if not error.lost:
                raise
            self._on_wait(error)
            with self._turn:
                replies = self._replies_alone(request)
        for reply in replies:
            self.tally.add(MaterializeRowsReply.FromString(reply))

    def _replies_alone(self, request: bytes) -> list[bytes]:
        """Those to all rows of a request; raises for a row that the worker does not survive."""
        try:
            return [self._reply(request, self._submit(request))]
        except HotrowError as error:
            if not error.lost:
                raise
        halves = split_request(request)
        if halves is not None:
            return [reply for half in halves for reply in self._replies_alone(half)]
        try:
            return [self._reply(request, self._submit(request))]  # to be sure: another may have ended the worker
        except HotrowError as error:
            if not error.lost:
                raise
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"the ingest worker dies each time that it is given {self._describe(request)}; it is not written: take the "
            "row out of the source, or mend the transform that runs at push, whose last words are in the worker's log",
        )

    def _reply(self, request: bytes, pending: Pending) -> bytes:
        """Of a request that was submitted, and is again while that may help; raises HotrowError."""
        give_up_s = clock.monotonic_s() + PATIENCE_S
        settled_s = clock.monotonic_s() + SETTLE_S
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                reply = pending.result()
                break
            except HotrowError as error:
                if error.lost:
                    raise
                limit_s = give_up_s if _may_pass(error) else settled_s
                if not (_may_pass(error) or self._may_settle(error)) or clock.monotonic_s() >= limit_s:
                    raise
                self._on_wait(HotrowError(error.code, _UNSERVED) if error.field == "snapshot" else error)
                clock.sleep_s(max(pause_s, min(error.retry_after_s or 0.0, _LONGEST_PAUSE_S)))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            pending = self._submit(request)
        self._answered = True
        return reply

    def _may_settle(self, error: HotrowError) -> bool:
        """A worker takes a moment to see a snapshot that has just been applied."""
        return error.code is Code.FAILED_PRECONDITION and not self._answered


def _may_pass(error: HotrowError) -> bool:
    """Whether the same request may succeed later: the worker is away, slow, or its queue is full for now."""
    if error.code is Code.EXHAUSTED:
        return error.retry_after_s is not None
    return error.code in (Code.UNAVAILABLE, Code.DEADLINE)
