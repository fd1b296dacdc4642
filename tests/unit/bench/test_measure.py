"""The arithmetic of paired runs."""

import itertools

import numpy as np
import pytest

from tests.bench.measure import Ratio, Sample, interval, ratio, summary


def sample(cpu_s=1.0, latencies_us=(100.0,) * 1000, seconds=2.0, generator_cpu_s=0.5):
    return Sample(len(latencies_us), seconds, cpu_s, generator_cpu_s, np.array(latencies_us, np.float32))


def _coverage(n: int, outside: int) -> float:
    """How often the true median lies between two order statistics: of all ways in which `n` values fall on its sides,
    those in which more than `outside` lie on each.
    """
    ways = [sum(sides) for sides in itertools.product((0, 1), repeat=n)]
    return sum(outside < below < n - outside for below in ways) / len(ways)


@pytest.mark.parametrize("n", range(6, 15))
def test_the_interval_is_the_closest_that_encloses_the_median_with_95_percent(n):
    """Counted out over every way in which the values can fall."""
    found = interval(list(range(n)))
    outside = int(found.low)
    assert found.high == n - 1 - outside
    assert _coverage(n, outside) >= 0.95
    assert _coverage(n, outside + 1) < 0.95


def test_nine_pairs_give_the_second_and_the_eighth():
    assert interval([9, 1, 8, 2, 7, 3, 6, 4, 5]) == Ratio(5, 2, 8)


@pytest.mark.parametrize("values", [[3.0], [5, 1, 2], [1, 2, 3, 4, 5]])
def test_of_fewer_than_six_values_the_interval_is_their_range(values):
    assert (interval(values).low, interval(values).high) == (min(values), max(values))


def test_a_ratio_is_taken_pair_by_pair():
    """A machine that becomes three times slower in the middle changes neither."""
    ours, theirs = [sample(1), sample(3), sample(3)], [sample(2), sample(6), sample(6)]
    assert ratio(ours, theirs) == Ratio(0.5, 0.5, 0.5)


def test_a_ratio_of_another_figure():
    slow, quick = sample(latencies_us=[10.0] * 98 + [900.0] * 2), sample(latencies_us=[10.0] * 98 + [300.0] * 2)
    assert ratio([slow], [quick], of=lambda one: one.p99_us).median == pytest.approx(3)


def test_a_summary_has_medians_of_runs_and_latencies_of_all_calls():
    """One run in three has all the slow calls: they are no less slow for that."""
    runs = [sample(1.0), sample(2.0, latencies_us=[100.0] * 900 + [5000.0] * 100), sample(9.0)]
    one = summary(runs)
    assert (one.cpu_us, one.rate, one.cores, one.generator_cores) == (2000.0, 500.0, 1.0, 0.25)
    assert (one.p50_us, one.p99_us, one.p999_us) == (100.0, 5000.0, 5000.0)


def test_a_ratio_is_told_with_its_interval():
    assert str(Ratio(0.5678, 0.5, 12.345)) == "0.568 (0.5 to 12.3)"
