"""Section `rows`: what R2 costs with many rows stored, against 10,000 drivers in the same run."""

from pathlib import Path

from hotrow import clock

from tests.bench.check import checked_reply
from tests.bench.dataset import DRIVERS, READS, read_requests
from tests.bench.measure import Contender, interleaved, ratio, summary
from tests.bench.process import READ, Setup, Target, fill, hotrow
from tests.bench.record import Section, Table, Value, rounded
from tests.bench.section import COMPARED_CALLERS, Bench, say

_BATCH = 500_000  # drivers, between two lines that say how far it is
_REQUESTS = 10_000  # a round: other drivers than in the round before, so that none is found in a cache for that


def measure_rows(bench: Bench) -> Section:
    """Fills a store with `bench.drivers` (three rows each) and reads at random."""
    small, large = Setup(), Setup(drivers=0)
    with hotrow(bench.folder / "few", small) as few, hotrow(bench.folder / "many", large) as many:
        begun = clock.monotonic_s()
        for first in range(0, bench.drivers, _BATCH):
            last = min(first + _BATCH, bench.drivers)
            fill(many, last, first=first)
            say(f"  {last:,} of {bench.drivers:,} drivers stored, {clock.monotonic_s() - begun:.0f} s")
        filled_s = clock.monotonic_s() - begun
        contenders = {"few": _contender(few, DRIVERS, bench), "many": _contender(many, bench.drivers, bench)}
        for name, contender in contenders.items():
            checked_reply(contender.target, "R2", contender.rounds[0][0])
            say(f"  reading of {name}")
        samples = interleaved(
            bench.load, contenders, callers=COMPARED_CALLERS, seconds=bench.seconds, pairs=bench.pairs
        )
        times = ratio(samples["many"], samples["few"])
        rows: list[tuple[Value, ...]] = []
        for name, drivers in (("few", DRIVERS), ("many", bench.drivers)):
            one, gib = summary(samples[name]), _stored_gib(contenders[name].target.repo)
            latencies = (rounded(one.p50_us), rounded(one.p99_us))
            rows.append((3 * drivers, rounded(gib), rounded(one.cpu_us), rounded(one.rate), *latencies))
    columns = ("rows stored", "file GiB", "CPU us", "requests/s", "p50 us", "p99 us")
    note = (
        f"{bench.drivers:,} drivers were pushed in {filled_s:.0f} s, {3 * bench.drivers / filled_s:,.0f} rows a second."
    )
    figures = {f"R2 x R2 of 10,000 drivers, {bench.drivers:,} drivers": times}
    return Section([Table("R2 by rows stored, 16 callers", columns, rows)], dict(figures), [note])


def _contender(served: Target, drivers: int, bench: Bench) -> Contender:
    rounds = (
        tuple(read_requests(READS["R2"], _REQUESTS, drivers=drivers, seed=seed)) for seed in range(bench.pairs + 1)
    )
    return Contender(served, served.address, READ, tuple(rounds))


def _stored_gib(repo: Path) -> float:
    return sum(file.stat().st_blocks * 512 for file in (repo / "data").rglob("data.mdb")) / 2**30
