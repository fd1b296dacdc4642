"""Python's operators, exactly, where Numba's own would differ.

Numba's integers wrap, Python's never do: here an integer that leaves 64 bits raises, which is that row's
TRANSFORM_ERROR. Floats are the same, but for what raises in Python and gives NaN or infinity in C. `rewrite` puts
these functions in the place of operators and builtins.
"""

import math

import numpy as np
from numba.extending import overload, register_jitable

from hotrow.transforms import kernel_whole
from hotrow.transforms.kernel_overload import (
    is_array,
    is_float,
    is_whole,
    overload_present,
    refuse,
    stub,
)
from hotrow.transforms.kernel_whole import is_whole_array, overload_whole

divide = stub("divide", "a", "b")
overload_whole(divide, kernel_whole.DIVIDE, lambda a, b: np.divide(a, b))

add, sub, mul = stub("add", "a", "b"), stub("sub", "a", "b"), stub("mul", "a", "b")
truediv, floordiv, mod = stub("truediv", "a", "b"), stub("floordiv", "a", "b"), stub("mod", "a", "b")
lshift, rshift, neg = stub("lshift", "a", "b"), stub("rshift", "a", "b"), stub("neg", "a")
invert = stub("invert", "a")

overload_whole(add, kernel_whole.ADD, lambda a, b: a + b)
overload_whole(sub, kernel_whole.SUB, lambda a, b: a - b)
overload_whole(mul, kernel_whole.MUL, lambda a, b: a * b)
overload_whole(floordiv, kernel_whole.FLOORDIV, lambda a, b: a // b)
overload_whole(mod, kernel_whole.MOD, lambda a, b: a % b)
overload_whole(lshift, kernel_whole.LSHIFT, None)
overload_whole(rshift, kernel_whole.RSHIFT, None)


@overload_present(truediv, operands=2)
def _truediv(a, b):
    if is_whole_array(a, b):
        return lambda a, b: divide(a, b)
    if not (is_whole(a) and is_whole(b)):
        return lambda a, b: a / b

    def whole(a, b):
        if np.int64(b) == 0:
            raise ZeroDivisionError("division by zero")
        return divide(a, b)

    return whole


@overload_present(neg, operands=1)
def _neg(a):
    if is_whole(a) or is_whole_array(a):
        return lambda a: sub(np.int64(0), a)
    return lambda a: -a


@overload_present(invert, operands=1)
def _invert(a):
    if is_array(a):
        return lambda a: ~a
    return (lambda a: ~np.int64(a)) if is_whole(a) else None


# Builtins.

int_, float_, abs_, round_ = stub("int_", "a"), stub("float_", "a"), stub("abs_", "a"), stub("round_", "a")


@register_jitable
def whole_of(x):
    """The int64 of a float without a fraction; raises as Python does, and where 64 bits do not hold it."""
    if math.isnan(x):
        raise ValueError("NaN is no integer")
    if not -9223372036854775808.0 <= x < 9223372036854775808.0:
        raise OverflowError("an integer leaves 64 bits")
    return np.int64(x)


@overload_present(int_, operands=1)
def _int(a):
    if is_array(a):
        raise refuse("an integer is made of one number; of an array, write a.astype(numpy.int64)")
    if is_whole(a):
        return lambda a: np.int64(a)
    if is_float(a):
        return lambda a: whole_of(np.trunc(a))
    return None


@overload_present(float_, operands=1)
def _float(a):
    if is_array(a):
        raise refuse("a float is made of one number; of an array, write a.astype(numpy.float64)")
    return (lambda a: np.float64(a)) if is_whole(a) or is_float(a) else None


@overload_present(abs_, operands=1)
def _abs(a):
    if is_whole(a):
        return lambda a: sub(np.int64(0), a) if np.int64(a) < 0 else np.int64(a)
    if is_whole_array(a):
        return lambda a: np.maximum(a, sub(np.int64(0), a))
    return (lambda a: np.abs(a)) if is_array(a) else lambda a: abs(a)


@overload_present(round_, operands=1)
def _round(a):
    if is_whole(a):
        return lambda a: np.int64(a)
    if is_float(a):
        return lambda a: whole_of(np.rint(a))
    return None


into = stub("into", "a", "b")


@overload(into)
def _into(a, b):
    """What `a += ...` leaves in `a`, `b` being the sum: an array is changed in place, whoever else holds it."""
    if not is_array(a):
        return lambda a, b: b
    if not is_array(b) or b.dtype != a.dtype:
        raise refuse("an array is changed in place by values of its own type alone; write a = a + b")

    def filled(a, b):
        a[:] = b
        return a

    return filled
