"""The functions of NumPy that compiled code has, each checked at the edges of its types.

What takes integers and would wrap, or end the process, is replaced: an integer that leaves 64 bits, and a division of
integers by 0, are errors as they are of operators. Floats are NumPy's: NaN and infinity, and no error.
"""

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from hotrow.transforms import kernel_compare, kernel_whole
from hotrow.transforms.kernel_math import np_power
from hotrow.transforms.kernel_operators import (
    abs_,
    add,
    divide,
    floordiv,
    invert,
    lshift,
    mod,
    mul,
    neg,
    rshift,
    sub,
    whole_of,
)
from hotrow.transforms.kernel_overload import Stub, held, is_array, is_float, is_whole, overload_present, refuse, stub
from hotrow.transforms.kernel_sized import counted_range
from hotrow.transforms.kernel_whole import is_whole_array, overload_whole


def _whole(*operands: Any) -> bool:
    return all(map(is_whole, operands)) or is_whole_array(*operands)


def _of_two(name: str, whole: Stub, plain: Stub, arrays: Stub) -> Stub:
    """A function of two operands: `whole` of integers and their arrays, `plain` of floats, `arrays` of theirs."""
    function = stub(name, "a", "b")

    @overload_present(function, operands=2)
    def _choose(a, b):
        if _whole(a, b):
            return lambda a, b: whole(a, b)
        return arrays if is_array(a, b) else plain

    return function


def _rounded(name: str) -> Stub:
    """NumPy rounds an integer to itself, and Numba to a float."""
    rounding = getattr(np, name)
    function = stub(name, "a")

    @overload_present(function, operands=1)
    def _choose(a):
        if _whole(a):
            return lambda a: add(a, np.int64(0))
        return lambda a: rounding(a)

    return function


fmod, square, inverted = stub("fmod", "a", "b"), stub("square", "a"), stub("inverted", "a")
overload_whole(fmod, kernel_whole.FMOD, lambda a, b: np.fmod(a, b))


@register_jitable
def _floor_divide(a, b):
    return np.divide(a, b) if b == 0 else np.float64(a // b)


_floor_divide_arrays = numba.vectorize(_floor_divide)
floor_divide = _of_two(
    "floor_divide", floordiv, lambda a, b: _floor_divide(a, b), lambda a, b: _floor_divide_arrays(a, b)
)
remainder = _of_two("remainder", mod, lambda a, b: np.remainder(a, b), lambda a, b: np.remainder(a, b))
divmod_ = stub("divmod_", "a", "b")


@overload_present(divmod_, operands=2)
def _divmod(a, b):
    return lambda a, b: (floor_divide(a, b), remainder(a, b))


@overload_present(square, operands=1)
def _square(a):
    return lambda a: mul(a, a)


@overload_present(inverted, operands=1)
def _inverted(a):
    return (lambda a: not a) if a == types.boolean else lambda a: invert(a)


total, cumulated = stub("total", "a", "axis=None"), stub("cumulated", "a")
total_but_nan = stub("total_but_nan", "a")
product, cumulated_product = stub("product", "a"), stub("cumulated_product", "a")


def _check_axis(axis: Any) -> None:
    if not (axis is None or isinstance(axis, types.Omitted | types.NoneType)):
        raise refuse("numpy.sum along an axis is of floats alone; give it a.astype(numpy.float64)")


@overload(total)
def _total(a, axis=None):
    if not is_whole_array(a):
        if axis is None or isinstance(axis, types.Omitted | types.NoneType):
            return lambda a, axis=None: np.sum(a)
        return lambda a, axis=None: np.sum(a, axis)
    _check_axis(axis)

    def whole(a, axis=None):
        result = np.int64(0)
        for value in a.flat:
            result = add(result, value)
        return result

    return whole


@overload(total_but_nan)
def _total_but_nan(a):
    return (lambda a: np.nansum(a)) if is_float(held(a)) else lambda a: total(a)


@overload(product)
def _product(a):
    if not is_whole_array(a):
        return (lambda a: np.prod(a)) if is_float(held(a)) else None

    def whole(a):
        result = np.int64(1)
        for value in a.flat:
            result = mul(result, value)
        return result

    return whole


def _running(function: Stub, step: Stub, plain: Stub, first: int) -> None:
    @overload(function)
    def _choose(a):
        if not is_whole_array(a):
            return plain if is_float(held(a)) else None

        def whole(a):
            result = np.int64(first)
            for value in a.flat:  # which raises before the array is made
                result = step(result, value)
            made = np.zeros(a.size, np.int64)
            result, place = np.int64(first), 0
            for value in a.flat:
                result = step(result, value)
                made[place] = result
                place += 1
            return made

        return whole


_running(cumulated, add, lambda a: np.cumsum(a), 0)
_running(cumulated_product, mul, lambda a: np.cumprod(a), 1)

difference, spread = stub("difference", "a"), stub("spread", "a")


@overload(difference)
def _difference(a):
    if not is_array(a) or a.ndim != 1:
        raise refuse("numpy.diff takes an array of one dimension in compiled code")
    return (lambda a: sub(a[1:], a[:-1])) if is_whole_array(a) else lambda a: np.diff(a)


@overload(spread)
def _spread(a):
    return lambda a: sub(np.max(a), np.min(a))


converted, stored = stub("converted", "a", "dtype"), stub("stored", "a", "value")


@overload(converted)
def _converted(a, dtype):
    """`a.astype(dtype)`: a float that is no integer of 64 bits raises, as int() of it does."""
    to_whole = isinstance(dtype, types.NumberClass) and isinstance(dtype.dtype, types.Integer)
    if not (is_array(a) and to_whole and is_float(a.dtype)):
        return lambda a, dtype: a.astype(dtype)

    def checked(a, dtype):
        for value in a.flat:
            whole_of(np.trunc(value))
        return a.astype(dtype)

    return checked


@overload(stored)
def _stored(a, value):
    """What is put into elements of `a`; Numba would make an integer of a float, NaN among them, without a word."""
    if is_array(a) and is_whole(a.dtype) and is_float(held(value)):
        raise refuse("an array of integers does not take a float; write int(...), or make it an array of floats")
    return lambda a, value: value


REPLACED: dict[str, Any] = {
    "add": add,
    "subtract": sub,
    "multiply": mul,
    "divide": divide,
    "true_divide": divide,
    "floor_divide": floor_divide,
    "mod": remainder,
    "remainder": remainder,
    "fmod": fmod,
    "divmod": divmod_,
    "power": np_power,
    "pow": np_power,
    "square": square,
    "negative": neg,
    "abs": abs_,
    "absolute": abs_,
    "left_shift": lshift,
    "right_shift": rshift,
    "bitwise_left_shift": lshift,
    "bitwise_right_shift": rshift,
    "invert": inverted,
    "bitwise_not": inverted,
    "bitwise_invert": inverted,
    **{name: _rounded(name) for name in ("floor", "ceil", "trunc")},
    "less": kernel_compare.lt,
    "less_equal": kernel_compare.le,
    "greater": kernel_compare.gt,
    "greater_equal": kernel_compare.ge,
    "equal": kernel_compare.eq,
    "not_equal": kernel_compare.ne,
    "sum": total,
    "nansum": total_but_nan,
    "prod": product,
    "cumsum": cumulated,
    "cumprod": cumulated_product,
    "diff": difference,
    "ptp": spread,
    "arange": counted_range,
    "astype": converted,
    "empty": np.zeros,
}
"""What stands in the place of functions of NumPy, and of methods of arrays, by name."""
