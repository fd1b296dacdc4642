"""What a transform returns, as the words of a cell: see `hotrow.codec.kernel_decode` for those.

`pack_<type>` gives (is null, word, length). None is null; a type that the output does not take is refused when the
transform is compiled, a number that it does not hold raises.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from hotrow.codec.kernel_memory import address, copy, i32_of_f32, i64_of_f64, set_word, store_u8, store_u32, word, zero
from hotrow.transforms.kernel_cells import ARENA_AT, ARENA_FULL, ARENA_SIZE, ARENA_TOP, ARENA_USED
from hotrow.transforms.kernel_overload import is_float, is_whole, present, refuse, shown, stub
from hotrow.transforms.kernel_term import OneHotType
from hotrow.transforms.kernel_text import TextType
from hotrow.types import BOOL, FLOAT32, FLOAT64, INT32, INT64, LIST, STRING, TIMESTAMP, type_from_kind

_ONE = 0x3F800000  # 1.0 as a float32


@register_jitable
def _float64(value):
    return i64_of_f64(np.float64(value))


@register_jitable
def _float32(value):
    narrow = np.float32(value)
    if math.isinf(narrow) and not math.isinf(value):
        raise OverflowError("a number beyond the range of a float of 32 bits")
    return np.int64(i32_of_f32(narrow))


@register_jitable
def _int64(value):
    return np.int64(value)


@register_jitable
def _int32(value):
    whole = np.int64(value)
    if not -2147483648 <= whole <= 2147483647:
        raise OverflowError("an integer leaves 32 bits")
    return whole


@register_jitable
def _set_half(at, i, value):
    store_u32(at, 4 * i, value)


def _is_number(type_: Any) -> bool:
    return is_float(type_) or (is_whole(type_) and not isinstance(type_, types.Boolean))


def _is_integer(type_: Any) -> bool:
    return is_whole(type_) and not isinstance(type_, types.Boolean)


_WORDS = {
    FLOAT64: (_float64, _is_number),
    FLOAT32: (_float32, _is_number),
    INT64: (_int64, _is_integer),
    INT32: (_int32, _is_integer),
    TIMESTAMP: (_int64, _is_integer),
    BOOL: (_int64, lambda type_: isinstance(type_, types.Boolean)),
}
_HELD = {FLOAT64: types.float64, FLOAT32: types.float32, INT64: types.int64, INT32: types.int32, BOOL: types.boolean}
_HELD[TIMESTAMP] = types.int64
_WIDTHS = {FLOAT64: 8, FLOAT32: 4, INT64: 8, INT32: 4, BOOL: 1, TIMESTAMP: 8}


def _implementation(kind: int, value: Any) -> Any:
    if kind > LIST:
        return _list_implementation(kind - LIST, value)
    if kind == STRING and isinstance(value, TextType):
        return lambda value, arena: (False, value.at, value.size)
    if kind in _WORDS and _WORDS[kind][1](value):
        convert = _WORDS[kind][0]
        return lambda value, arena: (False, convert(value), np.int64(0))
    raise refuse(f"it returns {shown(value)}, and the output is {type_from_kind(kind)}{_remedy(kind, value)}")


def _list_implementation(element: int, value: Any) -> Any:
    if isinstance(value, OneHotType) and element == FLOAT32:
        return _one_hot
    expected = _WORDS[element][1] if element in _WORDS else None
    if not isinstance(value, types.Array) or value.ndim != 1 or expected is None or not expected(value.dtype):
        raise refuse(
            f"it returns {shown(value)}, and the output is {type_from_kind(element + LIST)}; return a NumPy array "
            "of one dimension and that type"
        )
    width, convert = _WIDTHS[element], _WORDS[element][0]
    store = {8: set_word, 4: _set_half, 1: store_u8}[width]
    same = value.layout == "C" and value.dtype == _HELD[element]

    def packed(value, arena):
        size = width * len(value)
        at = word(arena, ARENA_AT) + word(arena, ARENA_USED)
        if word(arena, ARENA_USED) + size + word(arena, ARENA_TOP) + 8 > word(arena, ARENA_SIZE):
            set_word(arena, ARENA_FULL, 1)
            return False, at, np.int64(0)
        if same:
            copy(at, 0, address(value), 0, size)
        else:
            for i in range(len(value)):
                store(at, i, convert(value[i]))
        set_word(arena, ARENA_USED, word(arena, ARENA_USED) + (size + 7) // 8 * 8)
        return False, at, np.int64(size)

    return packed


def _one_hot(value, arena):
    size = 4 * value.size
    at = word(arena, ARENA_AT) + word(arena, ARENA_USED)
    if word(arena, ARENA_USED) + size + word(arena, ARENA_TOP) + 8 > word(arena, ARENA_SIZE):
        set_word(arena, ARENA_FULL, 1)
        return False, at, np.int64(0)
    zero(at, 0, size)
    if value.at >= 0:
        store_u32(at, 4 * value.at, _ONE)
    set_word(arena, ARENA_USED, word(arena, ARENA_USED) + (size + 7) // 8 * 8)
    return False, at, np.int64(size)


def _remedy(kind: int, value: Any) -> str:
    if kind in (INT64, INT32, TIMESTAMP) and is_float(value):
        return "; return int(...), round(...), or declare Float64"
    if isinstance(value, types.Boolean):
        return "; declare Bool"
    if kind == BOOL and is_whole(value):
        return "; return a comparison, or bool(...)"
    return ""


def pack(kind: int) -> Any:
    """The function that packs a value for an output of a kind: `pack(value, arena)`."""
    packed = stub(f"pack_{kind}", "value", "arena")

    def choose(value, arena):
        if isinstance(value, types.NoneType):
            return lambda value, arena: (True, np.int64(0), np.int64(0))
        if isinstance(value, types.Optional):
            _implementation(kind, value.type)

            def optional(value, arena):
                if value is None:
                    return True, np.int64(0), np.int64(0)
                return packed(present(value), arena)

            return optional
        return _implementation(kind, value)

    overload(packed)(choose)
    return packed


def part(number: int, count: int) -> Any:
    """The function that takes the value of an output, by number, from what a function returned for `count` of them.

    None is null for all of them.
    """
    parted = stub(f"part_{number}", "value")

    def choose(value):
        held = value.type if isinstance(value, types.Optional) else value
        if isinstance(held, types.NoneType):
            return lambda value: None
        if not isinstance(held, types.BaseTuple) or len(held) != count:
            one = shown(held) if isinstance(held, types.BaseTuple) else f"one value, {shown(held)}"
            raise refuse(f"it returns {one}, and has {count} outputs; return a tuple of a value for each")
        if held is value:
            return lambda value: value[number]

        def optional(value):
            if value is None:
                return None
            return present(value)[number]

        return optional

    overload(parted)(choose)
    return parted
