"""Sections `fsync` and `beside`: pushes that wait for the disk, and reads beside them."""

import contextlib
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from hotrow import clock
from hotrow.settings import settings_from_file
from hotrow.stores.open import open_store
from hotrow.stores.port import OnlineStore

from tests.bench.check import checked_reply
from tests.bench.dataset import workload_requests
from tests.bench.load import Burst, LoadGenerator
from tests.bench.measure import Contender, Sample, interval, ratio, run_once, summary
from tests.bench.process import INGEST_PUSH, PUSH, READ, Setup, Target, fsync_us, hotrow
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import Bench, say

_FSYNCS = 30
_QUICK_US = 250.0
_WAITING = 64
_LEAD_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """A run of pushes, the commits that it took, and what an fsync of its own took on the same disk just before."""

    sample: Sample
    commits: int
    fsync_us: float


def measure_fsync(bench: Bench) -> Section:
    """W1 at the ingest worker with durability fsync; each round has every number of callers once."""
    asked = workload_requests("W1")
    rounds: dict[int, list[Run]] = {callers: [] for callers in bench.callers}
    with hotrow(bench.folder / "fsync", Setup(durability="fsync")) as served, _store(served) as store:
        checked_reply(served, "W1", asked[0])
        contender = Contender(served, served.ingest, INGEST_PUSH, (asked,))
        for number in range(bench.pairs + 1):
            for callers, runs in rounds.items():
                alone_us, before = fsync_us(served.repo, _FSYNCS), store.sequence()
                sample = run_once(bench.load, contender, callers=callers, seconds=bench.seconds)
                if number:
                    runs.append(Run(sample, store.sequence() - before, alone_us))
            paces = [f"{runs[-1].sample.rate:.0f} in {runs[-1].commits} commits" for runs in rounds.values() if runs]
            say(f"  round {number} of {bench.pairs}, pushes/s: {', '.join(paces)}")
    return _fsync_section(rounds)


def _store(served: Target) -> contextlib.closing[OnlineStore]:
    """To count its commits: each has a number, and one fdatasync (and a write of a page that waits for the disk)."""
    return contextlib.closing(open_store(settings_from_file(served.repo, {}).online_store, project="", writable=False))


def _fsync_section(rounds: dict[int, list[Run]]) -> Section:
    columns = (
        "callers",
        "pushes/s",
        "rows an fsync",
        "fsyncs/s",
        "fsync us",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "CPU us",
    )
    rows: list[tuple[Value, ...]] = []
    for callers, runs in rounds.items():
        one = summary([run.sample for run in runs])
        together = statistics.median(run.sample.calls / run.commits for run in runs)
        commits_s = statistics.median(run.commits / run.sample.seconds for run in runs)
        disk_us = statistics.median(run.fsync_us for run in runs)
        figures = (one.rate, together, commits_s, disk_us, one.p50_us, one.p99_us, one.p999_us, one.cpu_us)
        rows.append((callers, *map(rounded, figures)))
    table = Table("W1 with durability fsync, at the ingest worker", columns, rows)
    return Section([table], _fsync_figures(rounds), _fsync_notes(rounds))


def _fsync_figures(rounds: dict[int, list[Run]]) -> Figures:
    figures: Figures = {}
    if 1 in rounds:
        beyond_ms = [(float(np.median(run.sample.latencies_us)) - run.fsync_us) / 1000 for run in rounds[1]]
        figures["W1 fsync p50 less an fsync, ms, 1 caller"] = interval(beyond_ms)
    if {1, _WAITING} <= rounds.keys():
        pairs = zip(rounds[_WAITING], rounds[1], strict=True)
        gains = [many.sample.rate / one.sample.rate for many, one in pairs]
        figures["W1 fsync pushes/s, 64 callers x 1 caller"] = interval(gains)
    return figures


def _fsync_notes(rounds: dict[int, list[Run]]) -> list[str]:
    disk_us = statistics.median(run.fsync_us for runs in rounds.values() for run in runs)
    notes = [f"An fsync alone (4 KiB written, fdatasync) takes {disk_us:.0f} us on this disk."]
    if disk_us < _QUICK_US:
        notes.append(
            "That is less than a push takes without one, so there is little for pushes to share; a store on a slower "
            "disk, which --folder names, gains more from group commit."
        )
    return notes


def measure_beside(bench: Bench) -> Section:
    """R1 alone, and beside 64 pushes that wait for an fsync, in turn: at the server that reads, and past it."""
    reads, pushes = workload_requests("R1"), workload_requests("W1")
    callers = [count for count in bench.callers if count < _WAITING]
    runs: dict[tuple[int, str], list[Sample]] = {(count, way): [] for count in callers for way in _WAYS}
    with hotrow(bench.folder / "beside", Setup(durability="fsync")) as served, LoadGenerator() as writer:
        checked_reply(served, "R1", reads[0])
        checked_reply(served, "W1", pushes[0])
        reader = Contender(served, served.address, READ, (reads,))
        for number in range(bench.pairs + 1):
            for (count, way), samples in runs.items():
                with _pushing(writer, served, way, pushes, bench.seconds):
                    sample = run_once(bench.load, reader, callers=count, seconds=bench.seconds)
                if number:
                    samples.append(sample)
            say(f"  round {number} of {bench.pairs}")
    return _beside_section(runs)


_WAYS = ("alone", "pushes to the ingest worker", "pushes through the server")


@contextlib.contextmanager
def _pushing(
    writer: LoadGenerator, served: Target, way: str, pushes: tuple[bytes, ...], seconds: float
) -> Iterator[None]:
    """64 pushes in flight all the time within the block, which is to take `seconds`."""
    if way == "alone":
        yield
        return
    address, method = (served.address, PUSH) if way == _WAYS[2] else (served.ingest, INGEST_PUSH)
    writer.start(Burst(address, method, pushes, _WAITING, seconds + 2 * _LEAD_S))
    clock.sleep_s(_LEAD_S)
    yield
    writer.result().raise_failed(method)


def _beside_section(runs: dict[tuple[int, str], list[Sample]]) -> Section:
    columns = ("R1 callers", "beside it", "requests/s", "p50 us", "p99 us", "p99 x alone")
    rows: list[tuple[Value, ...]] = []
    figures: Figures = {}
    for (count, way), samples in runs.items():
        one = summary(samples)
        times = ratio(samples, runs[count, "alone"], of=lambda sample: sample.p99_us)
        beside = None if way == "alone" else times
        rows.append((count, way, rounded(one.rate), rounded(one.p50_us), rounded(one.p99_us), beside))
        if beside is not None:
            figures[f"R1 p99 x alone, {way}, {count} callers"] = beside
    return Section([Table("R1 beside 64 pushes that wait for an fsync", columns, rows)], figures)
