"""Sizes that may come from an input: of arrays, and of ranges."""

import numpy as np
from numba import types
from numba.extending import overload

from hotrow.transforms.kernel_operators import sub
from hotrow.transforms.kernel_overload import is_float, is_whole, refuse, stub

MOST = 1 << 24
"""Elements of an array that a function makes: more are an error of its row, and not the end of the process."""


count, counted_range = stub("count", "shape"), stub("counted_range", "a", "b=None", "c=None")


@overload(count)
def _count(shape):
    """A number of elements, or a shape, that there is room for."""
    if isinstance(shape, types.BaseTuple):

        def of_shape(shape):
            size = 1.0
            for one in shape:
                size *= max(one, 1)
            if size > MOST:
                raise ValueError("an array of more than 2**24 elements")
            return shape

        return of_shape
    if not is_whole(shape):
        raise refuse("the size of an array is an integer; write int(...)")

    def of_number(shape):
        if shape > MOST:
            raise ValueError("an array of more than 2**24 elements")
        return shape

    return of_number


@overload(counted_range)
def _counted_range(a, b=None, c=None):
    """`numpy.arange`, of numbers of which the distances are exact."""
    if not all(is_whole(one) or is_float(one) or one is None or isinstance(one, types.Omitted) for one in (a, b, c)):
        raise refuse("numpy.arange takes numbers")

    def made(a, b=None, c=None):
        start, stop = (0, a) if b is None else (a, b)
        step = 1 if c is None else c
        if step == 0 or not abs(start) < 1 << 53 or not abs(stop) < 1 << 53 or not abs(step) < 1 << 53:
            raise ValueError("numpy.arange of numbers beyond 2**53, or in steps of 0")
        if (stop - start) / step > MOST:
            raise ValueError("an array of more than 2**24 elements")
        return np.arange(start, stop, step)

    return made


steps = stub("steps", "a", "b", "c")


@overload(steps)
def _steps(a, b, c):
    """`range(a, b, c)`, whose length Numba computes in 64 bits, by a division that may end the process."""
    if not all(map(is_whole, (a, b, c))):
        raise refuse("range() takes integers")

    def checked(a, b, c):
        start, stop, step = np.int64(a), np.int64(b), np.int64(c)
        if step == 0:
            raise ValueError("range() in steps of 0")
        sub(sub(stop, start), step)
        return range(start, stop, step)

    return checked
