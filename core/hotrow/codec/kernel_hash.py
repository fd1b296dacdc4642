"""XXH64 of whole buffers."""

import numba
import numpy as np

from hotrow.codec.compile import kernel
from hotrow.codec.kernel_memory import address, xxh64
from hotrow.codec.kernel_scan import REQUEST


@kernel(numba.int64(REQUEST))
def hash_octets(octets):
    """XXH64 of some bytes with seed 0, as an int64."""
    return np.int64(xxh64(address(octets), 0, len(octets)))
