"""Targets: data, and the words for what became of them."""

import pytest

from tests.bench.goal import GOALS, Goal, goals_table
from tests.bench.measure import Ratio


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal("f", 2.0), 2.0, "met"),
        (Goal("f", 2.0), 3.0, "not met, 1.50 x off"),
        (Goal("f", 2.0, stretch=1.0), 1.5, "met"),
        (Goal("f", 2.0, stretch=1.0), 1.0, "met, and the stretch"),
        (Goal("f", 5.0, at_least=True), 5.0, "met"),
        (Goal("f", 5.0, at_least=True), 2.0, "not met, 2.50 x off"),
    ],
)
def test_a_verdict_says_whether_and_by_how_much(goal, value, verdict):
    assert goal.verdict(value) == verdict


def test_the_median_of_a_ratio_decides():
    table = goals_table({"R1 x echo, 16 callers": Ratio(0.49, 0.4, 0.6)})
    assert table.rows == [("R1 x echo, 16 callers", "at most 0.5", 0.38, Ratio(0.49, 0.4, 0.6), "met")]


def test_what_was_not_measured_has_no_verdict():
    assert goals_table({}).rows == []


def test_a_figure_of_two_workloads_is_derived():
    """R4 over R3 less the empty lane with a reply of R3's size."""
    measured = {"R4 CPU us, 16 callers": 2000.0, "R3 CPU us, 16 callers": 300.0, "R3 lane CPU us, 16 callers": 50.0}
    [row] = goals_table(measured).rows
    assert row[0::3] == ("R4 x (R3 less its lane)", 8.0)


def test_no_figure_has_two_targets():
    assert len({goal.figure for goal in GOALS}) == len(GOALS)
