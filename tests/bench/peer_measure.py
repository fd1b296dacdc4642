"""Bursts at hotrow and its peers in turn, each with requests of its own kind, and what they cost."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.load import Burst, LoadGenerator
from tests.bench.measure import Contender, Sample
from tests.bench.peer_workload import Bodies
from tests.bench.process import Target


@dataclass(frozen=True, slots=True)
class Peer:
    """How a server is loaded: where, by which generator, with what. `store` is the store's process, if it has one."""

    contender: Contender
    load: LoadGenerator
    bodies: Bodies
    store: Target | None = None


@dataclass(frozen=True, slots=True)
class Run(Sample):
    """One burst: the sample of the server, and the CPU microseconds a request of its store's process."""

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


def interleaved(peers: Mapping[str, Peer], workload: str, plan: Plan) -> dict[str, list[Run]]:
    """`pairs` rounds of one burst at each server, after one that is not counted."""
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    for number in range(plan.rounds):
        for name, peer in peers.items():
            requests = peer.bodies.of(workload, number)
            run = run_once(peer, requests, plan, once_each=peer.store is not None and workload.startswith("W"))
            if number:
                runs[name].append(run)
    return runs


def run_once(peer: Peer, requests: tuple[bytes, ...], plan: Plan, *, once_each: bool) -> Run:
    """One burst. RuntimeError when calls failed, or when requests that count once had to be sent again."""
    contender, store = peer.contender, peer.store
    before, store_before = contender.target.cpu_s(), store.cpu_s() if store else 0.0
    outcome = peer.load.run(Burst(contender.address, contender.method, requests, plan.callers, plan.seconds))
    used, store_used = contender.target.cpu_s() - before, (store.cpu_s() if store else 0.0) - store_before
    if outcome.failed or not outcome.calls:
        raise RuntimeError(f"{contender.method}: {outcome.calls} calls, failed: {outcome.failed}")
    if once_each and outcome.calls > len(requests):
        raise RuntimeError(f"{contender.method}: {outcome.calls} calls of {len(requests)} pushes: prepare more")
    return Run(
        cpu_us=used / outcome.calls * 1e6,
        rate=outcome.calls / outcome.seconds,
        p50_us=outcome.p50_us,
        p99_us=outcome.p99_us,
        p999_us=outcome.p999_us,
        store_us=store_used / outcome.calls * 1e6,
    )


def store_us(runs: list[Run]) -> float:
    """The median of the store's CPU a request."""
    return statistics.median(run.store_us for run in runs)
