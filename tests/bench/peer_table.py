"""The peers' table: a line a workload and server."""

from dataclasses import dataclass

from tests.bench.measure import Ratio

HEAD = ("workload", "server", "CPU us", "ratio (interval)", "store CPU us", "a second", "p50 ms", "p99 ms")
OURS = "hotrow"


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of one server on one workload. `ratio` is its CPU over hotrow's; `store_us` None: no store of its own."""

    workload: str
    server: str
    cpu_us: float
    ratio: Ratio | None
    store_us: float | None
    rate: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Absent:
    """A server that cannot do a workload, and why."""

    workload: str
    server: str
    reason: str


def table(rows: list[Row | Absent]) -> str:
    """As Markdown that reads well on a screen too."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    words = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(words)} |"


def _cells(row: Row | Absent) -> tuple[str, ...]:
    if isinstance(row, Absent):
        return (row.workload, row.server, row.reason, *[""] * (len(HEAD) - 3))
    return (
        row.workload,
        row.server,
        f"{row.cpu_us:,.0f}",
        "1" if row.ratio is None else _ratio(row.ratio),
        "" if row.store_us is None else f"{row.store_us:,.0f}",
        f"{row.rate:,.0f}",
        f"{row.p50_us / 1e3:,.2f}",
        f"{row.p99_us / 1e3:,.2f}",
    )


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.median:,.1f} ({ratio.low:,.1f} to {ratio.high:,.1f})"
