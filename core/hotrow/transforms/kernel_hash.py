"""`hotrow.hash64` in compiled transforms."""

import numpy as np
from numba.extending import overload, register_jitable

from hotrow.codec.kernel_memory import PRIME_1, PRIME_2, PRIME_3, PRIME_4, PRIME_5, xxh64
from hotrow.transforms.kernel_overload import is_optional, is_whole, present, refuse, stub
from hotrow.transforms.kernel_text import TextType

hash64 = stub("hash64", "value")


@register_jitable
def _rotated(value, bits):
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@register_jitable
def hash_word(value):
    """XXH64 of the eight bytes of an int64: what `xxh64` does with them, without their being in memory."""
    digest = PRIME_5 + np.uint64(8)
    digest = digest ^ (_rotated(np.uint64(value) * PRIME_2, 31) * PRIME_1)
    digest = _rotated(digest, 27) * PRIME_1 + PRIME_4
    digest = (digest ^ (digest >> np.uint64(33))) * PRIME_2
    digest = (digest ^ (digest >> np.uint64(29))) * PRIME_3
    return np.int64(digest ^ (digest >> np.uint64(32)))


@overload(hash64)
def _hash64(value):
    if is_optional(value):
        return lambda value: hash64(present(value))
    if isinstance(value, TextType):
        return lambda value: np.int64(xxh64(value.at, np.int64(0), value.size))
    if is_whole(value):
        return lambda value: hash_word(np.int64(value))
    raise refuse("hash64 takes a string or an integer: equal floats may differ in their bits")
