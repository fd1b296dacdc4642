"""Comparisons: Python compares an integer with a float exactly, where C makes a float of both."""

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from hotrow.transforms.kernel_overload import (
    Stub,
    held,
    is_array,
    is_float,
    is_optional,
    is_whole,
    overload_present,
    present,
    stub,
)
from hotrow.transforms.kernel_whole import EXACT

lt, le, eq = stub("lt", "a", "b"), stub("le", "a", "b"), stub("eq", "a", "b")
gt, ge, ne = stub("gt", "a", "b"), stub("ge", "a", "b"), stub("ne", "a", "b")


def _mixed(one: Any, other: Any) -> bool:
    return (is_whole(one) and is_float(other)) or (is_float(one) and is_whole(other))


@register_jitable
def _order(x, y):
    """-1, 0, 1 as the int64 is less than, equal to, or greater than the float; 2 for NaN."""
    if -EXACT <= x <= EXACT:
        z = np.float64(x)
        return -1 if z < y else 1 if z > y else 0 if z == y else 2
    if math.isnan(y):
        return 2
    if y >= 9223372036854775808.0:
        return -1
    if y < -9223372036854775808.0:
        return 1
    floor = np.int64(math.floor(y))
    if x != floor:
        return -1 if x < floor else 1
    return -1 if np.float64(floor) < y else 0


def _optional_comparison(comparison: Stub) -> Any:
    """None is equal to None alone; Python does not order it, and neither does this."""
    if comparison is not eq and comparison is not ne:
        return lambda a, b: comparison(present(a), present(b))
    same = comparison is eq

    def compare(a, b):
        if a is None or b is None:
            return (a is None and b is None) == same
        return comparison(present(a), present(b))

    return compare


def _overload_comparison(comparison: Stub, plain: Stub, orders: tuple[int, ...]) -> None:
    """`orders` are the results of `_order` for which the comparison holds."""
    mirrored = tuple(-order if order < 2 else order for order in orders)
    whole_first = numba.vectorize(lambda a, b: _order(np.int64(a), b) in orders)
    float_first = numba.vectorize(lambda a, b: _order(np.int64(b), a) in mirrored)

    def compare(a, b):
        if is_optional(a, b):
            return _optional_comparison(comparison)
        if is_array(a, b) and _mixed(held(a), held(b)):
            return (lambda a, b: whole_first(a, b)) if is_whole(held(a)) else lambda a, b: float_first(a, b)
        if not _mixed(a, b):
            return plain
        if is_whole(a):
            return lambda a, b: _order(np.int64(a), b) in orders
        return lambda a, b: _order(np.int64(b), a) in mirrored

    overload(comparison)(compare)


_overload_comparison(lt, lambda a, b: a < b, (-1,))
_overload_comparison(le, lambda a, b: a <= b, (-1, 0))
_overload_comparison(gt, lambda a, b: a > b, (1,))
_overload_comparison(ge, lambda a, b: a >= b, (0, 1))
_overload_comparison(eq, lambda a, b: a == b, (0,))
_overload_comparison(ne, lambda a, b: a != b, (-1, 1, 2))


min_, max_ = stub("min_", "a", "b"), stub("max_", "a", "b")


@overload_present(min_, operands=2)
def _min(a, b):
    return lambda a, b: b if lt(b, a) else a


@overload_present(max_, operands=2)
def _max(a, b):
    return lambda a, b: b if gt(b, a) else a


among = stub("among", "a", "values")


@overload(among)
def _among(a, values):
    """`a in (...)`: the tuple is there, and with it whatever making it raises, before the first comparison."""
    if isinstance(values, types.UniTuple):

        def found(a, values):
            for value in values:
                if eq(a, value):
                    return True
            return False

        return found
    tests = " or ".join(f"eq(a, values[{place}])" for place in range(len(values)))
    scope = {"eq": eq}
    exec(f"def found(a, values):\n    return {tests or False}\n", scope)  # noqa: S102 - from here
    return scope["found"]
