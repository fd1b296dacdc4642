"""Python's operators, exactly, where Numba's own would differ.

Numba's integers wrap, Python's never do: here an integer that leaves 64 bits raises, which is that row's
TRANSFORM_ERROR. Floats are the same, but for what raises in Python and gives NaN or infinity in C. `rewrite` puts
these functions in the place of operators and builtins.
"""

import math
import operator
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from hotrow.transforms.kernel_overload import (
    Stub,
    is_array,
    is_float,
    is_whole,
    overload_present,
    refuse,
    stub,
)

EXACT = 1 << 53
"""Integers up to here are floats too; beyond it a float of an integer may be another number."""


def _whole(*operands: Any) -> bool:
    return all(is_whole(operand) for operand in operands)


@intrinsic
def _multiplied(typingctx: Any, a: Any, b: Any) -> Any:
    """(product, whether it left 64 bits) of two int64."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        both = builder.smul_with_overflow(*arguments)
        product, over = builder.extract_value(both, 0), builder.extract_value(both, 1)
        return context.make_tuple(builder, signature.return_type, (product, over))

    return types.Tuple((types.int64, types.boolean))(types.int64, types.int64), codegen


@register_jitable
def times(a, b):
    """The product of two int64; raises OverflowError."""
    product, over = _multiplied(a, b)
    if over:
        raise OverflowError("an integer leaves 64 bits")
    return product


def _plain(operation: Any) -> Stub:
    return {
        operator.add: lambda a, b: a + b,
        operator.sub: lambda a, b: a - b,
        operator.mul: lambda a, b: a * b,
        operator.truediv: lambda a, b: a / b,
        operator.floordiv: lambda a, b: a // b,
        operator.mod: lambda a, b: a % b,
    }[operation]


add, sub, mul = stub("add", "a", "b"), stub("sub", "a", "b"), stub("mul", "a", "b")
truediv, floordiv, mod = stub("truediv", "a", "b"), stub("floordiv", "a", "b"), stub("mod", "a", "b")
lshift, rshift, neg = stub("lshift", "a", "b"), stub("rshift", "a", "b"), stub("neg", "a")
invert = stub("invert", "a")


@overload_present(add, operands=2)
def _add(a, b):
    if not _whole(a, b):
        return _plain(operator.add)

    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        total = x + y
        if ((x ^ total) & (y ^ total)) < 0:
            raise OverflowError("an integer leaves 64 bits")
        return total

    return whole


@overload_present(sub, operands=2)
def _sub(a, b):
    if not _whole(a, b):
        return _plain(operator.sub)

    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        difference = x - y
        if ((x ^ y) & (x ^ difference)) < 0:
            raise OverflowError("an integer leaves 64 bits")
        return difference

    return whole


@overload_present(mul, operands=2)
def _mul(a, b):
    if _whole(a, b):
        return lambda a, b: times(np.int64(a), np.int64(b))
    return _plain(operator.mul)


@overload_present(truediv, operands=2)
def _truediv(a, b):
    if not _whole(a, b):
        return _plain(operator.truediv)

    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        if not (-EXACT <= x <= EXACT and -EXACT <= y <= EXACT):
            raise OverflowError("integers beyond 2**53 are divided by // alone")
        return x / y

    return whole


@overload_present(floordiv, operands=2)
def _floordiv(a, b):
    if not _whole(a, b):
        return _plain(operator.floordiv)

    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        if y == -1:
            return times(x, y)
        return x // y

    return whole


@overload_present(mod, operands=2)
def _mod(a, b):
    if not _whole(a, b):
        return _plain(operator.mod)

    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        return np.int64(0) if y == -1 else x % y

    return whole


@overload_present(lshift, operands=2)
def _lshift(a, b):
    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        if y < 0:
            raise ValueError("a shift by less than nothing")
        if x == 0:
            return x
        if y > 63 or (x << y) >> y != x:
            raise OverflowError("an integer leaves 64 bits")
        return x << y

    return whole if _whole(a, b) else None


@overload_present(rshift, operands=2)
def _rshift(a, b):
    def whole(a, b):
        x, y = np.int64(a), np.int64(b)
        if y < 0:
            raise ValueError("a shift by less than nothing")
        return x >> min(y, np.int64(63))

    return whole if _whole(a, b) else None


@overload_present(neg, operands=1)
def _neg(a):
    if not is_whole(a):
        return lambda a: -a
    return lambda a: times(np.int64(a), np.int64(-1))


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
    if is_whole(a):
        return lambda a: np.int64(a)
    if is_float(a):
        return lambda a: whole_of(np.trunc(a))
    return None


@overload_present(float_, operands=1)
def _float(a):
    return (lambda a: np.float64(a)) if is_whole(a) or is_float(a) else None


@overload_present(abs_, operands=1)
def _abs(a):
    if is_whole(a):
        return lambda a: times(np.int64(a), np.int64(-1)) if np.int64(a) < 0 else np.int64(a)
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
