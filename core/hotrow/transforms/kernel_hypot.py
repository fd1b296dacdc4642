"""`math.hypot` as CPython computes it, which the C library's differs from in the last bit of one result in a thousand.

The algorithm is `vector_norm` of CPython's Modules/mathmodule.c (3.10 and later): scale by a power of two, add the
squares in twice the precision, and correct the root once.
"""

import math

import numpy as np
from numba.extending import overload, register_jitable

from hotrow.transforms.kernel_overload import check_numbers, stub

_SPLIT = 134217729.0  # 2**27 + 1: cuts a float into two halves of 26 bits (Veltkamp)
_LEAST = 2.2250738585072014e-308  # the smallest float that is not subnormal


@register_jitable
def _product(x, y):
    """(x * y, what rounding it lost), exactly (Dekker)."""
    scaled = x * _SPLIT
    x_high = scaled - (scaled - x)
    x_low = x - x_high
    scaled = y * _SPLIT
    y_high = scaled - (scaled - y)
    y_low = y - y_high
    product = x * y
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


@register_jitable
def _norm(values, largest):
    """The root of the sum of squares of numbers that are not negative, the largest finite and not subnormal."""
    _, exponent = math.frexp(largest)
    scale = math.ldexp(1.0, -exponent)
    total, lost_by_squares, lost_by_sums = 1.0, 0.0, 0.0
    for value in values:
        square, low = _product(value * scale, value * scale)
        added = total + square
        lost_by_sums += (total - added) + square
        lost_by_squares += low
        total = added
    root = math.sqrt(total - 1.0 + (lost_by_squares + lost_by_sums))
    square, low = _product(-root, root)
    added = total + square
    lost_by_sums += (total - added) + square
    lost_by_squares += low
    root += (added - 1.0 + (lost_by_squares + lost_by_sums)) / (2.0 * root)
    return root / scale


hypot = stub("hypot", "values")


@overload(hypot)
def _hypot(values):
    """Of a tuple of numbers."""
    check_numbers("math.hypot", *values)
    if len(values) == 0:
        return lambda values: 0.0
    items = ", ".join(f"abs(np.float64(values[{place}]))" for place in range(len(values)))
    scope = {"np": np}
    exec(f"def floats(values):\n    return ({items},)\n", scope)  # noqa: S102 - from here
    floats = register_jitable(scope["floats"])

    def norm(values):
        sizes = floats(values)
        largest, is_nan = 0.0, False
        for size in sizes:
            is_nan = is_nan or math.isnan(size)
            if size > largest:
                largest = size
        if math.isinf(largest):
            return largest
        if is_nan:
            return np.nan
        if largest == 0.0 or len(sizes) == 1:
            return largest
        if largest >= _LEAST:
            return _norm(sizes, largest)
        scaled = [size / _LEAST for size in sizes]  # subnormals, whose scale would leave the floats
        return _LEAST * _norm(scaled, largest / _LEAST)

    return norm
