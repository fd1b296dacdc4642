"""What becomes of a function's source before it is compiled, by the text; `test_operators` has what it computes."""

import ast

import pytest
from hotrow.errors import HotrowError
from hotrow.schema.function_code import FunctionCode
from hotrow.transforms.numpy_name import PREFIX
from hotrow.transforms.rewrite import rewritten

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
        ("return a in (1, 2)", "return $among(a, (1, 2))"),
        ("return a not in ()", "return not $among(a, ())"),
        ("return int(a) + round(b)", "return $add($int_(a), $round_(b))"),
        ("return min(a, b, 1)", "return $min_($min_(a, b), 1)"),
        ("return math.log(a) + sqrt(b)", "return $add($math_log(a), $math_sqrt(b))"),
        ("return math.log(a, 2)", "return $math_log_to_base(a, 2)"),
        ("return math.pi", "return 3.141592653589793"),
        ("return hash64(a)", "return $hash64(a)"),
        ("return np.sqrt(a)", "return np.sqrt(a)"),
        ("return np.sum(a) + a.sum()", "return $add($numpy_sum(a), $numpy_sum(a))"),
        ("return np.mod(a, b)", "return $numpy_mod(a, b)"),
        ("return np.zeros(a)[0] + np.zeros(3)[0]", "return $add(np.zeros($count(a))[0], np.zeros(3)[0])"),
        ("return a.astype(int)", "return $numpy_astype(a, $int64)"),
        ("a[0] = b; return a", "a[0] = $stored(a, b)\nreturn a"),
        ("return range(a, b)", "return $steps(a, b, 1)"),
        ("return a in (1, b)", "return $among(a, (1, b))"),
        ("return math.hypot(a, b, 1)", "return $math_hypot((a, b, 1))"),
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
    assert text == "return $mul(helper(a), 1.5) if $among(b, ($literal('a'), 2)) else TABLE"


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
        ("return np.gcd(a, b)", 11, "numpy.gcd cannot be compiled: write it as a loop"),
        ("return np.tile(a, b)", 11, 'numpy.tile cannot be compiled: give the transform mode="python"'),
        ("return np.zeros(3, np.int32)", 11, "use numpy.int64"),
        ("return np.array(a, dtype=np.int64)", 11, "takes no dtype"),
        ("return np.linspace(a, b, num=b)", 11, "by its place"),
        ("return len(enumerate(a, b))", 11, "enumerate() from another number"),
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
