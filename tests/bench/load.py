"""The load generator, a process of its own: sends ready-made bytes and does not decode replies.

It keeps `callers` calls in flight for some seconds, spread over a few connections: a thread a connection drives
gRPC's core directly and sends the next request when a reply has come. (grpcio's own client costs more than hotrow's
answer, and so would limit the rate: on two cores the server would then mostly be woken for one call at a time.)
Commands come as pickles on its standard input and results go back on its standard output.
"""

import itertools
import pickle
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from grpc._cython import cygrpc  # type: ignore[attr-defined]
from hotrow import clock

from tests.bench.process import cpu_ns

CHANNELS = 2
"""Connections, each with a thread. With four, whose threads wait for one another in the interpreter, R1 at 16 callers
took 84 us of the generator's CPU time and it was the limit, at 11,000 requests a second; with two 53 us, and the server
is, at 15,700. One of gRPC's experiments turned off (event_engine_client) would save a little more, but connections
would then be read during runs alone, and a server that drains waits for them."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What to send: `requests` in turn, to `method` at `target`, `callers` at a time, for `seconds`."""

    target: str
    method: str
    requests: tuple[bytes, ...]
    callers: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of it: the latency of each call that was answered, as the generator saw it, and what failed."""

    latencies_us: npt.NDArray[np.float32]
    failed: dict[str, int]
    seconds: float

    def raise_failed(self, method: str) -> None:
        """Raises RuntimeError when a call failed, or none was made: such a run measures something else."""
        if self.failed or not len(self.latencies_us):
            raise RuntimeError(f"{method}: {len(self.latencies_us)} calls answered, failed: {self.failed}")


class LoadGenerator:
    """The process, as the benchmark holds it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, burst: Burst) -> Outcome:
        """Send a burst and wait for its end."""
        self.start(burst)
        return self.result()

    def start(self, burst: Burst) -> None:
        assert self._process.stdin is not None
        pickle.dump(burst, self._process.stdin)
        self._process.stdin.flush()

    def result(self) -> Outcome:
        assert self._process.stdout is not None
        outcome: Outcome = pickle.load(self._process.stdout)
        return outcome

    def cpu_s(self) -> float:
        """CPU time of the process, of every thread that lives."""
        return cpu_ns(self._process.pid) / 1e9

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it keeps nothing, and may be in the middle of a burst
        self._process.communicate()


_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
_TIMEOUT_S = 60.0


class _Channel:
    """One connection and the thread that keeps its share of the callers busy. Lives for the whole benchmark."""

    def __init__(self, target: str) -> None:
        self._core = cygrpc.Channel(target.encode(), _OPTIONS, None)

    def run(self, burst: Burst, callers: int, end_ns: int) -> tuple[list[int], Counter[str]]:
        """Send until `end_ns`; latencies in nanoseconds, and what failed."""
        core, method, requests = self._core, burst.method.encode(), itertools.cycle(burst.requests)
        handle = core.get_registered_call_handle(method)
        now_ns = clock.monotonic_ns
        latencies: list[int] = []
        failed: Counter[str] = Counter()

        def send() -> None:
            operations = (
                cygrpc.SendInitialMetadataOperation((), 0),
                cygrpc.SendMessageOperation(next(requests), 0),
                cygrpc.SendCloseFromClientOperation(0),
                cygrpc.ReceiveInitialMetadataOperation(0),
                cygrpc.ReceiveMessageOperation(0),
                cygrpc.ReceiveStatusOnClientOperation(0),
            )
            deadline_s = clock.now_s() + _TIMEOUT_S
            core.integrated_call(0, method, None, deadline_s, (), None, ((operations, now_ns()),), None, handle)

        for _ in range(callers):
            send()
        while callers:
            event = core.next_call_event()
            if event.completion_type == cygrpc.CompletionType.queue_timeout:
                continue
            now = now_ns()
            status = event.batch_operations[-1]
            if status.code() == cygrpc.StatusCode.ok:
                latencies.append(now - event.tag)
            else:
                failed[f"{status.code()}: {status.details()}"] += 1
            if now < end_ns:
                send()
            else:
                callers -= 1
        return latencies, failed


def _run(burst: Burst, channels: list[_Channel]) -> Outcome:
    begun = clock.monotonic_ns()
    end_ns = begun + int(burst.seconds * 1e9)
    share = [len(range(number, burst.callers, len(channels))) for number in range(len(channels))]
    with ThreadPoolExecutor(len(channels)) as pool:
        runs = list(pool.map(lambda pair: pair[0].run(burst, pair[1], end_ns), zip(channels, share, strict=True)))
    seconds = (clock.monotonic_ns() - begun) / 1e9
    latencies_us = np.concatenate([np.array(run[0], np.float64) / 1e3 for run in runs]).astype(np.float32)
    failed = sum((run[1] for run in runs), Counter[str]())
    return Outcome(latencies_us, dict(failed), seconds)


def main() -> None:
    channels: dict[str, list[_Channel]] = {}
    while True:
        try:
            burst: Burst = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if burst.target not in channels:
            channels[burst.target] = [_Channel(burst.target) for _ in range(CHANNELS)]
        pickle.dump(_run(burst, channels[burst.target]), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    from tests.bench import load  # by its own name, under which its classes are pickled

    load.main()
