"""The names of NumPy that compiled code may use, and what its calls become."""

import ast
from collections.abc import Callable

from hotrow.errors import HotrowError

PREFIX = "_hotrow_"
"""Of the names that are put into the code: no field, and so no parameter, begins with an underscore."""

METHODS = frozenset({"sum", "prod", "cumsum", "cumprod", "astype"})
"""Methods of arrays that become functions of `kernel_numpy`; the others are Numba's."""

_ELEMENTS = (
    "sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh "
    "arctanh deg2rad rad2deg degrees radians fabs rint sign isfinite isinf isnan signbit logical_not logical_and "
    "logical_or logical_xor bitwise_and bitwise_or bitwise_xor nextafter copysign hypot arctan2 logaddexp logaddexp2 "
    "maximum minimum fmax fmin float_power nan_to_num where clip isclose"
)
_ARRAYS = (
    "mean std var min max amin amax argmin argmax any all nanmean nanmin nanmax nanstd nanvar median nanmedian "
    "count_nonzero sort argsort unique searchsorted flatnonzero nonzero "
    "interp array asarray zeros ones full zeros_like ones_like full_like linspace concatenate stack vstack hstack "
    "column_stack append ravel reshape expand_dims flip dot allclose array_equal"
)
_NAMES = "pi e inf nan euler_gamma newaxis float64 float32 int64 bool_"

KEPT = frozenset(f"{_ELEMENTS} {_ARRAYS} {_NAMES}".split())
"""What compiled code takes from Numba as it is; `kernel_numpy.REPLACED` has what it does not. All else is refused."""

REMEDIES = {
    "random": "a transform gives the same for the same row; numpy.random does not",
    "reciprocal": "write 1 / a",
    "gcd": "write it as a loop of a, b = b, a % b",
    "lcm": "write it as a loop of a, b = b, a % b",
    "ldexp": "write x * 2.0 ** n",
    "empty_like": "use numpy.zeros_like",
    **dict.fromkeys(
        ("percentile", "quantile", "nanpercentile", "nanquantile"),
        'infinities among the values give another result; take them of numpy.sort, or give the transform mode="python"',
    ),
    **dict.fromkeys(("round", "around"), "write numpy.rint(x * 100) / 100"),
    **dict.fromkeys(
        ["int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "intc", "intp", "uint"], "use numpy.int64"
    ),
    **dict.fromkeys(
        ["outer", "kron", "cross", "trace", "inner", "vdot", "matmul"], "write it as a loop, or as numpy.sum(a * b)"
    ),
}
"""Of functions that are refused, what to write in their place."""

_SIZED = {"zeros": 0, "ones": 0, "empty": 0, "full": 0, "linspace": 2}
"""Functions that make an array of a size, by the place of the argument that says it."""

_UNTYPED = {"array": 1, "asarray": 1, "full": 2, "full_like": 2, "linspace": 3, "arange": 3}
"""Functions that make an array of the values they are given, by the place of a type that these would be made."""

_TYPES = {"int64": "int_", "float64": "float_"}
"""Types that are called, as functions of `kernel_operators`."""


def call_of(name: str, *arguments: ast.expr) -> ast.Call:
    """The call of a function of the kernels."""
    return ast.Call(ast.Name(PREFIX + name, ast.Load()), list(arguments), [])


def check_call(node: ast.Call, name: str, refusal: Callable[[ast.AST, str], HotrowError]) -> None:
    """Change the call of a function of NumPy, whose size may come from an input; raises for what is refused of it."""
    if name in _TYPES:
        node.func = ast.Name(PREFIX + _TYPES[name], ast.Load())
    given = {one.arg for one in node.keywords}
    place = _SIZED.get(name, len(node.args))
    if name in _SIZED and given & {"shape", "num"}:
        raise refusal(node, f"give numpy.{name} the size by its place, and not by its name")
    if place < len(node.args) and not isinstance(node.args[place], ast.Constant):
        node.args[place] = call_of("count", node.args[place])
    if name in _UNTYPED and ("dtype" in given or len(node.args) > _UNTYPED[name]):
        raise refusal(node, f"numpy.{name} takes no dtype in compiled code; write .astype(numpy.float64) of the array")
