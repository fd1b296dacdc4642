"""Sections `R1` to `W1000` and `fallback`: what a request costs, beside the yardsticks of the same run."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.bench.check import check_yardsticks, checked_reply
from tests.bench.dataset import PUSHES, READS, workload_requests
from tests.bench.measure import Contender, Ratio, Sample, interleaved, ratio, summary
from tests.bench.process import INGEST_PUSH, PUSH, READ, Setup, Target, hotrow, yardstick
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import COMPARED_CALLERS, Bench, say

YARDSTICKS = ("echo", "lane", "objects")
REQUEST_COLUMNS = (
    "workload",
    "callers",
    "CPU us",
    "x echo",
    "requests/s",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "memory MiB",
    "echo us",
    "lane us",
    "lane x echo",
    "objects us",
    "x objects",
    "cores",
    "load cores",
)
FALLBACK = ("R1", "R2", "R3")
_BUSY = 0.9  # of a core, which is all that an interpreter has
_WAYS = {"hotrow": "", "through": " through the server"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One workload at some callers: runs of each contender, and the memory of the worker that answers, by way."""

    workload: str
    callers: int
    samples: dict[str, list[Sample]]
    memory_mib: dict[str, float]

    @property
    def ways(self) -> list[str]:
        return [way for way in _WAYS if way in self.samples]


def measure_workload(name: str, bench: Bench) -> Section:
    """One workload at every number of callers."""
    asked = {name: workload_requests(name)}
    with hotrow(bench.folder / name, Setup()) as served, yardsticks_of(served, asked, YARDSTICKS) as yardsticks:
        contenders = contenders_of(name, served, yardsticks, asked[name])
        cells = [measure_cell(bench, contenders, name, callers) for callers in bench.callers]
    figures = {figure: value for cell in cells for figure, value in _figures(cell).items()}
    return Section([cells_table(f"Requests of {name}", cells)], figures, _limits(cells))


def measure_fallback(bench: Bench) -> Section:
    """Reads with the lane off."""
    requests = {name: workload_requests(name) for name in FALLBACK}
    setup = Setup(lane="off")
    with hotrow(bench.folder / "fallback", setup) as served, yardsticks_of(served, requests, ("echo",)) as yardsticks:
        contenders = {name: contenders_of(name, served, yardsticks, asked) for name, asked in requests.items()}
        cells = [measure_cell(bench, contenders[name], name, COMPARED_CALLERS) for name in requests]
    figures: Figures = {f"{cell.workload} x echo, lane off": to_echo(cell, "hotrow") for cell in cells}
    return Section([cells_table("Requests with the lane off", cells)], figures)


@contextlib.contextmanager
def yardsticks_of(
    served: Target, requests: Mapping[str, tuple[bytes, ...]], kinds: tuple[str, ...]
) -> Iterator[dict[str, Target]]:
    """The yardsticks, once a reply of each workload has been found right, and theirs as large."""
    replies = {name: checked_reply(served, name, asked[0]) for name, asked in requests.items()}
    sizes = json.dumps({name: len(reply) for name, reply in replies.items()})
    with contextlib.ExitStack() as stack:
        targets = {kind: stack.enter_context(yardstick(kind, sizes)) for kind in kinds}
        for name, reply in replies.items():
            check_yardsticks(targets, name, requests[name][0], reply)
        yield targets


def contenders_of(
    name: str, served: Target, yardsticks: Mapping[str, Target], asked: tuple[bytes, ...]
) -> dict[str, Contender]:
    """Who is measured at a workload, by name: hotrow, and the yardsticks."""
    if name in READS:
        contenders = {"hotrow": Contender(served, served.address, READ, (asked,))}
    else:
        contenders = {
            "hotrow": Contender(served, served.ingest, INGEST_PUSH, (asked,)),
            "through": Contender(served, served.address, PUSH, (asked,)),
        }
    for kind, target in yardsticks.items():
        if kind != "objects" or name in READS:
            contenders[kind] = Contender(target, target.address, f"/bench.Yardstick/{name}", (asked,))
    return contenders


def measure_cell(bench: Bench, contenders: Mapping[str, Contender], name: str, callers: int) -> Cell:
    """One workload at some callers."""
    samples = interleaved(bench.load, contenders, callers=callers, seconds=bench.seconds, pairs=bench.pairs)
    served = contenders["hotrow"].target
    roles = {"hotrow": "server" if name in READS else "ingest", "through": "server"}
    memory = {way: served.anonymous_mib(role) for way, role in roles.items() if way in contenders}
    cell = Cell(name, callers, samples, memory)
    costs = ", ".join(f"{kind} {summary(runs).cpu_us:.0f}" for kind, runs in samples.items())
    say(f"  {name}, {callers} callers: x echo {to_echo(cell, 'hotrow')}; CPU us a request: {costs}")
    return cell


def to_echo(cell: Cell, contender: str) -> Ratio:
    """What a contender costs beside echo."""
    return ratio(cell.samples[contender], cell.samples["echo"])


def cells_table(title: str, cells: list[Cell]) -> Table:
    """A row for each cell and way."""
    return Table(title, REQUEST_COLUMNS, [_row(cell, way) for cell in cells for way in cell.ways])


def _row(cell: Cell, way: str) -> tuple[Value, ...]:
    ours = summary(cell.samples[way])
    theirs = {kind: summary(cell.samples[kind]) for kind in YARDSTICKS if kind in cell.samples}
    costs = {kind: rounded(one.cpu_us) for kind, one in theirs.items()}
    objects = ratio(cell.samples[way], cell.samples["objects"]) if "objects" in theirs else None
    return (
        cell.workload + _WAYS[way],
        cell.callers,
        rounded(ours.cpu_us),
        to_echo(cell, way),
        rounded(ours.rate),
        rounded(ours.p50_us),
        rounded(ours.p99_us),
        rounded(ours.p999_us),
        rounded(cell.memory_mib[way]),
        costs["echo"],
        costs.get("lane"),
        to_echo(cell, "lane") if "lane" in theirs else None,
        costs.get("objects"),
        objects,
        rounded(ours.cores),
        rounded(ours.generator_cores),
    )


def _figures(cell: Cell) -> Figures:
    at = f"{cell.callers} callers"
    figures: Figures = {f"{cell.workload} lane x echo, {at}": to_echo(cell, "lane")}
    if "objects" in cell.samples:
        figures[f"{cell.workload} x objects, {at}"] = ratio(cell.samples["hotrow"], cell.samples["objects"])
    for way in cell.ways:
        name, cpu_us = cell.workload + _WAYS[way], summary(cell.samples[way]).cpu_us
        figures[f"{name} x echo, {at}"] = to_echo(cell, way)
        figures[f"{name} CPU us, {at}"] = rounded(cpu_us)
        if (rows := PUSHES.get(cell.workload, 1)) > 1:
            figures[f"{name} CPU us a row, {at}"] = rounded(cpu_us / rows)
    return figures | {f"{cell.workload} lane CPU us, {at}": rounded(summary(cell.samples["lane"]).cpu_us)}


def _limits(cells: list[Cell]) -> list[str]:
    """Where the load generator, and not the server, has set the rate: what it costs is then still right."""
    limited = [
        f"{kind} at {cell.callers} callers"
        for cell in cells
        for kind, runs in cell.samples.items()
        if (one := summary(runs)).generator_cores > _BUSY and one.cores < one.generator_cores
    ]
    if not limited:
        return []
    told = f"{cells[0].workload}: the load generator, and not the server, was the limit of {', '.join(limited)}"
    return [f"{told}; rates and latencies there are its own, CPU time is the server's."]


WORKLOADS: dict[str, Callable[[Bench], Section]] = {
    name: functools.partial(measure_workload, name) for name in (*READS, *PUSHES)
}


def requests_table(sections: Mapping[str, Section]) -> Table:
    """All workloads that were measured, in one."""
    rows = [row for name in WORKLOADS if name in sections for row in sections[name].tables[0].rows]
    return Table("Requests", REQUEST_COLUMNS, rows)
