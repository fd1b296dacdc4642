"""The functions of `hotrow.transforms.term` in compiled transforms: terms are slices of UTF-8, none is copied."""

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, make_attribute_wrapper, models, overload, register_model

from hotrow.transforms.kernel_overload import stub
from hotrow.transforms.kernel_place import count, number_of, places_of
from hotrow.transforms.kernel_text import TextType, find_bytes
from hotrow.transforms.kernel_text_list import HEAD, TextListType, string_at
from hotrow.transforms.term import UNKNOWN

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
