"""What is fitted of values that Python, JSON or a difference of 64 bits would confuse."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hotrow import HotrowError, encoders
from hotrow.registry.snapshot import Snapshot, snapshot_from_json
from sklearn.impute import SimpleImputer

FAR = 5 * 10**18
"""Two such values are more than 2**63 apart."""


def _kept(fitted, view):
    """The transform as it comes back from a snapshot, and from the file of `hotrow fit`."""
    assert json.loads(json.dumps(fitted.encoder, allow_nan=False)) == fitted.encoder
    snapshot = Snapshot("p", views={"rows": view}, transforms={fitted.name: fitted})
    return snapshot_from_json(snapshot.to_json()).transforms[fitted.name]


@pytest.mark.parametrize(
    "column",
    [
        [0.0] * 3 + [-0.0] * 2 + [1.0] * 4,
        [-0.0] * 3 + [1.0] * 2,
        [0.0, -0.0, 1.0, 1.0],
        [math.nan] * 5 + [2.0],
        [1e308, 1e308, -1e308, 5e-324],
    ],
)
def test_the_most_frequent_number_is_that_of_simple_imputer(view, run, column):
    """0.0 and -0.0 are one value, and NaN is none."""
    fitted = _kept(
        encoders.fit(encoders.impute("e", view["x"], strategy="most_frequent"), pd.DataFrame({"x": column})), view
    )
    expected = SimpleImputer(strategy="most_frequent").fit(np.reshape(column, (-1, 1))).statistics_[0]
    assert run(fitted, [None]) == [expected]


def test_the_most_frequent_of_every_type(view, run):
    """A snapshot holds it, and it comes back as what it was."""
    times = pa.array([7, 5, 5, None], pa.timestamp("us", "UTC"))
    frame = pa.table(
        {"at": times, "n": [-(2**63), 2**63 - 1, 2**63 - 1, None], "small": pa.array([1, 1, 2, 3], pa.int32())}
    )
    frame = frame.append_column("ok", pa.array([True, False, True, None])).append_column("text", [["å", "b", "å", ""]])
    expected = {"at": 5, "n": 2**63 - 1, "small": 1, "ok": True, "text": "å"}
    for name, value in expected.items():
        fitted = encoders.fit(encoders.impute("e", view[name], strategy="most_frequent"), frame)
        assert run(_kept(fitted, view), [None]) == [value]


def test_a_time_is_filled_with_a_time(view, run):
    """Given as one, or as its microseconds."""
    time = datetime(2024, 2, 29, tzinfo=UTC)
    for fill in (time, 1709164800000000):
        assert run(_kept(encoders.impute("e", view["at"], fill=fill), view), [None, 3]) == [1709164800000000, 3]


def test_integers_that_are_far_apart_are_categories(view, matrix):
    """Given in order or fitted: each has its place."""
    given = encoders.one_hot("e", view["n"], categories=[-FAR, 0, FAR])
    fitted = encoders.fit(encoders.one_hot("e", view["n"]), pd.DataFrame({"n": [FAR, -FAR, 0]}))
    for one in (given, fitted):
        expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        assert matrix(_kept(one, view), [-FAR, FAR, 7]).tolist() == expected
    labels = encoders.multi_hot("e", view["ids"], labels=[-FAR, FAR])
    assert matrix(_kept(labels, view), [np.array([FAR, -FAR]), np.array([1])]).tolist() == [[1, 1, 0], [0, 0, 1]]


def test_edges_between_the_least_and_the_greatest_float(view, run):
    """Whose difference a float does not hold."""
    frame = pd.DataFrame({"x": [-1.7e308, 0.0, 1.7e308]})
    fitted = encoders.fit(encoders.bucketize("e", view["x"], buckets=4, strategy="equal_width"), frame)
    assert run(_kept(fitted, view), [-1.7e308, -1.0, 0.0, 1.7e308]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("make", "column", "reason"),
    [
        (lambda x: encoders.standard_scale("e", x), [1e200, -1e200], "their scale exceed"),
        (lambda x: encoders.standard_scale("e", x), [1.7e308, 1.7e308], "their mean and scale exceed"),
        (lambda x: encoders.impute("e", x), [1.7e308, 1.7e308], "their mean exceed"),
        (lambda x: encoders.robust_scale("e", x), [1.7e308, -1.7e308], "too far apart"),
        (lambda x: encoders.impute("e", x, strategy="most_frequent"), [math.inf, math.inf], "2 values are infinite"),
    ],
)
def test_what_exceeds_a_float_is_refused(view, make, column, reason):
    """In place of a scale of 1, or a value that JSON does not have."""
    with pytest.raises(HotrowError, match=reason):
        encoders.fit(make(view["x"]), pd.DataFrame({"x": column}))


def test_the_bounds_of_large_numbers_are_fitted(view, run):
    """Where neither mean nor deviation is needed."""
    fitted = encoders.fit(encoders.min_max_scale("e", view["x"]), pd.DataFrame({"x": [1e200, 3e200]}))
    assert run(_kept(fitted, view), [2e200]) == [0.5]
