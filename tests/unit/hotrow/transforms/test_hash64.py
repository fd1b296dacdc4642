"""`hotrow.hash64` is XXH64 of the specification, called or compiled."""

import pytest
from hotrow import hash64
from hotrow.transforms.certificate import run_rows
from hotrow.transforms.kernel_cells import PRESENT
from hypothesis import given
from hypothesis import strategies as st
from reference.xxh64 import xxh64
from support.transforming import made

OF_TEXT = made("def f(a):\n    return hash64(a)\n", "a:s", "i")
OF_WHOLE = made("def f(a):\n    return hash64(a)\n", "a:i", "i")
WHOLE = st.integers(-(1 << 63), (1 << 63) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


@given(st.text(st.characters(codec="utf-8"), max_size=100))
def test_of_a_string_it_is_that_of_its_utf_8(text):
    """As bytes, and in compiled code, over each of the lengths that XXH64 treats otherwise."""
    expected = _signed(xxh64(text.encode()))
    assert hash64(text) == hash64(text.encode()) == expected
    assert run_rows(OF_TEXT, [[text]]) == [[(PRESENT, expected)]]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 8, 11, 12, 31, 32, 33, 63, 64, 65, 100])
def test_of_every_length(size):
    """The edges of its steps."""
    text = "".join(chr(97 + i % 26) for i in range(size))
    assert hash64(text) == _signed(xxh64(text.encode()))
    assert run_rows(OF_TEXT, [[text]]) == [[(PRESENT, hash64(text))]]


@given(WHOLE)
def test_of_an_integer_it_is_that_of_its_eight_bytes(value):
    """The least significant first, two's complement."""
    expected = _signed(xxh64(value.to_bytes(8, "little", signed=True)))
    assert hash64(value) == expected
    assert run_rows(OF_WHOLE, [[value]]) == [[(PRESENT, expected)]]


def test_what_has_no_hash_is_refused():
    """Equal floats may differ in their bits."""
    for value in (1.0, None, [1]):
        with pytest.raises(TypeError, match="hash64 takes a string, bytes or an integer"):
            hash64(value)
    with pytest.raises(OverflowError):
        hash64(1 << 63)
    assert hash64(True) == hash64(1)
