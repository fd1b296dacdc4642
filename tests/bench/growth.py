"""Section `memory`: a server worker's anonymous memory, and how it grows over a million mixed requests."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.check import checked_reply
from tests.bench.dataset import PUSHES, workload_requests
from tests.bench.load import Burst
from tests.bench.process import PUSH, READ, Setup, Target, hotrow
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import COMPARED_CALLERS, Bench, say

# Of ten bursts: most requests are small, and so are theirs in number.
_MIX = ("R1", "R2", "R1", "W1", "R2", "R1", "R3", "R2", "R1", "R2")
_BURST_S = 0.5
_LOOKS = 10


def measure_memory(bench: Bench) -> Section:
    """A tenth of `bench.requests` to warm up, and then those; pushes go through the server worker."""
    asked = {name: workload_requests(name) for name in dict.fromkeys(_MIX)}
    with hotrow(bench.folder / "memory", Setup()) as served:
        for name, requests in asked.items():
            checked_reply(served, name, requests[0])
        bursts = itertools.cycle([_burst(served, name, asked[name]) for name in _MIX])
        warm = _send(bench, bursts, bench.requests // 10)
        looks = [_look(served, warm)]
        done = warm
        for number in range(1, _LOOKS + 1):
            done += _send(bench, bursts, warm + bench.requests * number // _LOOKS - done)
            looks.append(_look(served, done))
            say(f"  {done:,} requests: server worker {looks[-1].server_mib:.1f} MiB")
    rows: list[tuple[Value, ...]] = [(one.sent, rounded(one.server_mib), rounded(one.ingest_mib)) for one in looks]
    added = f"MiB that {bench.requests:,} requests add"
    figures: Figures = {
        "server worker MiB": max(one.server_mib for one in looks),
        added: looks[-1].server_mib - looks[0].server_mib,
        f"{added}, ingest worker": looks[-1].ingest_mib - looks[0].ingest_mib,
    }
    columns = ("after requests", "server worker MiB", "ingest worker MiB")
    return Section([Table("Anonymous memory over mixed requests, 16 callers", columns, rows)], figures)


@dataclass(frozen=True, slots=True)
class _Look:
    """Anonymous memory after some requests."""

    sent: int
    server_mib: float
    ingest_mib: float


def _look(served: Target, sent: int) -> _Look:
    return _Look(sent, served.anonymous_mib("server"), served.anonymous_mib("ingest"))


def _burst(served: Target, name: str, requests: tuple[bytes, ...]) -> Burst:
    return Burst(served.address, PUSH if name in PUSHES else READ, requests, COMPARED_CALLERS, _BURST_S)


def _send(bench: Bench, bursts: Iterator[Burst], count: int) -> int:
    """Bursts until `count` requests or more are answered; returns how many were."""
    sent = 0
    while sent < count:
        burst = next(bursts)
        outcome = bench.load.run(burst)
        outcome.raise_failed(burst.method)
        sent += len(outcome.latencies_us)
    return sent
