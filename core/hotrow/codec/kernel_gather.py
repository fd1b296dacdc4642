"""Brings together what lies here and there: byte strings, and values of one width."""

import numba
import numpy as np

from hotrow.codec.compile import I64, U8, kernel
from hotrow.codec.kernel_memory import address, copy, load_i64, load_u8, load_u32, store_i64, store_u8, store_u32, word


@kernel(numba.void(I64, I64, U8))
def gather(addresses, lengths, out):
    """Copy `lengths[i]` bytes from each address to `out`, one after another."""
    to = address(out)
    at = 0
    for i in range(len(addresses)):
        copy(to, at, addresses[i], 0, lengths[i])
        at += lengths[i]


@kernel(numba.void(I64, I64, I64, numba.int64, U8), nogil=True)
def gather_values(rows, pieces, addresses, width, out):
    """Copy values of `width` bytes, 1, 4 or 8, to `out`: value i is that of row `rows[i]`, which is in the piece
    `pieces[i]`. `addresses` has where row 0 would be if the piece began with it.
    """
    to, where = address(out), address(addresses)
    wanted, held = address(rows), address(pieces)
    for i in range(len(rows)):
        at = word(where, word(held, i)) + width * word(wanted, i)
        if width == 8:
            store_i64(to, 8 * i, load_i64(at, 0))
        elif width == 4:
            store_u32(to, 4 * i, np.int64(load_u32(at, 0)))
        else:
            store_u8(to, i, np.int64(load_u8(at, 0)))
