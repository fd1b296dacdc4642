"""The rows of edges: all pairs, in a bounded number, and none that could keep a function busy for ever."""

from itertools import combinations

import pytest
from hotrow.errors import HotrowError
from hotrow.transforms.certificate import certificate_of
from hotrow.transforms.edges import edge_rows
from support.transforming import made

LEAST = -(1 << 63)


def _rows(source, inputs, outputs="i", **scope):
    return list(edge_rows(made(source, inputs, outputs, **scope)))


def test_every_edge_of_an_input_meets_every_edge_of_each_other():
    """Of five inputs of different types, by fewer than two thousand rows."""
    rows = _rows("def f(a, b, c, d, e):\n    return a + b\n", "a:i b:i c:f d:s e:t")
    assert len(rows) < 2000
    shown = [[repr(value) for value in row] for row in rows]
    for one, other in combinations(range(5), 2):
        pairs = {(row[one], row[other]) for row in shown}
        assert len(pairs) == len({row[one] for row in shown}) * len({row[other] for row in shown})
    assert (str(LEAST), "-1") in {(row[0], row[1]) for row in shown}


def test_constants_and_their_neighbours_are_edges():
    """Also those of a helper's tuple, and only what the type holds."""
    rows = _rows("def f(a, b):\n    return a if a in (123456, b - 654321) else 5000000000\n", "a:i b:j")
    assert {123455, 123456, 123457, 654321, 5000000000} <= {row[0] for row in rows}
    assert max(abs(row[1]) for row in rows) == 1 << 31
    assert [123456, 654321] in rows


def test_many_constants_do_not_make_many_rows():
    """Some are taken."""
    assert (
        len(_rows("def f(a, b):\n    return a if a in MANY else b\n", "a:i b:i", MANY=tuple(range(0, 9000, 7)))) < 1700
    )


@pytest.mark.parametrize(
    ("body", "bounded"),
    [
        ("return a // b", True),
        ("return np.mod(a, b)", True),
        ("return helper(a, b)", True),
        ("for i in range(3):\n        a += i\n    return a", True),
        ("for x in l:\n        a += x\n    return a", True),
        ("for i in range(len(l)):\n        a += l[i]\n    return a", True),
        ("return len(np.zeros(3)) + a", True),
        ("return (a << 3) + a ** 2", True),
        ("for i in range(a):\n        b += i\n    return b", False),
        ("while a > b:\n        a -= 1\n    return b", False),
        ("return len(np.zeros(a)) + b", False),
        ("return a << b", False),
        ("return looping(a) + b", False),
    ],
)
def test_large_integers_are_left_out_where_they_could_take_for_ever(body, bounded):
    """A loop as often as an input says, a power or a shift by one, a size; in a function that it calls, too."""
    rows = _rows(f"def f(a, b, l):\n    {body}\n", "a:i b:i l:Li", helper=_helper, looping=_looping)
    assert ([LEAST, -1] in [row[:2] for row in rows]) is bounded


def _helper(a, b):
    return a // b


def _looping(a):
    total = 0
    while total < a:
        total += 1
    return total


@pytest.mark.parametrize(
    "body",
    [
        "return a + 1 if a == 2**62 and b == 7 else a",
        "return a // b",
        "return np.mod(a, b) + np.floor_divide(a, b) + np.fmod(a, b) + np.divmod(a, b)[0]",
        "return len(range(a, b, -1)) if b > a - 10 else 0",
        "return a if a in (123456, 10 // (b - 654321)) else 0",
        "return a if a in (0, 10 // b) else 1",
    ],
)
def test_what_is_right_is_taken(body):
    """Whatever raises in Python raises compiled, and nothing ends the process."""
    certificate_of(made(f"def f(a, b):\n    {body}\n", "a:i b:i", "i"))


def test_a_difference_at_a_pair_of_edges_is_found():
    """A variable that nothing has set is 0 compiled, and an error in Python: here at one pair of all."""
    source = "def f(a, b):\n    if a != 123456 or b != 654321:\n        x = 1\n    return x\n"
    with pytest.raises(HotrowError, match=r"a=123456, b=654321 gives \d+, and an error in Python"):
        certificate_of(made(source, "a:i b:i", "i"))
