"""Powers and the functions of `math`, which raise where Python's do.

C gives NaN for a square root of -1 and infinity for a logarithm of 0; Python raises. The values are those of the same
C library that Python calls.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

from hotrow.transforms import kernel_whole
from hotrow.transforms.kernel_hypot import hypot
from hotrow.transforms.kernel_operators import truediv, whole_of
from hotrow.transforms.kernel_overload import (
    check_numbers,
    is_array,
    is_float,
    is_whole,
    overload_present,
    refuse,
    stub,
)
from hotrow.transforms.kernel_whole import is_whole_array, overload_whole

np_power = stub("np_power", "a", "b")
overload_whole(np_power, kernel_whole.POWER, lambda a, b: np.power(a, b))

power, power_of, power_below = stub("power", "a", "b"), stub("power_of", "a", "b"), stub("power_below", "a", "b")


@register_jitable
def float_power(x, y):
    """`x ** y` of two floats, as Python has it."""
    if x == 0.0 and y < 0.0 and not math.isinf(y):
        raise ZeroDivisionError("0.0 cannot be raised to a negative power")
    finite = math.isfinite(x) and math.isfinite(y)
    if finite and x < 0.0 and np.floor(y) != y:
        raise ValueError("a negative number to the power of a fraction is complex")
    result = x**y
    if finite and math.isinf(result):
        raise OverflowError("a power is too large for a float")
    return result


@overload_present(power, operands=2)
def _power(a, b):
    if is_array(a, b):
        return (lambda a, b: np_power(a, b)) if is_whole_array(a, b) else lambda a, b: a**b
    check_numbers("**", a, b)
    if is_whole(a) and is_whole(b):
        raise refuse(
            "an integer to the power of a variable integer is an integer or a float, whichever the exponent gives; "
            "write float(a) ** b, or a constant exponent"
        )
    return lambda a, b: float_power(np.float64(a), np.float64(b))


@overload_present(power_of, operands=2)
def _power_of(a, b):
    """To the power of a constant integer that is not negative."""
    if is_whole(a) or is_whole_array(a):
        return lambda a, b: np_power(a, b)
    if is_array(a):
        return lambda a, b: a**b
    check_numbers("**", a)
    return lambda a, b: float_power(np.float64(a), np.float64(b))


@overload_present(power_below, operands=2)
def _power_below(a, b):
    """To the power of a negative constant integer: a float, to Python too."""
    if is_array(a):
        return (lambda a, b: a ** np.float64(b)) if is_float(a.dtype) else None
    check_numbers("**", a)
    return lambda a, b: float_power(np.float64(a), np.float64(b))


def _number_function(name: str, function: Any, operands: int) -> Any:
    """`function` as what stands in the place of `math.<name>`: it takes numbers, and refuses all else by its name."""
    called = stub(name, *"ab"[:operands])
    if operands == 1:

        def choose_one(a):
            check_numbers(f"math.{name}", a)
            return lambda a: function(np.float64(a))

        overload_present(called, operands=1)(choose_one)
    else:

        def choose(a, b):
            check_numbers(f"math.{name}", a, b)
            return lambda a, b: function(np.float64(a), np.float64(b))

        overload_present(called, operands=2)(choose)
    return called


def _checked(name: str) -> Any:
    """A function of `math` of one number that gives a float."""
    function = getattr(math, name)

    @njit
    def checked(x):
        result = function(x)
        if math.isnan(result) and not math.isnan(x):
            raise ValueError("outside the domain")
        if math.isinf(result) and math.isfinite(x):
            raise OverflowError("too large for a float, or a pole")
        return result

    return _number_function(name, checked, 1)


def _checked_two(name: str) -> Any:
    function = getattr(math, name)

    @njit
    def checked(x, y):
        result = function(x, y)
        if math.isnan(result) and not (math.isnan(x) or math.isnan(y)):
            raise ValueError("outside the domain")
        if math.isinf(result) and math.isfinite(x) and math.isfinite(y):
            raise OverflowError("too large for a float")
        return result

    return _number_function(name, checked, 2)


@register_jitable
def _remainder(x, y):
    """`math.fmod`, of which Numba knows NumPy's name alone."""
    result = np.fmod(x, y)
    if math.isnan(result) and not (math.isnan(x) or math.isnan(y)):
        raise ValueError("outside the domain")
    return result


def _whole(name: str) -> Any:
    function = getattr(np, name)
    whole = stub(name, "a")

    def rounded(a):
        if is_whole(a):
            return lambda a: np.int64(a)
        return (lambda a: whole_of(function(a))) if is_float(a) else None

    overload_present(whole, operands=1)(rounded)
    return whole


def _plain(name: str) -> Any:
    function = getattr(math, name)
    return _number_function(name, njit(lambda x: function(x)), 1)


_ONE = (
    "acos acosh asin asinh atan atanh cos cosh erf erfc exp expm1 fabs gamma lgamma log10 log1p log2 radians "
    "sin sinh sqrt tan tanh"
)
_TWO = "atan2 copysign"

_log = _checked("log")

MATH: dict[str, Any] = {
    **{name: _checked(name) for name in _ONE.split()},
    **{name: _checked_two(name) for name in _TWO.split()},
    **{name: _whole(name) for name in ("floor", "ceil", "trunc")},
    **{name: _plain(name) for name in ("isnan", "isinf", "isfinite", "degrees")},
    "log": _log,
    "log_to_base": njit(lambda a, b: truediv(_log(a), _log(b))),
    "fmod": _number_function("fmod", _remainder, 2),
    "pow": _number_function("pow", float_power, 2),
    "hypot": hypot,
}
"""What stands in the place of the functions of `math`, by name."""

CONSTANTS = {name: getattr(math, name) for name in ("pi", "e", "tau", "inf", "nan")}
