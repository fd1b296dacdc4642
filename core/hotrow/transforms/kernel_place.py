"""The place of a term in a vocabulary, and the counts of terms by their places, in compiled transforms.

Vocabularies are constants of the code, so their addresses are handed on in place of the arrays.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from hotrow.codec.kernel_memory import address, load_u8, load_u32, load_u64, word, xxh64
from hotrow.transforms.kernel_text import same_bytes
from hotrow.transforms.term import BINARY, MULTIPLIER, UNKNOWN

_MULTIPLIER = np.uint64(MULTIPLIER)
_INLINE: Any = {"forceinline": True, "error_model": "numpy"}


@intrinsic
def _as_int(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.uint64), codegen


@register_jitable(**_INLINE)
def _step(digest, octets):
    product = (digest ^ octets) * _MULTIPLIER
    return product ^ (product >> np.uint64(32))


@register_jitable(**_INLINE)
def _high(digest, bits, count):
    return _as_int(digest * _MULTIPLIER >> np.uint64(bits)) & (count - 1)


@register_jitable(**_INLINE)
def mixed(at, size):
    """What `hotrow.transforms.term` finds the place of a term in the table by."""
    digest = np.uint64(size)
    if size >= 8:
        i = np.int64(0)
        while i + 8 < size:
            digest = _step(digest, load_u64(at, i))
            i += 8
        return _step(digest, load_u64(at, size - 8))
    if size >= 4:
        return _step(digest, np.uint64(load_u32(at, 0)) | (np.uint64(load_u32(at, size - 4)) << np.uint64(32)))
    if size > 0:
        first, middle = np.uint64(load_u8(at, 0)), np.uint64(load_u8(at, size // 2))
        last = np.uint64(load_u8(at, size - 1))
        return _step(digest, first | (middle << np.uint64(8)) | (last << np.uint64(16)))
    return digest


@register_jitable(**_INLINE)
def equal(at, other, size):
    """Whether `size` bytes at two addresses are equal: eight at a time, the last ones with some before them."""
    if size >= 8:
        i = np.int64(0)
        while i + 8 < size:
            if load_u64(at, i) != load_u64(other, i):
                return False
            i += 8
        return load_u64(at, size - 8) == load_u64(other, size - 8)
    if size >= 4:
        return load_u32(at, 0) == load_u32(other, 0) and load_u32(at, size - 4) == load_u32(other, size - 4)
    return same_bytes(at, other, size)


@register_jitable
def place_of(at, size, places):
    """The number of a term in a vocabulary, -1 for none; of a hashed one what its hash leaves.

    `places` are the addresses of octets, ends and table, the number of slots, 0 where terms are hashed, and the length
    of the vector.
    """
    if places[3] == 0:
        return _as_int(xxh64(at, np.int64(0), size)) % places[4]
    return number_of(at, size, places)


@register_jitable(**_INLINE)
def number_of(at, size, places):
    """The number of a term in a vocabulary, -1 for none."""
    octets, ends, table, slots, _ = places
    digest = mixed(at, size)
    turn = np.uint64(word(table, slots + _high(digest, 48, slots // 4)))
    slot = _high(digest ^ turn, 32, slots)
    while True:
        number = word(table, slot)
        if number == 0:
            return np.int64(-1)
        start = word(ends, number - 2) if number > 1 else np.int64(0)
        if word(ends, number - 1) - start == size and equal(octets + start, at, size):
            return number - 1
        slot = (slot + 1) & (slots - 1)


@register_jitable(**_INLINE)
def places_of(settings, octets, ends, table):
    """What `place_of` takes."""
    return address(octets), address(ends), address(table), np.int64(len(table) // 5 * 4), np.int64(settings[3])


@register_jitable
def count(counts, at, size, flags, places):
    """Count a term."""
    place = place_of(at, size, places)
    if place < 0:
        if flags & UNKNOWN == 0:
            return
        place = places[4] - 1
    if flags & BINARY:
        counts[place] = np.float32(1.0)
    else:
        counts[place] += np.float32(1.0)
