"""The lane in the long run: a million calls, and storms of tens of thousands that nobody waits for."""

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.bench.load import Burst, LoadGenerator
from tests.bench.process import anonymous_kib, yardstick
from tests.bench.yardstick import METHOD

SLOW = [pytest.mark.slow, pytest.mark.timeout(900)]
WORKLOAD = "storm"
SIZES = f'{{"{WORKLOAD}": 100}}'
CALLS, AT_MOST_S, BURST_S = 1_000_000, 180.0, 10.0
GROWTH_MIB = 4.0


@dataclass(frozen=True)
class Held:
    """What a process holds on to."""

    anonymous_mib: float
    files: int
    threads: int


def held(pid: int) -> Held:
    proc = Path(f"/proc/{pid}")
    return Held(anonymous_kib(pid) / 1024, len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir())))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_million_calls_leave_nothing_behind() -> None:
    """As many as go into three minutes at most: no memory, files or threads more than after the first seconds."""
    with yardstick("lane", SIZES) as target:
        burst = Burst(target.address, METHOD + WORKLOAD, (bytes(100),), callers=64, seconds=BURST_S)
        with LoadGenerator() as generator:
            generator.run(burst)
            before, began, calls, failed = held(target.pid), time.monotonic(), 0, Counter[str]()
            while calls < CALLS and time.monotonic() - began < AT_MOST_S:
                outcome = generator.run(burst)
                calls += len(outcome.latencies_us)
                failed.update(outcome.failed)
            after = held(target.pid)
    print(f"\n{calls} calls in {time.monotonic() - began:.0f} s: {before} before, {after} after")
    assert not failed
    assert (after.files, after.threads) == (before.files, before.threads)
    assert after.anonymous_mib < before.anonymous_mib + GROWTH_MIB


def pause(pid: int) -> None:
    """Stop a process, and wait until every thread of it has: a signal takes its time."""
    os.kill(pid, signal.SIGSTOP)
    end_s = time.monotonic() + 10
    while any(state != "T" for state in states(pid)):
        assert time.monotonic() < end_s, "the process does not stop"
        time.sleep(0.001)


def states(pid: int) -> list[str]:
    """Of each thread, as in proc(5)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads]


@dataclass(frozen=True)
class Storm:
    """Calls whose deadline is a millisecond, and healthy ones right behind. A `paused` server gets all at once."""

    expired: int
    healthy: int
    paused: bool

    def strike(self, kind: str) -> Counter[grpc.StatusCode]:
        """The statuses of the healthy calls."""
        with yardstick(kind, SIZES) as target, grpc.insecure_channel(target.address) as channel:
            method = channel.unary_unary(METHOD + WORKLOAD)
            method(b"", timeout=10)
            if self.paused:
                pause(target.pid)
            try:
                expired = [method.future(b"", timeout=0.001) for _ in range(self.expired)]
                if self.paused:
                    assert {call.code() for call in expired} == {grpc.StatusCode.DEADLINE_EXCEEDED}
                healthy = [method.future(b"", timeout=120) for _ in range(self.healthy)]
            finally:
                os.kill(target.pid, signal.SIGCONT)
            codes = Counter(call.code() for call in healthy)
            print(f"\n{self}, {kind}: {dict(codes)} after {dict(Counter(call.code() for call in expired))}")
            return codes


@pytest.mark.parametrize(
    "storm",
    [
        pytest.param(Storm(6_000, 2_000, paused=True), id="short"),
        pytest.param(Storm(40_000, 5_000, paused=False), id="long, as they come", marks=SLOW),
        pytest.param(Storm(40_000, 5_000, paused=True), id="long, all at once", marks=SLOW),
    ],
)
def test_healthy_calls_behind_a_storm_of_expired_ones(storm: Storm) -> None:
    """None is turned away by the lane; by the ordinary door none while fewer than 20,000 wait."""
    assert storm.strike("lane") == {grpc.StatusCode.OK: storm.healthy}
    through_door = storm.strike("door")
    assert storm.expired + storm.healthy > 20_000 or through_door == {grpc.StatusCode.OK: storm.healthy}
