"""Rows taken from a column in pieces, against the same rows of the column joined."""

import numpy as np
import pyarrow as pa
import pytest
from hotrow.offline.held_column import HeldColumn, places_of
from hypothesis import given
from hypothesis import strategies as st

VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.timestamp("us", tz="UTC"): st.integers(0, 2**50),
    pa.bool_(): st.booleans(),
    pa.large_string(): st.text(max_size=5),
    pa.large_list(pa.float64()): st.lists(st.floats(allow_nan=False), max_size=3),
}


@pytest.mark.parametrize("type_", list(VALUES), ids=str)
@given(data=st.data())
def test_rows_are_those_of_the_column_joined(type_, data):
    """Of pieces that are parts of larger arrays, with nulls in all, some or none of them; twice, after rows were
    dropped, and after others came.
    """
    value = VALUES[type_] if data.draw(st.booleans()) else st.none() | VALUES[type_]
    pieces = data.draw(st.lists(st.lists(value, min_size=1, max_size=9), min_size=1, max_size=4))
    column, held = HeldColumn(type_), []
    for _ in range(2):
        for values in pieces:
            some = pa.array([values[0], *values, values[0]], type_).slice(1, len(values))
            column.add(some)
            held.append(some)
        starts = np.cumsum([0, *map(len, held)])[:-1]
        whole = pa.chunked_array(held).combine_chunks()
        assert column.whole().equals(whole)
        for _ in range(2):
            rows = data.draw(st.lists(st.integers(0, len(whole) - 1)))
            places = places_of(np.array(rows, np.int64), starts)
            taken = column.take(places)
            taken.validate(full=True)
            assert taken.equals(whole.take(pa.array(rows, pa.int64())))
        rows = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1))
        column.keep(places_of(np.array(rows, np.int64), starts))
        held = [whole.take(pa.array(rows))]


@pytest.mark.parametrize("type_", [pa.int64(), pa.float32()])
def test_a_column_of_many_pieces_is_joined(type_):
    """And gives the same rows, before that and after it."""
    column = HeldColumn(type_)
    for number in range(200):
        column.add(pa.array([number, None, -number], type_))
    rows = np.random.default_rng(3).integers(0, 600, 500)
    places = places_of(rows, np.arange(0, 600, 3))
    expected = column.whole().take(pa.array(rows))
    assert column.take(places).equals(expected)
    column.keep(places)
    again = places_of(np.array([499, 0]), np.zeros(1, np.int64))
    assert column.take(again).equals(expected.take(pa.array([499, 0])))
