"""The values of cells as compiled transforms take them: floats and integers of 64 bits, bools, strings, arrays.

A cell is a word of 8 bytes, with a length beside it for strings and lists, as `hotrow.codec.kernel_decode` leaves
them. Float32 widens to a float of 64 bits, Int32 to an integer of 64 bits; the elements of lists likewise.
"""

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, register_jitable

from hotrow.codec.kernel_memory import (
    f32_of_i32,
    f64_of_i64,
    load_i32,
    load_i64,
    load_u8,
    set_word,
    store_u8,
    word,
)
from hotrow.transforms.kernel_text import text
from hotrow.transforms.kernel_text_list import text_list
from hotrow.types import BOOL, FLOAT32, FLOAT64, INT32, INT64, LIST, STRING, TIMESTAMP

ARENA_AT, ARENA_SIZE, ARENA_USED, ARENA_FULL, ARENA_TOP = 0, 1, 2, 3, 4

PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE, TRANSFORM_ERROR = 1, 2, 3, 4, 5


@register_jitable
def worse(status, other):
    """What a row has that needs two values: the status that says more. An error, no row, too old, null, present."""
    if status == TRANSFORM_ERROR or other == TRANSFORM_ERROR:
        return TRANSFORM_ERROR
    if status == NOT_FOUND or other == NOT_FOUND:
        return NOT_FOUND
    return max(status, other)


@register_jitable
def put(cells, lengths, statuses, cell, status, value, length):
    """Fill a cell; what is not present is 0."""
    present = status == PRESENT
    set_word(cells, cell, value if present else np.int64(0))
    set_word(lengths, cell, length if present else np.int64(0))
    store_u8(statuses, cell, status)


@register_jitable
def _float64(cells, lengths, base, cell, arena):
    return f64_of_i64(word(cells, cell))


@register_jitable
def _float32(cells, lengths, base, cell, arena):
    return np.float64(f32_of_i32(np.int32(word(cells, cell))))


@register_jitable
def _int64(cells, lengths, base, cell, arena):
    return word(cells, cell)


@register_jitable
def _bool(cells, lengths, base, cell, arena):
    return word(cells, cell) != 0


@register_jitable
def _string(cells, lengths, base, cell, arena):
    return text(base + word(cells, cell), word(lengths, cell))


@register_jitable
def taken_from_end(arena, size):
    """The address of some bytes for the inputs of one row; 0 where the arena is too small, which it then says."""
    top = word(arena, ARENA_TOP) + (size + 7) // 8 * 8
    if word(arena, ARENA_USED) + top > word(arena, ARENA_SIZE):
        set_word(arena, ARENA_FULL, 1)
        return np.int64(0)
    set_word(arena, ARENA_TOP, top)
    return word(arena, ARENA_AT) + word(arena, ARENA_SIZE) - top


@intrinsic
def _elements_at(typingctx: Any, at: Any, dtype: Any) -> Any:
    """An address as a pointer to elements."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(dtype.dtype)(types.int64, dtype), codegen


@register_jitable
def _strings(cells, lengths, base, cell, arena):
    return text_list(base + word(cells, cell), word(lengths, cell))


def _list(element: int) -> Any:
    dtype = {FLOAT64: np.float64, FLOAT32: np.float64, BOOL: np.bool_}.get(element, np.int64)
    width = {FLOAT32: 4, INT32: 4, BOOL: 1}.get(element, 8)

    @register_jitable
    def taken(at, i):
        if element == FLOAT64:
            return f64_of_i64(load_i64(at, 8 * i))
        if element == FLOAT32:
            return np.float64(f32_of_i32(load_i32(at, 4 * i)))
        if element == INT32:
            return np.int64(load_i32(at, 4 * i))
        if element == BOOL:
            return load_u8(at, i) != 0
        return load_i64(at, 8 * i)

    @register_jitable
    def array(cells, lengths, base, cell, arena):
        """In the arena, and not allocated: Numba never frees what is alive when a function raises."""
        count = word(lengths, cell) // width
        at = taken_from_end(arena, 8 * count)
        if at == 0:
            count = np.int64(0)
        made = numba.carray(_elements_at(at, dtype), (count,))
        for i in range(count):
            made[i] = taken(base + word(cells, cell), i)
        return made

    return array


LOADERS: dict[int, Any] = {
    FLOAT64: _float64,
    FLOAT32: _float32,
    INT64: _int64,
    INT32: _int64,
    TIMESTAMP: _int64,
    BOOL: _bool,
    STRING: _string,
    LIST + STRING: _strings,
    **{LIST + element: _list(element) for element in (FLOAT64, FLOAT32, INT64, INT32, BOOL, TIMESTAMP)},
}
"""By kind: `load(cells, lengths, base, cell, arena)`. Kinds that are not here have no form in compiled code."""
