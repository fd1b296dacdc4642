"""Lists of strings in compiled transforms: a look at one as a row has it, nothing is copied.

A row has 4 bytes with the number of strings, then for each 0x0A, its length as a varint, and its UTF-8.
"""

import operator
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, make_attribute_wrapper, models, overload, register_jitable, register_model

from hotrow.codec.kernel_memory import load_u32, read_varint
from hotrow.transforms.kernel_overload import is_whole
from hotrow.transforms.kernel_text import text

HEAD = 4  # bytes before the first string


class TextListType(types.Type):
    """The Numba type of a list of strings of a transform."""

    def __init__(self) -> None:
        super().__init__(name="TextList")


TEXT_LIST = TextListType()


@register_model(TextListType)
class _TextListModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, [("at", types.int64), ("size", types.int64)])


make_attribute_wrapper(TextListType, "at", "at")
make_attribute_wrapper(TextListType, "size", "size")


@intrinsic
def text_list(typingctx: Any, at: Any, size: Any) -> Any:
    """The list whose form in a row has `size` bytes at an address; no bytes are an empty list."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = cgutils.create_struct_proxy(TEXT_LIST)(context, builder)
        made.at, made.size = arguments
        return made._getvalue()  # noqa: SLF001 - how Numba's own code makes a struct

    return TEXT_LIST(types.int64, types.int64), codegen


@register_jitable
def string_at(values, at):
    """The string whose 0x0A is `at` bytes behind the beginning of a list, and where the next is."""
    length, start = read_varint(values.at, at + 1, values.size)
    return text(values.at + start, length), start + length


@register_jitable
def length_of(values):
    """How many strings a list has."""
    return int(load_u32(values.at, 0)) if values.size else 0


@overload(len)
def _len(values):
    return (lambda values: length_of(values)) if isinstance(values, TextListType) else None


@overload(operator.getitem)
def _getitem(values, index):
    if not isinstance(values, TextListType) or not is_whole(index):
        return None

    def item(values, index):
        number = index if index >= 0 else index + length_of(values)
        if number < 0 or number >= length_of(values):
            raise IndexError("list index out of range")
        at = HEAD
        for _ in range(number):
            at = string_at(values, at)[1]
        return string_at(values, at)[0]

    return item
