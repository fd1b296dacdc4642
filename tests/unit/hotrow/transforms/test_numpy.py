"""Every function of NumPy that a transform may use, over all pairs of the edges of its types, in rows and in columns.

Integers have Python's value, or are an error of the row where it leaves 64 bits; all else has NumPy's value. A
function is in one of the tables here, or it is not allowed.
"""

import math
import operator
import re
import warnings
from itertools import product

import numpy as np
import pytest
from hotrow.errors import HotrowError
from hotrow.transforms.certificate import run_rows
from hotrow.transforms.kernel_cells import PRESENT, TRANSFORM_ERROR
from hotrow.transforms.kernel_numpy import REPLACED
from hotrow.transforms.numpy_name import KEPT
from support.transforming import made

LEAST, MOST = -(1 << 63), (1 << 63) - 1
WHOLE = [0, 1, -1, 2, -3, 7, 63, 64, 2**31, -(2**31), 2**53, 2**53 + 1, -(2**53) - 1, 2**62, MOST, LEAST, LEAST + 1]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 20.5, math.inf, -math.inf, math.nan, 1e300, -1e300, 5e-324, 2.0**63]
VALUES = {"i": WHOLE, "f": FLOATS, "b": [True, False]}
ERROR = "error"
"""What a row has that raises, and what the references give for it."""


def _held(reference):
    """A reference in Python's integers: an error where the result leaves 64 bits, and where Python raises."""

    def value(*operands):
        try:
            result = reference(*operands)
        except (ArithmeticError, ValueError):
            return ERROR
        return result if not isinstance(result, int) or LEAST <= result <= MOST else ERROR

    return value


def _truncated(a, b):
    return int(math.copysign(1, a)) * (abs(a) % abs(b))


def _power(a, b):
    if b < 0 or (b > 64 and abs(a) > 1):
        raise OverflowError
    return a ** (b % 2 + 2) if b > 64 else a**b


def _left(a, b):
    if a and b > 64:
        raise OverflowError
    return a << b if a or b < 0 else 0


def _quotient(a, b):
    if max(abs(a), abs(b)) > 1 << 53:
        raise OverflowError
    with np.errstate(all="ignore"):
        return float(np.float64(a) / np.float64(b))


def _numpy(expression):
    """NumPy itself, with numbers."""
    function = eval(f"lambda a, b=0: {expression}", {"np": np})

    def value(*operands):
        with np.errstate(all="ignore"):
            return np.asarray(function(*operands)).item()

    return value


INTEGERS_2 = {
    "i": {
        "add": operator.add,
        "subtract": operator.sub,
        "multiply": operator.mul,
        "floor_divide": operator.floordiv,
        **dict.fromkeys(("mod", "remainder"), operator.mod),
        "fmod": _truncated,
        **dict.fromkeys(("power", "pow"), _power),
        **dict.fromkeys(("left_shift", "bitwise_left_shift"), _left),
        **dict.fromkeys(("right_shift", "bitwise_right_shift"), operator.rshift),
        **dict.fromkeys(("maximum", "fmax"), max),
        **dict.fromkeys(("minimum", "fmin"), min),
        "bitwise_and": operator.and_,
        "bitwise_or": operator.or_,
        "bitwise_xor": operator.xor,
    },
    "f": dict.fromkeys(("divide", "true_divide"), _quotient),
    "b": {
        "less": operator.lt,
        "less_equal": operator.le,
        "greater": operator.gt,
        "greater_equal": operator.ge,
        "equal": operator.eq,
        "not_equal": operator.ne,
    },
}
"""Functions of two integers by the type of what they make, each with what Python makes of them."""

INTEGERS_1 = {
    "i": {
        "square": lambda a: a * a,
        "negative": operator.neg,
        **dict.fromkeys(("abs", "absolute"), abs),
        **dict.fromkeys(("invert", "bitwise_not", "bitwise_invert"), operator.invert),
        "floor": math.floor,
        "ceil": math.ceil,
        "trunc": math.trunc,
        "sign": lambda a: (a > 0) - (a < 0),
        "int64": int,
    },
    "f": {"float64": float},
    "b": {"logical_not": operator.not_, "isnan": lambda _: False, "bool_": bool},
}

FLOATS_1 = {
    "f": "sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh "
    "arccosh arctanh deg2rad rad2deg degrees radians fabs rint sign square negative abs absolute floor ceil trunc "
    "nan_to_num float64",
    "b": "isfinite isinf isnan signbit logical_not bool_",
}
FLOATS_2 = {
    "f": "add subtract multiply divide true_divide floor_divide mod remainder fmod power pow nextafter copysign "
    "hypot arctan2 logaddexp logaddexp2 maximum minimum fmax fmin float_power",
    "b": "less less_equal greater greater_equal equal not_equal logical_and logical_or logical_xor isclose",
}
"""Functions of floats, by the type of what they make: NumPy's values."""

INTEGERS_TO_FLOATS = "sqrt exp log1p sin fabs rint copysign hypot arctan2 float_power logaddexp"
"""Functions of floats that are given integers."""

BOOLS = {"invert": "b", "logical_and": "b", "logical_xor": "b", "bitwise_and": "b", "maximum": "b", "equal": "b"}


def _cases():  # noqa: C901 - a line a table
    for n, table in ((1, INTEGERS_1), (2, INTEGERS_2)):
        for output, functions in table.items():
            for name, reference in functions.items():
                yield f"{name} of integers", f"np.{name}({'a, b'[: 3 * n - 2]})", "ii"[:n], output, _held(reference)
    for n, names in ((1, FLOATS_1), (2, FLOATS_2)):
        for output, all_names in names.items():
            for name in all_names.split():
                text = f"np.{name}({'a, b'[: 3 * n - 2]})"
                same = text.replace("np.pow(", "np.float_power(").replace("np.power(", "np.float_power(")
                yield f"{name} of floats", text, "ff"[:n], output, _numpy(same)
    for name in INTEGERS_TO_FLOATS.split():
        text = f"np.{name}({'a, b' if name in FLOATS_2['f'].split() else 'a'})"
        yield f"{name}, integers to floats", text, "ii" if "b" in text else "i", "f", _numpy(text)
    for name, output in BOOLS.items():
        text = f"np.{name}({'a' if name == 'invert' else 'a, b'})"
        yield f"{name} of bools", text, "bb"[: text.count(",") + 1], output, _numpy(text)
    for name, text, kinds, output in OTHERS:
        yield name, text, kinds, output, _numpy(text)
    for op, reference in OPERATORS.items():
        yield f"{op} of integers", f"a {op} b", "ii", "i", _held(reference)
    for op in ("+", "-", "*", "/", "//", "%", "**"):
        yield f"{op} of floats", f"a {op} b", "ff", "f", _numpy(f"np.float64(a) {op} np.float64(b)")
    for op, reference in COMPARISONS.items():
        yield f"{op} of integers and floats", f"a {op} b", "if", "b", reference
        yield f"{op} of floats and integers", f"a {op} b", "fi", "b", reference


OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": _power,
    "<<": _left,
    ">>": operator.rshift,
}
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
OTHERS = [
    ("where of floats", "np.where(a < b, a, b)", "ff", "f"),
    ("where of integers", "np.where(a < b, a, b)", "ii", "i"),
    ("clip of floats", "np.clip(a, -2.5, 20.5)", "f", "f"),
    ("clip of integers", "np.clip(a, -3, 2**53 + 1)", "i", "i"),
    ("divmod of floats", "np.divmod(a, b)[0] + np.divmod(a, b)[1]", "ff", "f"),
]
NUMBERS_ALONE = ("int64 ", "float64 ", "bool_ ")
ARRAYS_ALONE = ("where ", "clip ", "// of f", "/ of f", "% of f", "** of f", "** of i")
"""Cases of one mode: Numba has them for no more, or `test_operators` compares numbers with Python."""
_MOST = 8


def _groups():
    """The cases that are compiled together: of one mode, with the same types, some at a time."""
    for mode, without in (("rows", ARRAYS_ALONE), ("columns", NUMBERS_ALONE)):
        alike = {}
        for name, text, kinds, output, reference in _cases():
            if not name.startswith(without):
                alike.setdefault((kinds, output), []).append((name, text, reference))
        for (kinds, output), cases in alike.items():
            for start in range(0, len(cases), _MOST):
                yield pytest.param(
                    mode, kinds, output, cases[start : start + _MOST], id=f"{mode}-{kinds}-{output}-{start // _MOST}"
                )


def _same(made, wanted):
    """The same value; of functions of the C library within four units in the last place."""
    if ERROR in (wanted, made):
        return made == wanted
    if isinstance(wanted, float) and wanted and math.isfinite(wanted):
        return math.isclose(made, wanted, rel_tol=1e-15, abs_tol=5e-324) and math.copysign(1, made) == math.copysign(
            1, wanted
        )
    return made == wanted or (made != made and wanted != wanted)  # noqa: PLR0124 - NaN


@pytest.mark.parametrize(("mode", "kinds", "output", "cases"), list(_groups()))
def test_values_are_pythons_or_numpys(mode, kinds, output, cases):
    """Over all pairs of edges; what has no value is an error of its row alone."""
    parameters = ", ".join("ab"[: len(kinds)])
    which = "which[0]" if mode == "columns" else "which"
    source = f"def f({parameters}, which):\n"
    for number, (_, text, _) in enumerate(cases):
        source += f"    if {which} == {number}:\n        return {text}\n"
    source += f"    return {cases[0][1]}\n"
    inputs = " ".join(f"{parameter}:{kind}" for parameter, kind in zip("ab", kinds, strict=False))
    one = made(source, f"{inputs} which:i", output, mode=mode)
    edges = [list(row) for row in product(*(VALUES[kind] for kind in kinds))]
    wrong = []
    for number, (name, _, reference) in enumerate(cases):
        for row, ((status, value),) in zip(edges, run_rows(one, [[*row, number] for row in edges]), strict=True):
            assert status in (PRESENT, TRANSFORM_ERROR)
            got, wanted = value if status == PRESENT else ERROR, reference(*row)
            if not _same(got, wanted):
                wrong.append((name, row, got, wanted))
    assert wrong == []


EDGES = [[a, b] for a in WHOLE for b in WHOLE]
OF_INTEGER_ARRAYS = {
    "np.sum(a)": sum,
    "a.sum()": sum,
    "np.nansum(a)": sum,
    "np.prod(a)": math.prod,
    "a.prod()": math.prod,
    "np.cumsum(a)[-1]": sum,
    "a.cumsum()[-1]": sum,
    "np.cumprod(a)[-1]": math.prod,
    "a.cumprod()[-1]": math.prod,
    "np.diff(a)[0]": lambda a: a[1] - a[0],
    "np.ptp(a)": lambda a: max(a) - min(a),
    **dict.fromkeys(("np.max(a)", "np.amax(a)", "a.max()"), max),
    **dict.fromkeys(("np.min(a)", "np.amin(a)", "a.min()"), min),
    "np.argmax(a)": lambda a: a.index(max(a)),
    "np.argmin(a)": lambda a: a.index(min(a)),
    "np.sort(a)[0]": min,
    "np.argsort(a)[0]": lambda a: a.index(min(a)),
    "np.unique(a)[-1]": max,
    "np.searchsorted(np.sort(a), a[0])": lambda a: sorted(a).index(a[0]),
    "np.count_nonzero(a)": lambda a: sum(map(bool, a)),
    "len(np.flatnonzero(a))": lambda a: sum(map(bool, a)),
    "len(np.nonzero(a)[0])": lambda a: sum(map(bool, a)),
    "np.concatenate((a, a))[2]": lambda a: a[0],
    "np.append(a, a)[2]": lambda a: a[0],
    "np.stack((a, a))[1, 0]": lambda a: a[0],
    "np.vstack((a, a))[1, 0]": lambda a: a[0],
    "np.hstack((a, a))[2]": lambda a: a[0],
    "np.column_stack((a, a))[0, 1]": lambda a: a[0],
    "np.ravel(a)[0]": lambda a: a[0],
    "np.reshape(a, (2, 1))[1, 0]": lambda a: a[1],
    "np.expand_dims(a, 0)[0, 1]": lambda a: a[1],
    "np.flip(a)[0]": lambda a: a[1],
    "np.array([a[0], a[1]])[1]": lambda a: a[1],
    "np.asarray(a)[1]": lambda a: a[1],
    "np.zeros_like(a)[1]": lambda _: 0,
    "np.ones_like(a)[1]": lambda _: 1,
    "np.full_like(a, 3)[1]": lambda _: 3,
    "a.astype(np.int64)[1]": lambda a: a[1],
    "np.where(a > 0, a, 0)[1]": lambda a: max(a[1], 0),
    "(a[np.newaxis, :] * 1)[0, 1]": lambda a: a[1],
}
OF_FLOAT_ARRAYS = [
    *("np.sum(a)", "a.sum()", "np.nansum(a)", "np.prod(a)", "np.cumsum(a)[1]", "np.cumprod(a)[1]", "np.diff(a)[0]"),
    *(
        "np.mean(a)",
        "np.std(a)",
        "np.var(a)",
        "np.min(a)",
        "np.max(a)",
        "np.median(a)",
        "np.nanmean(a)",
        "np.nanmin(a)",
    ),
    *("np.nanmax(a)", "np.nanstd(a)", "np.nanvar(a)", "np.nanmedian(a)", "np.sort(a)[0]", "np.unique(a)[0]"),
    *("np.sum(np.linspace(0.0, 1.0, 3)) + a[0]", "np.interp(0.5, np.array([0.0, 1.0]), a)", "np.ptp(a)"),
    *("np.arange(3)[2] + a[0]", "np.zeros(2)[0] + a[0]", "np.ones(2)[0] + a[0]", "np.full(2, 3.0)[0] + a[0]"),
    *("np.empty(2)[0] * 0 + a[0]", "float(np.any(a))", "float(np.all(a))", "float(np.allclose(a, a))", "np.dot(a, a)"),
    *("float(np.array_equal(a, a))", "np.pi + np.e + np.euler_gamma + a[0]", "np.inf + a[0]", "np.nan + a[0]"),
    "np.float32(0.1) * 0 + a[0]",
]
"""Each of an array of two: Python's values for integers, NumPy's for floats."""


def _results(texts, kind, output, rows):
    """What each text makes of each array; all are compiled together, some at a time."""
    for start in range(0, len(texts), 2 * _MOST):
        some = texts[start : start + 2 * _MOST]
        source = "def f(a, which):\n"
        for number, text in enumerate(some):
            source += f"    if which == {number}:\n        return {text}\n"
        one = made(f"{source}    return {some[0]}\n", f"a:{kind} which:i", output)
        for number, text in enumerate(some):
            made_rows = run_rows(one, [[row, number] for row in rows])
            yield text, [value if status == PRESENT else ERROR for ((status, value),) in made_rows]


def test_arrays_of_integers_are_pythons():
    """A sum that leaves 64 bits on the way is an error too, though a later element would bring it back."""
    for text, results in _results(list(OF_INTEGER_ARRAYS), "Li", "i", EDGES):
        reference = _held(OF_INTEGER_ARRAYS[text])
        assert [(row, one) for row, one in zip(EDGES, results, strict=True) if one != reference(row)] == [], text
    one = made("def f(a):\n    return np.sum(a)\n", "a:Li", "i")
    assert run_rows(one, [[[MOST, 1, -1]], [[MOST, -1, 1]], [[]]]) == [[(5, 0)], [(1, MOST)], [(1, 0)]]


def test_arrays_of_floats_are_numpys():
    """NaN, infinities and all."""
    edges = [[a, b] for a in FLOATS for b in FLOATS]
    for text, results in _results(OF_FLOAT_ARRAYS, "Lf", "f", edges):
        wrong = []
        for row, one in zip(edges, results, strict=True):
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = np.asarray(eval(text, {"np": np, "a": np.array(row)})).item()
            if not _same(one, wanted):
                wrong.append((row, one, wanted))
        assert wrong == [], text


def test_conversions_raise_where_pythons_do():
    """Of floats that no integer of 64 bits is; and arrays of more elements than there is room for."""
    floats = made("def f(a):\n    return a.astype(int)[0] + a.astype(np.int64)[0]\n", "a:Lf", "i")
    assert run_rows(floats, [[[2.5]], [[-2.5]], [[math.nan]], [[math.inf]], [[1e300]], [[2.0**63]]]) == [
        *([(1, 4)], [(1, -4)]),
        *([[(5, 0)]] * 4),
    ]
    sized = made("def f(n):\n    return len(np.ones(n)) + len(np.zeros((n, 2))) + len(np.arange(n))\n", "n:i", "i")
    assert run_rows(sized, [[3], [0], [-1], [1 << 33], [LEAST], [MOST]]) == [[(1, 9)], [(1, 0)], *([[(5, 0)]] * 4)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a = np.zeros(2, np.int64)\n    a[0] = x\n    return a[0]", "an array of integers does not take a float"),
        ("return np.quantile(np.array([x]), 0.5)", "infinities among the values"),
        ("return np.int64(np.array([x]))[0]", "write a.astype"),
        ("return np.arange('a')[0]", "numpy.arange takes numbers"),
        ("return np.zeros(x)[0]", "the size of an array is an integer"),
    ],
)
def test_what_would_differ_without_a_word_is_refused(body, said):
    """When the transform is compiled, with what to write in its place."""
    with pytest.raises(HotrowError, match=said):
        run_rows(made(f"def f(x):\n    {body}\n", "x:f", "i"), [])


def test_every_function_that_is_allowed_is_here():
    """What is in no table is not known to be right."""
    texts = " ".join([*(text for _, text, *_ in _cases()), *OF_INTEGER_ARRAYS, *OF_FLOAT_ARRAYS])
    known = set(re.findall(r"np\.(\w+)", texts)) | set(re.findall(r"\.(astype)", texts))
    assert sorted((KEPT | REPLACED.keys()) - known) == []
