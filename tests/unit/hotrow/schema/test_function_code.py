"""What a snapshot takes of a function, and what it refuses."""

import functools
from collections import namedtuple

import pytest
from hotrow.errors import HotrowError
from hotrow.schema.function_code import capture, code_from_document

RATE, NAMES = 1.5, ("å", "b")
Point = namedtuple("Point", "x")  # noqa: PYI024 - as users write it
ORIGIN = Point(1)


def helper(x):
    return x * RATE


def uses_helper(a, b):
    total: float = helper(a)
    return total if b in NAMES else abs(a)


def wrapping(function):
    @functools.wraps(function)
    def wrapped(*arguments):
        return function(*arguments)

    return wrapped


@wrapping
def wrapped_helper(a):
    return a


def uses_wrapped(a):
    return wrapped_helper(a)


def uses_a_named_tuple(a):
    return a + ORIGIN.x


def test_what_is_outside_is_held():
    """Constants, helpers and theirs; and a document is the inverse."""
    code = capture(uses_helper, compiled=True)
    assert dict(code.constants) == {"NAMES": NAMES}
    assert dict(code.functions["helper"].constants) == {"RATE": RATE}
    assert code_from_document(code.document()) == code
    assert code.parameters == ("a", "b")


def test_what_a_snapshot_cannot_hold():
    """A decorator would be lost, and a named tuple its names: each is refused by its name."""
    for function, said in ((uses_wrapped, "wrapped by another decorator"), (uses_a_named_tuple, "'ORIGIN', a Point")):
        with pytest.raises(HotrowError, match=said):
            capture(function, compiled=True)


def test_a_closure_without_a_value_yet():
    """Refused where it is defined."""

    def f(a):
        return a * later

    with pytest.raises(HotrowError, match="has no value yet"):
        capture(f, compiled=True)
    later = 2.0
    assert dict(capture(f, compiled=True).constants) == {"later": later}
