"""What becomes of a function's source before it is compiled, by the text; `test_operators` has what it computes."""

import ast

import pytest
from hotrow.errors import HotrowError
from hotrow.schema.function_code import FunctionCode
from hotrow.transforms.rewrite import PREFIX, rewritten

MATH = {"math": "math", "sqrt": "math.sqrt", "np": "numpy", "hash64": "hotrow.hash64"}


def _rewritten(body, *, parameters="a, b", constants=None, functions=None):
    code = FunctionCode(
        "f", f"def f({parameters}):\n    {body}\n", constants or {}, MATH, functions or {}, place="features.py", line=10
    )
    return rewritten(code)


def _text(body, **options):
    (definition,) = _rewritten(body, **options).body
    return "\n".join(ast.unparse(line) for line in definition.body).replace(PREFIX, "$")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a + b * 2", "return $add(a, $mul(b, 2))"),
        ("return -a // b % 3", "return $mod($floordiv($neg(a), b), 3)"),
        ("return a & b | a ^ b", "return a & b | a ^ b"),
        ("return a < b <= 3", "return $lt(a, b) and $le(b, 3)"),
        ("return a == b", "return $eq(a, b)"),
        ("return a is None", "return a is None"),
        ("return a == None", "return a == None"),
        ("return a in (1, 2)", "return $eq(a, 1) or $eq(a, 2) or $eq(a, 1)"),
        ("return a not in ()", "return not False"),
        ("return int(a) + round(b)", "return $add($int_(a), $round_(b))"),
        ("return min(a, b, 1)", "return $min_($min_(a, b), 1)"),
        ("return math.log(a) + sqrt(b)", "return $add($math_log(a), $math_sqrt(b))"),
        ("return math.log(a, 2)", "return $math_log_to_base(a, 2)"),
        ("return math.pi", "return 3.141592653589793"),
        ("return hash64(a)", "return $hash64(a)"),
        ("return np.sum(a)", "return np.sum(a)"),
        ("return len(a)", "return len(a)"),
        ("return a == 'å'", "return $eq(a, $literal('Ã¥'))"),
        ("raise ValueError(f'{1}' if 0 else 'x')", None),
        ("raise ValueError('no')", "raise ValueError"),
        ("assert a > 0, 'no'", "assert $gt(a, 0)"),
        ("a += 1; return a", "a = $into(a, $add(a, 1))\nreturn a"),
        ("x: float = a; return x", "x = a\nreturn x"),
        ("'''What it is.'''; return a", "return a"),
        ("return -9223372036854775808", "return -9223372036854775808"),
    ],
)
def test_what_becomes_of_it(body, expected):
    """Operators and builtins are calls of functions that do what Python does."""
    if expected is None:
        with pytest.raises(HotrowError, match="an f-string cannot be compiled"):
            _text(body)
    else:
        assert _text(body) == expected


def test_constants_stand_in_the_code():
    """Also in tuples; an array stays a name, and so does a helper."""
    constants = {"RATE": 1.5, "NAMES": ("a", 2), "TABLE": [0]}
    helper = FunctionCode("helper", "def helper(x):\n    return x\n")
    text = _text("return helper(a) * RATE if b in NAMES else TABLE", constants=constants, functions={"helper": helper})
    assert (
        text == "return $mul(helper(a), 1.5) if $eq(b, $literal('a')) or $eq(b, 2) or $eq(b, $literal('a')) else TABLE"
    )


def test_a_name_of_its_own_is_no_constant():
    """A parameter or a variable hides what is outside."""
    assert _text("RATE = a; return RATE", constants={"RATE": 1.5}) == "RATE = a\nreturn RATE"
    assert _text("return math", parameters="math, b") == "return math"
    assert _text("max = a; return max(b)") == "max = a\nreturn max(b)"


def test_lines_stay_where_they_are():
    """So that an error of the compiler names the line that its author wrote."""
    module = _rewritten("if a > 0:\n\n        return a ** 2\n    return (a +\n            b)")
    assert sorted(node.lineno for node in ast.walk(module) if isinstance(node, ast.Return)) == [4, 5]


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        ("x = 1\n    return str(a)", 12, "str() cannot be compiled"),
        ("return [x for x in {1: 2}]", 11, "a dict cannot be compiled"),
        ("return math.erfinv(a)", 11, "math.erfinv cannot be compiled"),
        ("return np.random.random()", 11, "numpy.random does not"),
        ("return 9223372036854775808", 11, "64 bits do not hold"),
        ("return b'x'", 11, "compiled code has no bytes"),
        ("return max(a)", 11, "max() takes two or more values"),
        ("with a:\n        return 1", 11, "with cannot be compiled"),
    ],
)
def test_what_is_refused_is_refused_by_its_line(body, line, said):
    """That of the file, and not of the function."""
    with pytest.raises(HotrowError) as caught:
        _rewritten(body)
    assert caught.value.message.startswith(f"features.py:{line}: ")
    assert said in caught.value.message
