"""Arithmetic of integers: which operands have no result in 64 bits, and the result of all others.

Numba's integers wrap, and a processor ends the process over -2**63 // -1. Here each operation has two functions of two
int64: `fault` says whether Python would raise or the result would leave 64 bits, and `value` is asked only where it
would not. Numbers and arrays use the same two; a fault is an error of the row, or of the rows of the array.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, register_jitable

from hotrow.transforms.kernel_overload import Stub, held, is_array, is_whole, overload_present, refuse

EXACT = 1 << 53
"""Integers up to here are floats too; beyond it a float of an integer may be another number."""

LEAST = -(1 << 63)


class Operation(NamedTuple):
    """`fault` and `value` of two int64."""

    fault: Callable[[Any, Any], Any]
    value: Callable[[Any, Any], Any]


@intrinsic
def multiplied(typingctx: Any, a: Any, b: Any) -> Any:
    """(product, whether it left 64 bits) of two int64."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        both = builder.smul_with_overflow(*arguments)
        product, over = builder.extract_value(both, 0), builder.extract_value(both, 1)
        return context.make_tuple(builder, signature.return_type, (product, over))

    return types.Tuple((types.int64, types.boolean))(types.int64, types.int64), codegen


def _operation(fault: Callable[[Any, Any], Any], value: Callable[[Any, Any], Any]) -> Operation:
    return Operation(register_jitable(fault), register_jitable(value))


def _shifted_out(x, y):
    return y < 0 or (x != 0 and (y > 63 or (x << y) >> y != x))


def _truncated(x, y):
    """The remainder of a division that rounds to 0, which has the sign of `x`: `fmod` of integers."""
    if y == -1:
        return np.int64(0)
    rest = x % y
    return rest - y if rest != 0 and (rest ^ x) < 0 else rest


@register_jitable
def _raised(x, y):
    """(x ** y, whether it left 64 bits); `y` is not negative."""
    result, base, left, over = np.int64(1), x, y, False
    while left > 0:
        if left & 1:
            result, one = multiplied(result, base)
            over = over or one
        left >>= 1
        if left > 0:
            base, one = multiplied(base, base)
            over = over or one
    return result, over


ADD = _operation(lambda x, y: ((x ^ (x + y)) & (y ^ (x + y))) < 0, lambda x, y: x + y)
SUB = _operation(lambda x, y: ((x ^ y) & (x ^ (x - y))) < 0, lambda x, y: x - y)
MUL = _operation(lambda x, y: multiplied(x, y)[1], lambda x, y: multiplied(x, y)[0])
FLOORDIV = _operation(lambda x, y: y == 0 or (y == -1 and x == LEAST), lambda x, y: -x if y == -1 else x // y)
MOD = _operation(lambda x, y: y == 0, lambda x, y: np.int64(0) if y == -1 else x % y)
FMOD = _operation(lambda x, y: y == 0, _truncated)
LSHIFT = _operation(_shifted_out, lambda x, y: x if x == 0 else x << y)
RSHIFT = _operation(lambda x, y: y < 0, lambda x, y: x >> min(y, np.int64(63)))
POWER = _operation(lambda x, y: y < 0 or _raised(x, y)[1], lambda x, y: _raised(x, y)[0])
DIVIDE = _operation(
    lambda x, y: not (-EXACT <= x <= EXACT and -EXACT <= y <= EXACT), lambda x, y: np.divide(np.float64(x), y)
)
"""The quotient as a float, by NumPy: infinity or NaN for a divisor of 0."""


def is_whole_array(*operands: Any) -> bool:
    """Whether an operator of these works on arrays of integers; refuses those that hold bools alone, or uint64."""
    kinds = [held(operand) for operand in operands]
    if not is_array(*operands) or not all(map(is_whole, kinds)):
        return False
    if types.uint64 in kinds:
        raise refuse("an array of uint64 holds what 64 bits with a sign do not; make it an array of numpy.int64")
    return not all(kind == types.boolean for kind in kinds)


def overload_whole(function: Stub, operation: Operation, plain: Stub | None) -> None:
    """Overload a function of two operands: `operation` of integers and their arrays, `plain` of all else."""
    fault, value = operation
    faults = numba.vectorize(lambda a, b: fault(np.int64(a), np.int64(b)))
    values = numba.vectorize(lambda a, b: value(np.int64(a), np.int64(b)))

    def numbers(a, b):
        x, y = np.int64(a), np.int64(b)
        if fault(x, y):
            raise OverflowError("an integer leaves 64 bits, or a division by 0")
        return value(x, y)

    def arrays(a, b):
        if np.any(faults(a, b)):  # before anything is made that the error would leave behind
            raise OverflowError("an integer leaves 64 bits, or a division by 0")
        return values(a, b)

    @overload_present(function, operands=2)
    def _choose(a, b):
        if is_whole(a) and is_whole(b):
            return numbers
        return arrays if is_whole_array(a, b) else plain
