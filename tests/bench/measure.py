"""Paired, interleaved runs: what a request costs at each target, and ratios that hold when the machine drifts."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.load import Burst, LoadGenerator
from tests.bench.process import Target

PAIRS = 9


@dataclass(frozen=True, slots=True)
class Contender:
    """A target and how it is called."""

    target: Target
    address: str
    method: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: CPU microseconds a request of all processes of the target, requests a second, latencies."""

    cpu_us: float
    rate: float
    p50_us: float
    p99_us: float
    p999_us: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of paired ratios, and the 95% interval of the median by order statistics."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def run_once(
    load: LoadGenerator, contender: Contender, requests: tuple[bytes, ...], callers: int, seconds: float
) -> Sample:
    """One run; raises RuntimeError when calls failed, whose cost would be another."""
    before = contender.target.cpu_s()
    outcome = load.run(Burst(contender.address, contender.method, requests, callers, seconds))
    used = contender.target.cpu_s() - before
    if outcome.failed or not outcome.calls:
        raise RuntimeError(f"{contender.method}: {outcome.calls} calls, failed: {outcome.failed}")
    return Sample(
        used / outcome.calls * 1e6, outcome.calls / outcome.seconds, outcome.p50_us, outcome.p99_us, outcome.p999_us
    )


def interleaved(
    load: LoadGenerator,
    contenders: Mapping[str, Contender],
    requests: tuple[bytes, ...],
    *,
    callers: int,
    seconds: float,
    pairs: int = PAIRS,
) -> dict[str, list[Sample]]:
    """`pairs` rounds of one run of each contender, after one that is not counted."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(pairs + 1):
        for name, contender in contenders.items():
            sample = run_once(load, contender, requests, callers, seconds if number else seconds / 2)
            if number:
                samples[name].append(sample)
    return samples


def ratio(ours: list[Sample], theirs: list[Sample]) -> Ratio:
    """CPU a request, ours over theirs, pair by pair."""
    values = sorted(a.cpu_us / b.cpu_us for a, b in zip(ours, theirs, strict=True))
    # Of nine, the second and the eighth enclose the median with 96%; in general about 0.98 * sqrt(n) from the middle.
    n = len(values)
    spread = round(0.98 * n**0.5)
    middle = (n - 1) / 2
    low, high = max(0, int(middle - spread)), min(n - 1, round(middle + spread + 0.1))
    return Ratio(statistics.median(values), values[low], values[high])


def median(samples: list[Sample], what: str) -> float:
    """The median of one figure of some runs."""
    return statistics.median(getattr(sample, what) for sample in samples)
