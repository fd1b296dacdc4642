"""Compiled numbers against Python's, bit for bit, over the values at which they could differ."""

import math
import random
from itertools import product

import pytest
from hotrow.transforms.certificate import run_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from support.transforming import both, made

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, math.inf, -math.inf, math.nan, 1e300, -1e300, 5e-324]
FLOATS += [2.0**53, 2.0**63, -(2.0**63)]
WHOLE = [0, 1, -1, 2, -3, 7, 63, 64, 2**31, -(2**31), 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63)]
VALUES = {"f": FLOATS, "i": WHOLE, "b": [True, False]}

CASES = {
    "integers": ("return a + b, a - b, a * b", "ii", "i i i"),
    "integer division": ("return a // b, a % b", "ii", "i i"),
    "left shift": ("return a << b", "ii", "i"),
    "right shift": ("return a >> b", "ii", "i"),
    "bits": ("return a & b, a | b, a ^ b, ~a", "ii", "i i i i"),
    "floats": ("return a + b, a - b, a * b, -a, +a, abs(a)", "ff", "f f f f f f"),
    "float division": ("return a // b, a % b", "ff", "f f"),
    "true division": ("return a / b", "ff", "f"),
    "mixed": ("return a + b, a - b, a * b", "if", "f f f"),
    "mixed comparisons": ("return a < b, a <= b, a == b, a != b, a > b, a >= b", "if", "b b b b b b"),
    "mirrored": ("return b < a, b <= a, b == a, b != a, b > a, b >= a", "if", "b b b b b b"),
    "chains": ("return a < b < 3.5, 0 <= a <= b != a", "if", "b b"),
    "bools": ("return a + b, a * b - 1, -a, ~a, a & b, a ^ b, a / 2, int(a)", "bb", "i i i i b b f i"),
    "truth": ("return a and b, a or b, not a, a if b else 1.0", "ff", "f f b f"),
    "min and max": ("return min(a, b), max(a, b), min(a, b, 1.0), max(b, a, 0.0)", "ff", "f f f f"),
    "powers": ("return a ** b", "ff", "f"),
    "math.pow": ("return math.pow(a, b)", "ff", "f"),
    "math.fmod": ("return math.fmod(a, b)", "ff", "f"),
    "hypot of more": ("return math.hypot(a, b, 3.0, a), math.hypot(a), math.hypot()", "ff", "f f f"),
    "math of two": ("return math.hypot(a, b), math.atan2(a, b), math.copysign(a, b)", "ff", "f f f"),
    "constant power": ("return a ** 3", "i", "i"),
    "power of a name": ("return a ** POWER", "i", "i"),
    "negative powers": ("return a ** -2", "i", "f"),
    "negation": ("return -a", "i", "i"),
    "absolute": ("return abs(a)", "i", "i"),
    "int": ("return int(a)", "f", "i"),
    "round": ("return round(a)", "f", "i"),
    "floor": ("return math.floor(a), math.ceil(a), math.trunc(a)", "f", "i i i"),
    "narrow": ("return a", "f", "g"),
    "narrow integer": ("return a", "i", "j"),
    "augmented": ("a //= 3\n    a -= 1\n    a %= b\n    return a", "ii", "i"),
    "among what raises": ("return a in (7, 10 // (b // 9)), a in (0, 10 // b), a not in [b, 7 // b]", "ii", "b b b"),
    "among many": ("return a in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 63)", "i", "b"),
    "a range of edges": ("return len(range(a, b)) if -99 < a < 99 and -99 < b < 99 else 0", "ii", "i"),
    "among": ("return a in (1, 2.0, 9007199254740992.0), a not in (7,), a in ()", "i", "b b b"),
    "none": ("if a == 7:\n        return None\n    return a, None", "i", "i f"),
    "falls off": ("if a == 7:\n        return 1", "i", "i"),
    "loops": (
        """s = 0
    for i in range(a % 50):
        if i % 3 == 0:
            continue
        s += i
        if s > 50:
            break
    else:
        return -1
    return s""",
        "i",
        "i",
    ),
    "optional sum": ("x = None if a == 7 else a\n    return x + b, x * b, x < b, x == b", "ii", "i i b b"),
    "optional and a float": ("x = None if a == 7 else a\n    return x < b, x != b", "if", "b b"),
    "none is not none": ("x = None if a == 7 else a\n    return x == b, x is None", "ii", "b b"),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_are_pythons(name):
    """Whatever raises in Python, or leaves 64 bits, is that row's error; all else is the same value."""
    body, kinds, outputs = CASES[name]
    inputs = " ".join(f"{parameter}:{kind}" for parameter, kind in zip("ab", kinds, strict=False))
    one = made(f"def f({', '.join('ab'[: len(kinds)])}):\n    {body}\n", inputs, outputs, POWER=3)
    compiled, plain = both(one, [list(row) for row in product(*(VALUES[kind] for kind in kinds))])
    assert compiled == plain


SAME_FUNCTIONS = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "fabs",
    "log",
    "log10",
    "log1p",
    "log2",
]
SAME_FUNCTIONS += ["radians", "sin", "sinh", "sqrt", "tan", "tanh"]


def _chosen(names):
    """One of some functions of `math`, by its number."""
    source = "def f(a, which):\n" + "".join(
        f"    if which == {number}:\n        return math.{name}(a)\n" for number, name in enumerate(names)
    )
    return made(source, "a:f which:i", "f")


def test_functions_of_math_raise_where_pythons_do():
    """A function of one number has the same domain; the values are those of the same C library."""
    for names in (SAME_FUNCTIONS[:12], SAME_FUNCTIONS[12:]):
        one = _chosen(names)
        rows = [[value, number] for value in [*FLOATS, 0.1, 0.7, 20.5, 709.9] for number in range(len(names))]
        compiled, plain = both(one, rows)
        assert compiled == plain


def test_integers_beyond_53_bits_are_not_divided():
    """`/` of them is an error of the row, where Python rounds the exact quotient."""
    one = made("def f(a, b):\n    return a / b\n", "a:i b:i", "f")
    assert run_rows(one, [[2**53 + 1, 1], [2**53, 2], [1, 0]]) == [[(5, 0.0)], [(1, 2.0**52)], [(5, 0.0)]]


ARITHMETIC = made(
    "def f(a, b, x):\n    y = a * b + x if a > b else (a - b) / (1 + abs(x))\n"
    "    return y, a // b, a % 7, a < x, max(a, b)\n",
    "a:i b:i x:f",
    "f i i b i",
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20), st.floats()).map(list),
        min_size=1,
        max_size=20,
    )
)
def test_random_numbers(rows):
    """A function of several operators agrees on whatever comes."""
    compiled, plain = both(ARITHMETIC, rows)
    assert compiled == plain


def test_functions_of_math_are_pythons_bit_for_bit():
    """Over random arguments of all magnitudes; ten million of each were compared once, and gamma and lgamma differ."""
    dice = random.Random(20)
    rows = [[dice.choice((-1, 1)) * math.exp(dice.uniform(-40, 40)), dice.uniform(-30, 30)] for _ in range(4000)]
    for names in (SAME_FUNCTIONS[:12], SAME_FUNCTIONS[12:]):
        one = _chosen(names)
        rows_of = [[row[n % 2], n % len(names)] for n, row in enumerate(rows)]
        compiled, plain = both(one, rows_of)
        assert compiled == plain
    two = "math.hypot(a, b), math.atan2(a, b), math.copysign(a, b), math.fmod(a, b), math.hypot(a, b, 0.1)"
    compiled, plain = both(made(f"def f(a, b):\n    return {two}\n", "a:f b:f", "f f f f f"), rows)
    assert compiled == plain
    powers = made("def f(a, b):\n    return math.pow(a, b)\n", "a:f b:f", "f")
    compiled, plain = both(powers, rows)
    assert compiled == plain
