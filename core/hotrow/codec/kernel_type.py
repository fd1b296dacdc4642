"""Shows Numba each type of argument that kernels take, once a process.

It looks a type up when it first sees a value of it: 0.1 ms a type, and 10 ms for the first array of all, for which it
imports a part of NumPy. Without this the first request of a worker would pay.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, I64_TABLE, U8, U8_READ, kernel
from hotrow.codec.kernel_scan import REQUEST


@kernel(numba.void(U8, U8_READ, I64, I64_READ, I64_TABLE, REQUEST, numba.int64))
def see(octets, octets_read, words, words_read, table, request, number):
    """Takes one value of each type."""


def see_types() -> None:
    """Called where kernels are first imported for use."""
    octets, words = np.zeros(1, np.uint8), np.zeros(1, np.int64)
    octets_read, words_read = octets.copy(), words.copy()
    octets_read.setflags(write=False)
    words_read.setflags(write=False)
    see(octets, octets_read, words, words_read, np.zeros((1, 1), np.int64), b"", 0)
