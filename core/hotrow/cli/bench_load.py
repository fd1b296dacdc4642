"""The load of `hotrow bench`: ready-made requests, so many in flight, over some connections.

A caller sends its next request as soon as its last one was answered, on the thread of gRPC's on which the answer came.
The generator is one process with grpcio's own client, and can send no more than one core's worth: some thousands of
requests a second. It says what it used.
"""

import itertools
import threading
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc

from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.rpc.metadata import Metadata
from hotrow.rpc.timing import ASKED

TIMED_EVERY = 16
"""One of so many calls asks for its stages: few enough that what it costs does not show in the others."""

_MOST_FAILURES = 1000
_MOST_TIMED = 100_000
_MOST_KEPT = 200  # replies, to look at afterwards
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Burst:
    """What to send: `requests` in turn, to `method`, `callers` at a time, for `seconds`."""

    method: str
    requests: Sequence[bytes]
    callers: int
    seconds: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Timed:
    """A call that told its stages: what the caller waited, in nanoseconds, and the trailers of the answer."""

    observed_ns: int
    trailers: Metadata


@dataclass(slots=True)
class Outcome:
    """What came of a burst: `latencies_ns` of the calls that were answered, `failures` with their status and message.

    `replies` are a few, `own_cpu_ns` is what this process used. `gave_up`: it ended early, because of the failures.
    """

    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    failures: list[str] = field(default_factory=list)
    timed: list[Timed] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    seconds: float = 0.0
    own_cpu_ns: int = 0

    @property
    def gave_up(self) -> bool:
        return len(self.failures) >= _MOST_FAILURES

    def after(self, other: "Outcome") -> "Outcome":
        """The same, with the failures of one before it."""
        self.failures[:0] = other.failures
        return self

    def failed(self) -> dict[str, int]:
        """How many calls failed, by status and message."""
        return dict(Counter(self.failures).most_common())


def send_burst(channels: Sequence[grpc.Channel], burst: Burst) -> Outcome:
    """Send, and wait until all that was sent is answered."""
    run = _Run(burst)
    begun_ns, cpu_ns = clock.monotonic_ns(), clock.own_cpu_ns()
    run.end_ns = begun_ns + int(burst.seconds * 1e9)
    methods = [channel.unary_unary(burst.method, None, None) for channel in channels]
    for _, method in zip(range(burst.callers), itertools.cycle(methods), strict=False):
        run.send(method)
    for _ in range(burst.callers):
        if not run.ended.acquire(timeout=burst.seconds + burst.timeout_s + _END_S):
            raise HotrowError(Code.DEADLINE, "calls did not end in time, nor did their deadlines end them")
    run.outcome.seconds = (clock.monotonic_ns() - begun_ns) / 1e9
    run.outcome.own_cpu_ns = clock.own_cpu_ns() - cpu_ns
    return run.outcome


class _Run:
    """A burst under way."""

    def __init__(self, burst: Burst) -> None:
        self.outcome = Outcome()
        self.ended = threading.Semaphore(0)
        self.end_ns = 0
        self._burst = burst
        self._numbers: Iterator[int] = itertools.count()

    def send(self, method: Any) -> None:
        """Send the next request of a caller, or end the caller."""
        begun_ns = clock.monotonic_ns()
        if begun_ns >= self.end_ns or self.outcome.gave_up:
            self.ended.release()
            return
        number = next(self._numbers)
        timed = number % TIMED_EVERY == 0
        try:
            future = method.future(
                self._burst.requests[number % len(self._burst.requests)],
                timeout=self._burst.timeout_s,
                metadata=(ASKED,) if timed else None,
            )
        except ValueError:  # the channel was closed: somebody interrupts the command
            self.ended.release()
            return
        future.add_done_callback(partial(self._answered, method, begun_ns, timed))

    def _answered(self, method: Any, begun_ns: int, timed: bool, future: Any) -> None:  # noqa: FBT001 - of `partial`
        observed_ns = clock.monotonic_ns() - begun_ns
        outcome = self.outcome
        if future.code() is grpc.StatusCode.OK:
            outcome.latencies_ns.append(observed_ns)
            if timed and len(outcome.timed) < _MOST_TIMED:
                outcome.timed.append(Timed(observed_ns, future.trailing_metadata()))
            if timed and len(outcome.replies) < _MOST_KEPT:
                outcome.replies.append(future.result())
        else:
            outcome.failures.append(f"{future.code().name}: {future.details()}")
        self.send(method)
