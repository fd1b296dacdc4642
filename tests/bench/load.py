"""The load generator, a process of its own: sends ready-made bytes and does not decode replies.

It keeps `callers` calls in flight for some seconds: each reply's callback sends the next request. Commands come as
pickles on its standard input and results go back on its standard output.
"""

import pickle
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from hotrow import clock

CHANNELS = 4  # connections, so that the workers who share a port all get some


@dataclass(frozen=True, slots=True)
class Burst:
    """What to send: `requests` in turn, to `method` at `target`, `callers` at a time, for `seconds`."""

    target: str
    method: str
    requests: tuple[bytes, ...]
    callers: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Latencies in microseconds, as the generator saw them."""

    calls: int
    failed: dict[str, int]
    seconds: float
    p50_us: float
    p99_us: float
    p999_us: float


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

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class _Run:
    def __init__(self, burst: Burst, stubs: list[Any]) -> None:
        self._burst = burst
        self._stubs = stubs
        self._sent = 0
        self._running = burst.callers
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._latencies: list[int] = []
        self._failed: Counter[str] = Counter()

    def run(self) -> Outcome:
        started = clock.monotonic_ns()
        self._end = started + int(self._burst.seconds * 1e9)
        for caller in range(self._burst.callers):
            self._send(self._stubs[caller % len(self._stubs)])
        self._done.wait(self._burst.seconds + 60)
        seconds = (clock.monotonic_ns() - started) / 1e9
        latencies = np.array(self._latencies or [0]) / 1e3
        p50, p99, p999 = np.percentile(latencies, [50, 99, 99.9])
        return Outcome(len(self._latencies), dict(self._failed), seconds, float(p50), float(p99), float(p999))

    def _send(self, stub: Any) -> None:
        request = self._burst.requests[self._sent % len(self._burst.requests)]
        self._sent += 1
        begun = clock.monotonic_ns()

        def ended(call: Any) -> None:
            now = clock.monotonic_ns()
            if call.code() is grpc.StatusCode.OK:
                self._latencies.append(now - begun)
            else:
                self._failed[f"{call.code().name}: {call.details()}"] += 1
            if now < self._end:
                self._send(stub)
                return
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._done.set()

        stub.future(request, timeout=60).add_done_callback(ended)


def main() -> None:
    channels: dict[str, list[Any]] = {}
    while True:
        try:
            burst: Burst = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if burst.target not in channels:
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
            channels[burst.target] = [grpc.insecure_channel(burst.target, options) for _ in range(CHANNELS)]
        stubs = [channel.unary_unary(burst.method) for channel in channels[burst.target]]
        pickle.dump(_Run(burst, stubs).run(), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    from tests.bench import load  # by its own name, under which its classes are pickled

    load.main()
