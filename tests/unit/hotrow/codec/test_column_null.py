"""What marks a missing value, in lists and arrays: a null of every type; NaN is one of all types but floats."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hotrow.codec.column import decode_column, encode_column
from hotrow.types import Array, Bool, Bytes, Float64, Int64, String, UnixTimestamp


@pytest.mark.parametrize("null", [None, pd.NaT, pd.NA, float("nan"), np.float32("nan"), np.datetime64("NaT")])
@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1, Int64), ("x", String), (True, Bool), (b"x", Bytes), (datetime(2024, 1, 1, tzinfo=UTC), UnixTimestamp),
        ([1], Array(Int64)),
    ],
)  # fmt: skip
def test_what_is_missing_is_null_whatever_says_so(null, value, type_):
    """NaN is a value among numbers alone, which may be those of a float field, unless their type is given."""
    column = decode_column(encode_column("a", [value, null], type=type_))
    assert (column.type, column.to_list()) == (type_, [value, None])
    if value != 1 or not isinstance(null, (float, np.floating)):
        column = decode_column(encode_column("a", [value, null]))
        assert (column.type, column.to_list()) == (type_, [value, None])


def test_nan_is_a_value_of_floats_alone():
    nan = float("nan")
    assert np.isnan(decode_column(encode_column("a", [1, nan])).to_list()[1])
    assert np.isnan(decode_column(encode_column("a", [1.5, nan, None], type=Float64)).to_list()[1])
    assert np.isnan(decode_column(encode_column("a", np.array([1, nan]))).to_list()[1])
    assert decode_column(encode_column("a", np.array([1, nan]), type=Int64)).to_list() == [1, None]
    assert decode_column(encode_column("a", np.array([nan, nan]), type=String)).to_list() == [None, None]
