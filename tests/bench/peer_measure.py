"""Bursts at hotrow and its peers in turn, each by a generator that speaks its protocol, and what their store costs."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.load import LoadGenerator
from tests.bench.measure import Contender, Sample, run_once
from tests.bench.process import Target


@dataclass(frozen=True, slots=True)
class Peer:
    """How a server is loaded. `store` is the process of its store, if it has one; `once`: no request counts twice."""

    contender: Contender
    load: LoadGenerator
    store: Target | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One burst: the sample of the server, and the CPU microseconds a request of its store's process."""

    sample: Sample
    store_us: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Callers at a time, seconds a burst, and rounds that count."""

    callers: int
    seconds: float
    pairs: int

    @property
    def rounds(self) -> int:
        """The one that is not counted too."""
        return self.pairs + 1


def in_turn(peers: Mapping[str, Peer], plan: Plan) -> dict[str, list[Run]]:
    """`pairs` rounds of one burst at each server, after one that is not counted."""
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    for number in range(plan.rounds):
        for name, peer in peers.items():
            run = burst_at(peer, plan, number)
            if number:
                runs[name].append(run)
    return runs


def burst_at(peer: Peer, plan: Plan, number: int) -> Run:
    """One burst. RuntimeError when calls failed, or when requests that count once had to be sent again."""
    contender, store = peer.contender, peer.store
    before = store.cpu_s() if store else 0.0
    sample = run_once(peer.load, contender, callers=plan.callers, seconds=plan.seconds, number=number)
    used = store.cpu_s() - before if store else 0.0
    ready = len(contender.rounds[number % len(contender.rounds)])
    if peer.once and sample.calls > ready:
        raise RuntimeError(f"{contender.method}: {sample.calls} calls of {ready} pushes: prepare more")
    return Run(sample, used / sample.calls * 1e6)


def store_us(runs: Sequence[Run]) -> float:
    """The median of the store's CPU a request."""
    return statistics.median(run.store_us for run in runs)
