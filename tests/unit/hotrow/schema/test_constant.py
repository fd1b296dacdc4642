"""Constants of transforms as JSON: each comes back as it was, bit for bit, or is refused with a remedy."""

import json
import math

import numpy as np
import pytest
from hotrow.schema.constant import UnfitConstantError, constant_from_json, constant_to_json
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 63), (1 << 63) - 1),
        st.floats(),
        st.text(st.characters(codec="utf-8")),
        st.binary(),
    ),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


def _same(one, other):
    if isinstance(one, tuple):
        return type(other) is tuple and len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and one == other and str(one) == str(other)  # which tells -0.0 from 0.0


@given(VALUES)
def test_a_constant_comes_back_from_json(value):
    """Also a bool that is no 1, a float that is no integer, and a tuple in a tuple."""
    assert _same(value, constant_from_json(json.loads(json.dumps(constant_to_json(value)))))


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -0.0, np.nan]),
        np.array([[1, 2], [3, 4]], np.int32).T,
        np.array([True, False]),
        np.array([1, 2**40], ">i8"),
        np.zeros((0, 3), np.uint8),
    ],
)
def test_an_array_comes_back_with_its_type_and_shape(array):
    """In the order of bytes of every machine."""
    back = constant_from_json(json.loads(json.dumps(constant_to_json(array))))
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_a_number_of_numpy_is_a_number():
    """As Python has it."""
    assert constant_to_json(np.int32(7)) == 7
    assert type(constant_to_json(np.float32(0.5))) is float
    assert constant_to_json(np.array(3)) == 3


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1 << 63, "64 bits"),
        ([1], "a list, which a snapshot cannot hold; make it"),
        ({"a": 1}, "a dict"),
        ((1, {2}), "a set"),
        ("\ud800", "half of a surrogate pair"),
        (np.array(["a"]), "a NumPy array of <U1"),
        (np.zeros((1, 1, 1)), "3 dimensions"),
        (1j, "a complex"),
    ],
)
def test_what_a_snapshot_cannot_hold(value, said):
    """The text goes on after the name of the constant."""
    with pytest.raises(UnfitConstantError, match=said):
        constant_to_json(value)


@pytest.mark.parametrize("document", [[1], {"set": [1]}, {"bytes": "?"}, {"float": "x"}, {}])
def test_another_document_is_refused(document):
    """Of a snapshot that was not written by this."""
    with pytest.raises(ValueError):
        constant_from_json(document)
