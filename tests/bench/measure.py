"""Paired, interleaved runs: what a request costs at each target, and ratios that hold when the machine drifts."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.bench.load import Burst, LoadGenerator
from tests.bench.process import Target

PAIRS = 9
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Contender:
    """A target, how it is called, and what is sent to it: round `i` of the runs sends `rounds[i]`, then from the start
    again.
    """

    target: Target
    address: str
    method: str
    rounds: tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One run: CPU time of all processes of the target and of the load generator, and every call's latency."""

    calls: int
    seconds: float
    cpu_s: float
    generator_cpu_s: float
    latencies_us: npt.NDArray[np.float32]
    beside_cpu_s: float = 0.0

    @property
    def beside_us(self) -> float:
        """CPU time of the process beside the target, a request."""
        return self.beside_cpu_s / self.calls * 1e6

    @property
    def cpu_us(self) -> float:
        """Of all processes of the target, a request."""
        return self.cpu_s / self.calls * 1e6

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.calls / self.seconds

    @property
    def cores(self) -> float:
        """How many cores the target kept busy."""
        return self.cpu_s / self.seconds

    @property
    def generator_cores(self) -> float:
        """How many cores the load generator kept busy: one is all it can, for its threads share an interpreter."""
        return self.generator_cpu_s / self.seconds

    @property
    def p99_us(self) -> float:
        return float(np.percentile(self.latencies_us, 99))


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of paired ratios, and the 95% interval of that median by order statistics."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True, slots=True)
class Summary:
    """Some runs of one contender. Costs and rates are medians of runs, latencies are over all calls of all runs."""

    cpu_us: float
    rate: float
    p50_us: float
    p99_us: float
    p999_us: float
    cores: float
    generator_cores: float


def run_once(load: LoadGenerator, contender: Contender, *, callers: int, seconds: float, number: int = 0) -> Sample:
    """One run; raises RuntimeError when calls failed, whose cost would be another."""
    target = contender.target
    before, generator_before, beside_before = target.cpu_s(), load.cpu_s(), target.beside_cpu_s()
    requests = contender.rounds[number % len(contender.rounds)]
    outcome = load.run(Burst(contender.address, contender.method, requests, callers, seconds))
    used, generator_used = target.cpu_s() - before, load.cpu_s() - generator_before
    beside = target.beside_cpu_s() - beside_before
    outcome.raise_failed(contender.method)
    return Sample(len(outcome.latencies_us), outcome.seconds, used, generator_used, outcome.latencies_us, beside)


def interleaved(
    load: LoadGenerator, contenders: Mapping[str, Contender], *, callers: int, seconds: float, pairs: int = PAIRS
) -> dict[str, list[Sample]]:
    """`pairs` rounds of one run of each contender, after one that is not counted."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(pairs + 1):
        for name, contender in contenders.items():
            length = seconds if number else seconds / 2
            sample = run_once(load, contender, callers=callers, seconds=length, number=number)
            if number:
                samples[name].append(sample)
    return samples


def ratio(
    ours: Sequence[Sample], theirs: Sequence[Sample], of: Callable[[Sample], float] = lambda sample: sample.cpu_us
) -> Ratio:
    """One figure (CPU a request, unless said otherwise), ours over theirs, pair by pair."""
    return interval([of(a) / of(b) for a, b in zip(ours, theirs, strict=True)])


def interval(values: Sequence[float]) -> Ratio:
    """The median of some values and its 95% interval: the closest pair of order statistics that encloses the true
    median with that probability, whatever the distribution. Of fewer than six values no pair does, and it is the range.
    """
    ordered = sorted(values)
    outside = _outside(len(ordered))
    return Ratio(statistics.median(ordered), ordered[outside], ordered[-1 - outside])


def _outside(n: int) -> int:
    """How many of `n` ordered values lie beyond each end of the interval.

    The true median lies below all but the k smallest with the probability that k or fewer of n tosses show heads.
    """
    tail = 0.0
    for k in range(n):
        tail += math.comb(n, k) / 2**n
        if tail > (1 - _CONFIDENCE) / 2:
            return k - 1 if k else 0
    return 0


def summary(samples: Sequence[Sample]) -> Summary:
    """What some runs of one contender come to."""

    def median(of: Callable[[Sample], float]) -> float:
        return statistics.median(of(sample) for sample in samples)

    p50, p99, p999 = np.percentile(np.concatenate([sample.latencies_us for sample in samples]), [50, 99, 99.9])
    return Summary(
        cpu_us=median(lambda sample: sample.cpu_us),
        rate=median(lambda sample: sample.rate),
        p50_us=float(p50),
        p99_us=float(p99),
        p999_us=float(p999),
        cores=median(lambda sample: sample.cores),
        generator_cores=median(lambda sample: sample.generator_cores),
    )
