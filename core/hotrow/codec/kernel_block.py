"""Many rows in one go: their encoding, and what a store does with a block of them."""

import numba
import numpy as np

from hotrow.codec.compile import I64, U8, kernel
from hotrow.codec.kernel_memory import SIGN, address, byte_swap, copy, load_i64, store_u8, word
from hotrow.codec.kernel_row import ENCODES, HEADER, encode_rows

WRITTEN, SKIPPED_STALE = 1, 2  # as in hotrow.stores.port
_VERSION = 16  # where that of a row starts, of two words


@kernel(ENCODES, nogil=True)
def encode_many_rows(request, scanned, plan, constants, clocks, rows_out, results, work):
    """As `encode_rows`, while other threads run, of which one commits, and takes the interpreter anew for each row. It
    is not let go for a few rows, of which that would be a part of the cost.
    """
    return encode_rows(request, scanned, plan, constants, clocks, rows_out, results, work)


@kernel(numba.void(U8, I64, I64, U8))
def pack_keys(buffer, starts, offsets, keys):
    """Copy keys, which begin at `starts` in `buffer`, one behind another, so that each begins at its offset."""
    data, out = address(buffer), address(keys)
    for r in range(len(starts)):
        at = word(address(offsets), r)
        copy(out, at, data, word(address(starts), r), word(address(offsets), r + 1) - at)


@kernel(numba.int64(U8, I64, U8, I64, U8))
def compare_versions(buffer, rows, stored, starts, outcomes):
    """Set for each row, which begins at `rows` in `buffer`, what a compare-and-set comes to, over the stored row in
    `stored[starts[i] : starts[i + 1]]`, empty where there is none. Returns how many are to be written.
    """
    data, held, out = address(buffer), address(stored), address(outcomes)
    written = np.int64(0)
    for r in range(len(rows)):
        at, end = word(address(starts), r), word(address(starts), r + 1)
        newer = end - at < HEADER  # no row, or what is left of a damaged one
        if not newer:
            row = word(address(rows), r) + _VERSION
            one, other = load_i64(data, row), load_i64(held, at + _VERSION)
            if one == other:
                one, other = load_i64(data, row + 8), load_i64(held, at + _VERSION + 8)
            newer = byte_swap(one) ^ SIGN > byte_swap(other) ^ SIGN
        store_u8(out, r, np.int64(WRITTEN) if newer else np.int64(SKIPPED_STALE))
        written += newer
    return written
