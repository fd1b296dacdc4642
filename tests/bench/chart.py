"""The chart of the documentation, in SVG: CPU time a request of hotrow and of the yardsticks, logarithmic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.record import Table
from tests.bench.section import COMPARED_CALLERS

_STYLE = 'font-family="system-ui, sans-serif" font-size="13" fill="#222222"'
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 800, 205, 100, 84, 34, 46


@dataclass(frozen=True, slots=True)
class Series:
    """A column of the table of requests, how it is called and drawn; radii differ too, for those who see no colours."""

    column: str
    name: str
    colour: str
    radius: float


SERIES = (
    Series("CPU us", "hotrow", "#0b3d91", 8),
    Series("lane us", "empty handler on the fast lane", "#56b4e9", 5),
    Series("echo us", "empty handler on grpcio", "#e69f00", 5),
    Series("objects us", "protobuf objects in Python", "#999999", 5),
)
"""In the order in which they are drawn: the largest below the others."""


@dataclass(frozen=True, slots=True)
class Line:
    """A workload and its CPU time a request in microseconds, by column."""

    label: str
    costs_us: Mapping[str, float]


def chart_svg(requests: Table) -> str:
    """The chart of the rows at 16 callers; raises ValueError where there is none."""
    columns = {series.column: requests.column(series.column) for series in SERIES}
    lines = []
    for place, (label, callers) in enumerate(zip(requests.column("workload"), requests.column("callers"), strict=True)):
        if callers == COMPARED_CALLERS:
            costs = {name: values[place] for name, values in columns.items()}
            numbers = {name: float(value) for name, value in costs.items() if isinstance(value, int | float)}
            lines.append(Line(str(label), numbers))
    if not lines:
        raise ValueError(f"nothing was measured at {COMPARED_CALLERS} callers")
    return _svg(lines)


def scale(costs_us: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that enclose the costs."""
    low, high = math.floor(math.log10(min(costs_us))), math.ceil(math.log10(max(costs_us)))
    return low, max(high, low + 1)


def position(cost_us: float, powers: tuple[int, int]) -> float:
    """Where a cost stands from left to right, in pixels."""
    low, high = powers
    return _LEFT + (math.log10(cost_us) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)


def _svg(lines: Sequence[Line]) -> str:
    powers = scale([cost for line in lines for cost in line.costs_us.values()])
    bottom = _TOP + _ROW * len(lines)
    height = bottom + _BOTTOM
    title = f"CPU time a request at {COMPARED_CALLERS} callers, logarithmic"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" {_STYLE}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="bold">{escape(title)}</text>',
        *_legend(),
        *_grid(powers, bottom),
    ]
    for number, line in enumerate(lines):
        parts += _line(line, powers, _TOP + _ROW * number + _ROW / 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    parts = []
    x = 24.0
    for series in SERIES:
        parts.append(f'<circle cx="{x:.1f}" cy="52" r="{series.radius}" fill="{series.colour}"/>')
        parts.append(f'<text x="{x + 13:.1f}" y="56.5">{escape(series.name)}</text>')
        x += 40 + 6.8 * len(series.name)
    return parts


def _grid(powers: tuple[int, int], bottom: float) -> list[str]:
    parts = []
    for power in range(powers[0], powers[1] + 1):
        for digit in range(1, 10 if power < powers[1] else 2):
            x = position(digit * 10.0**power, powers)
            colour = "#bbbbbb" if digit == 1 else "#eeeeee"
            parts.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="{colour}"/>')
        label = f"{10.0**power:,.0f} us" if power >= 0 else f"{10.0**power:g} us"
        parts.append(
            f'<text x="{position(10.0**power, powers):.1f}" y="{bottom + 20}" text-anchor="middle">{label}</text>'
        )
    return parts


def _line(line: Line, powers: tuple[int, int], y: float) -> list[str]:
    places = {
        series: position(line.costs_us[series.column], powers) for series in SERIES if series.column in line.costs_us
    }
    own = f"{line.costs_us[SERIES[0].column]:,.0f} us"
    parts = [
        f'<text x="{_LEFT - 16}" y="{y + 4.5:.1f}" text-anchor="end">{escape(line.label)}</text>',
        f'<text x="{_WIDTH - 16}" y="{y + 4.5:.1f}" text-anchor="end" font-weight="bold">{own}</text>',
        f'<path d="M{min(places.values()):.1f} {y:.1f}H{max(places.values()):.1f}" stroke="#cccccc" stroke-width="2"/>',
    ]
    for series, x in places.items():
        told = escape(f"{line.label}, {series.name}: {line.costs_us[series.column]:,.0f} us")
        circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{series.radius}" fill="{series.colour}">'
        parts.append(f"{circle}<title>{told}</title></circle>")
    return parts
