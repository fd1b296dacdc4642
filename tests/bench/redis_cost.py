"""Section `redis`: what a request costs with the rows in Redis, and what Redis itself spends on it."""

import contextlib
import dataclasses
import statistics

from tests.bench.dataset import PUSHES, workload_requests
from tests.bench.measure import Ratio, Sample, interval, ratio
from tests.bench.peer_process import redis
from tests.bench.process import Setup, hotrow
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.redis_fields import FieldPerFeature
from tests.bench.section import COMPARED_CALLERS, Bench, say
from tests.bench.workload import (
    FALLBACK,
    Cell,
    cells_table,
    contenders_of,
    measure_cell,
    to_echo,
    yardsticks_of,
)

_NAMES = (*FALLBACK, "W1", "W1000")
_COMPARED = "R3"  # with the layout of a field a feature


def measure_redis(bench: Bench) -> Section:
    """Reads and pushes with the rows in Redis, in memory alone. hotrow's CPU time is without that of Redis."""
    requests = {name: workload_requests(name) for name in _NAMES}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(redis(bench.folder))
        setup = Setup(redis=f"redis://{server.address}/0")
        served = stack.enter_context(hotrow(bench.folder / "redis", setup))
        served = dataclasses.replace(served, beside=server.pid)
        yardsticks = stack.enter_context(yardsticks_of(served, requests, ("echo",)))
        contenders = {name: contenders_of(name, served, yardsticks, asked) for name, asked in requests.items()}
        cells = [measure_cell(bench, contenders[name], name, callers) for name in requests for callers in bench.callers]
        fields = _field_per_feature(bench, stack.enter_context(redis(bench.folder)).address)
    compared = [cell for cell in cells if cell.callers == COMPARED_CALLERS]
    figures: Figures = {f"{cell.workload} x echo, Redis": to_echo(cell, "hotrow") for cell in compared}
    for cell in compared:
        if cell.workload == _COMPARED:
            ours = [sample.beside_us for sample in cell.samples["hotrow"]]
            figures["R3: Redis's CPU x that of a field a feature"] = interval(
                [one / other for one, other in zip(ours, fields, strict=True)]
            )
        if (rows := PUSHES.get(cell.workload, 1)) > 1:
            figures["Redis: W1000 CPU us a row, of both"] = rounded(_both_us(cell.samples["hotrow"]) / rows)
    tables = [cells_table("Requests with the rows in Redis", cells), _spent(cells, fields)]
    return Section(tables, figures)


def _field_per_feature(bench: Bench, address: str) -> list[float]:
    """Redis's CPU time a read of R3 with a field a feature, in us, run by run."""
    say("  R3, a field a feature")
    layout = FieldPerFeature(address)
    with contextlib.closing(layout):
        layout.fill()
        layout.read_us(bench.seconds)
        return [layout.read_us(bench.seconds) for _ in range(bench.pairs)]


def _spent(cells: list[Cell], fields: list[float]) -> Table:
    columns = ("workload", "callers", "hotrow CPU us", "Redis CPU us", "both x echo")
    rows: list[tuple[Value, ...]] = [
        (
            cell.workload,
            cell.callers,
            rounded(statistics.median(sample.cpu_us for sample in cell.samples["hotrow"])),
            rounded(statistics.median(sample.beside_us for sample in cell.samples["hotrow"])),
            _both_to_echo(cell),
        )
        for cell in cells
    ]
    rows.append((f"{_COMPARED}, a field a feature", COMPARED_CALLERS, None, rounded(statistics.median(fields)), None))
    return Table("What hotrow and Redis spend", columns, rows)


def _both_to_echo(cell: Cell) -> Ratio:
    return ratio(cell.samples["hotrow"], cell.samples["echo"], lambda sample: sample.cpu_us + sample.beside_us)


def _both_us(samples: list[Sample]) -> float:
    return statistics.median(sample.cpu_us + sample.beside_us for sample in samples)
