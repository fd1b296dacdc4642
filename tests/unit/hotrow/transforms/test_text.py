"""Compiled strings against Python's: code points, whatever bytes they take."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.transforming import both, made

EDGES = ["", "a", "ab", "å", "åb", "日本", "x😀y", "e\u0301", "\0a", "a\0", "ababa", "\ud7ff", "\ue000", "\U0010ffff"]
PLACES = [-(2**63), -9, -3, -2, -1, 0, 1, 2, 3, 99, 2**63 - 1]

COMPARED = made("def f(a, b):\n    return a < b, a <= b, a == b, a != b, a > b, a >= b\n", "a:s b:s", "b b b b b b")
FOUND = made(
    "def f(a, b):\n    return a in b, a not in b, a.startswith(b), a.endswith(b), a.find(b), a.count(b), len(a)\n",
    "a:s b:s",
    "b b b b i i i",
)
SLICED = made("def f(a, i, j):\n    return a[i:j], a[i:], a[:j], a[:]\n", "a:s i:i j:i", "s s s s")
POINT = made("def f(a, i):\n    return a[i], ord(a[i])\n", "a:s i:i", "s i")
LITERALS = made(
    """def f(a):
    return a in ('å', '日本', ''), a == 'å\\0', 'ö😀', a if a else NAME, a and 'x', not a, max(a, 'b'), a in NAMES
""",
    "a:s",
    "b b s s s b s b",
    NAME="ab😀",
    NAMES=("å", "x😀y"),
)


def test_edges():
    """Comparison, search, slices and indices of every sign, literals and constants."""
    pairs = [[a, b] for a in EDGES for b in EDGES]
    for one, rows in (
        (COMPARED, pairs),
        (FOUND, pairs),
        (SLICED, [[a, i, j] for a in EDGES for i in PLACES for j in PLACES]),
        (POINT, [[a, i] for a in EDGES for i in PLACES]),
        (LITERALS, [[a] for a in EDGES]),
    ):
        compiled, plain = both(one, rows)
        assert compiled == plain


@settings(max_examples=80, deadline=None)
@given(st.text(), st.text(max_size=2), st.integers(-6, 6), st.integers(-6, 6))
def test_random_text(a, b, i, j):
    """The same for any text."""
    for one, row in ((COMPARED, [a, b]), (FOUND, [a, b]), (SLICED, [a, i, j]), (LITERALS, [a])):
        compiled, plain = both(one, [row])
        assert compiled == plain
