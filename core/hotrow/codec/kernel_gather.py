"""Brings byte strings together that lie here and there."""

import numba

from hotrow.codec.compile import I64, U8, kernel
from hotrow.codec.kernel_memory import address, copy


@kernel(numba.void(I64, I64, U8))
def gather(addresses, lengths, out):
    """Copy `lengths[i]` bytes from each address to `out`, one after another."""
    to = address(out)
    at = 0
    for i in range(len(addresses)):
        copy(to, at, addresses[i], 0, lengths[i])
        at += lengths[i]
