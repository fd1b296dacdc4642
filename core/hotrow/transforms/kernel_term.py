"""The functions of `hotrow.transforms.term` in compiled transforms: terms are slices of UTF-8, none is copied.

Vocabularies are constants of the code, so their addresses are handed on in place of the arrays.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, make_attribute_wrapper, models, overload, register_jitable, register_model

from hotrow.codec.kernel_memory import address, load_u8, load_u32, load_u64, word, xxh64
from hotrow.transforms.kernel_overload import stub
from hotrow.transforms.kernel_text import TextType, find_bytes, same_bytes
from hotrow.transforms.kernel_text_list import HEAD, TextListType, string_at
from hotrow.transforms.term import BINARY, MULTIPLIER, UNKNOWN

_MULTIPLIER = np.uint64(MULTIPLIER)
_VOCABULARY = ("settings", "octets", "ends", "table")
text_place = stub("text_place", "value", *_VOCABULARY)
list_counts = stub("list_counts", "value", *_VOCABULARY)
split_counts = stub("split_counts", "value", "separator", *_VOCABULARY)
char_counts = stub("char_counts", "value", *_VOCABULARY)
word_counts = stub("word_counts", "value", *_VOCABULARY)
one_hot = stub("one_hot", "place", "width")

_INLINE: Any = {"forceinline": True, "error_model": "numpy"}
FUNCTIONS = {
    "text_place": text_place,
    "list_counts": list_counts,
    "split_counts": split_counts,
    "char_counts": char_counts,
    "word_counts": word_counts,
    "one_hot": one_hot,
}
"""By the name that they have in `hotrow.transforms.term`."""


class OneHotType(types.Type):
    """The Numba type of a vector of zeros with a 1 at `at`, of `size` numbers: `kernel_pack` writes it where it goes.

    A vector in memory of its own would take several times what finding the place takes.
    """

    def __init__(self) -> None:
        super().__init__(name="OneHot")


ONE_HOT = OneHotType()


@register_model(OneHotType)
class _OneHotModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, [("at", types.int64), ("size", types.int64)])


make_attribute_wrapper(OneHotType, "at", "at")
make_attribute_wrapper(OneHotType, "size", "size")


@intrinsic
def one_hot_of(typingctx: Any, place: Any, size: Any) -> Any:
    """The vector of `size` numbers with a 1 at `place`, nowhere where that is less than 0."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = cgutils.create_struct_proxy(ONE_HOT)(context, builder)
        made.at, made.size = arguments
        return made._getvalue()  # noqa: SLF001 - how Numba's own code makes a struct

    return ONE_HOT(types.int64, types.int64), codegen


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


@overload(one_hot, jit_options=_INLINE)
def _one_hot(place, width):
    return lambda place, width: one_hot_of(np.int64(place), np.int64(width))


@overload(text_place, jit_options=_INLINE)
def _text_place(value, settings, octets, ends, table):
    if not isinstance(value, TextType):
        return None

    def found(value, settings, octets, ends, table):
        place = number_of(value.at, value.size, places_of(settings, octets, ends, table))
        if place < 0 and settings[2] & UNKNOWN:
            place = np.int64(settings[3]) - 1
        return place

    return found


@overload(list_counts)
def _list_counts(value, settings, octets, ends, table):
    if not isinstance(value, TextListType):
        return None

    def counted(value, settings, octets, ends, table):
        counts = np.zeros(settings[3], np.float32)
        places = places_of(settings, octets, ends, table)
        at = HEAD
        while at < value.size:
            one, at = string_at(value, at)
            if one.size:
                count(counts, one.at, one.size, settings[2], places)
        return counts

    return counted


@overload(split_counts)
def _split_counts(value, separator, settings, octets, ends, table):
    if not isinstance(value, TextType):
        return None

    def counted(value, separator, settings, octets, ends, table):
        counts = np.zeros(settings[3], np.float32)
        places = places_of(settings, octets, ends, table)
        start = 0
        while start <= value.size:
            end = find_bytes(value, separator, start)
            end = value.size if end < 0 else end
            if end > start:
                count(counts, value.at + start, end - start, settings[2], places)
            start = end + separator.size
        return counts

    return counted


@overload(char_counts)
def _char_counts(value, settings, octets, ends, table):
    if not isinstance(value, TextType):
        return None
    from hotrow.transforms.kernel_words import counted_chars  # noqa: PLC0415 - makes the tables of Unicode

    def counted(value, settings, octets, ends, table):
        counts = np.zeros(settings[3], np.float32)
        counted_chars(counts, value, settings, places_of(settings, octets, ends, table))
        return counts

    return counted


@overload(word_counts)
def _word_counts(value, settings, octets, ends, table):
    if not isinstance(value, TextType):
        return None
    from hotrow.transforms.kernel_words import counted_words  # noqa: PLC0415

    def counted(value, settings, octets, ends, table):
        counts = np.zeros(settings[3], np.float32)
        counted_words(counts, value, settings, places_of(settings, octets, ends, table))
        return counts

    return counted
