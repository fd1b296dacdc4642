"""The chart: where a cost stands, and that it is sound SVG."""

import itertools
from xml.etree import ElementTree as ET

import pytest

from tests.bench.chart import chart_svg, position, scale
from tests.bench.measure import Ratio
from tests.bench.record import Table
from tests.bench.workload import REQUEST_COLUMNS

SVG = "{http://www.w3.org/2000/svg}"


def _requests(*rows):
    """Rows of workload, callers and the four costs; the rest of the table is of no matter to the chart."""
    given = ("workload", "callers", "CPU us", "echo us", "lane us", "objects us")
    table = [dict.fromkeys(REQUEST_COLUMNS, 1.0) | dict(zip(given, row, strict=True)) for row in rows]
    return Table("Requests", REQUEST_COLUMNS, [tuple(row.values()) for row in table])


def _dots(svg):
    """Costs and places of the dots that tell what they are."""
    circles = [circle for circle in ET.fromstring(svg).iter(f"{SVG}circle") if circle.find(f"{SVG}title") is not None]
    return {circle.find(f"{SVG}title").text: (float(circle.get("cx")), float(circle.get("cy"))) for circle in circles}


@pytest.mark.parametrize(
    ("costs", "powers"), [([35, 16000], (1, 5)), ([100, 1000], (2, 3)), ([0.5, 3], (-1, 1)), ([10], (1, 2))]
)
def test_the_scale_encloses_all_costs_in_powers_of_ten(costs, powers):
    assert scale(costs) == powers


def test_each_tenfold_is_as_wide_as_the_next():
    places = [position(cost, (1, 4)) for cost in (10, 100, 1000, 10000)]
    widths = [right - left for left, right in itertools.pairwise(places)]
    assert widths == pytest.approx([widths[0]] * 3)
    assert widths[0] > 0


def test_every_cost_at_16_callers_has_a_dot_at_its_place():
    svg = chart_svg(_requests(("R1", 16, 65.0, 114.0, 35.0, 163.0), ("R1", 1, 9.0, 9.0, 9.0, 9.0)))
    dots = _dots(svg)
    assert {text.rsplit(": ", 1)[1]: x for text, (x, _) in dots.items()} == {
        f"{cost} us": pytest.approx(position(cost, (1, 3)), abs=0.1) for cost in (65, 114, 35, 163)
    }
    assert len({y for _, y in dots.values()}) == 1


def test_a_yardstick_that_was_not_measured_has_no_dot():
    assert len(_dots(chart_svg(_requests(("W1", 16, 65.0, 114.0, 35.0, None))))) == 3


def test_a_name_is_escaped():
    assert "a&lt;b" in chart_svg(_requests(("a<b", 16, 65.0, 114.0, 35.0, None)))


def test_without_a_row_there_is_no_chart():
    with pytest.raises(ValueError, match="16 callers"):
        chart_svg(_requests(("R1", 1, 65.0, Ratio(1, 1, 1), 35.0, None)))
