"""Copies and converts the values of a push into a row's blocks. The layout of a row stands in `hotrow.codec.row`."""

import numpy as np

from hotrow.codec.compile import part
from hotrow.codec.kernel_key import NOT_UTF8, OUT_OF_RANGE, next_text
from hotrow.codec.kernel_match import RAGGED
from hotrow.codec.kernel_memory import (
    copy,
    f32_of_i32,
    f64_of_i64,
    i32_of_f32,
    i64_of_f64,
    is_utf8,
    load_i32,
    load_i64,
    load_u8,
    store_i64,
    store_u8,
    store_u32,
    word,
)
from hotrow.codec.kernel_scan import BLOCK, BLOCK_LENGTH, KIND


@part
def scalar_width(kind):
    if kind == 2 or kind == 4:
        return 4
    return 1 if kind == 5 else 8


@part
def _put_whole(value, out, to, wanted):
    """Store a float as an integer; False where it is not whole, or beyond the range."""
    limit = np.float64(2.0**63) if wanted == 3 else np.float64(2.0**31)
    if not (value >= -limit and value < limit):
        return False
    whole = np.int64(value)
    if wanted == 3:
        store_i64(out, to, whole)
    else:
        store_u32(out, to, whole)
    return np.float64(whole) == value


@part
def put_number(data, at, source, out, to, wanted):
    """Copy or convert one fixed-width value; False where it does not fit the wanted type.

    A float takes the nearest value, rounded once; an integer takes what is whole. It is the rule of `hotrow.number`.
    """
    if source == wanted:
        if scalar_width(wanted) == 8:
            store_i64(out, to, load_i64(data, at))
        elif scalar_width(wanted) == 4:
            store_u32(out, to, np.int64(load_i32(data, at)))
        else:
            store_u8(out, to, np.int64(load_u8(data, at)))
        return True
    if source == 3 or source == 4:
        value = np.int64(load_i32(data, at)) if source == 4 else load_i64(data, at)
        if wanted == 3:
            store_i64(out, to, value)
            return True
        if wanted == 4:
            store_u32(out, to, value)
            return value >= -(2**31) and value < 2**31
        if wanted == 1:
            store_i64(out, to, i64_of_f64(np.float64(value)))
        else:
            store_u32(out, to, np.int64(i32_of_f32(np.float32(value))))
        return True
    wide = f64_of_i64(load_i64(data, at)) if source == 1 else np.float64(f32_of_i32(load_i32(data, at)))
    if wanted == 3 or wanted == 4:
        return _put_whole(wide, out, to, wanted)
    if wanted == 1:
        store_i64(out, to, i64_of_f64(wide))
        return True
    narrow = np.float32(wide)
    store_u32(out, to, np.int64(i32_of_f32(narrow)))
    return not (np.isinf(narrow) and not np.isinf(wide))


@part
def is_nan_of_whole(data, column, r, wanted):
    """Whether row `r` of a column of floats is a NaN where an integer is wanted: such a value is a null."""
    source = word(column, KIND)
    if (wanted != 3 and wanted != 4) or (source != 1 and source != 2):
        return False
    at = word(column, BLOCK) + r * scalar_width(source)
    wide = f64_of_i64(load_i64(data, at)) if source == 1 else np.float64(f32_of_i32(load_i32(data, at)))
    return np.isnan(wide)


@part
def put_text(data, start, end, kind, out, at):
    if kind == 6 and not is_utf8(data, start, end):
        return np.int64(NOT_UTF8)
    copy(out, at, data, start, end - start)
    return at + end - start


@part
def put_list(data, column, cursor, count, kind, out, at):
    """Append a list of `count` elements; returns the offset behind it, or a fault, and the cursor behind its elements.

    The cursor moves behind all elements of a list that is refused, too: the next row begins there.
    """
    element = kind - 8
    end = word(column, BLOCK) + word(column, BLOCK_LENGTH)
    if element == 6 or element == 7:
        store_u32(out, at, count)
        behind = cursor
        valid = True
        for _ in range(count):
            if behind >= end:
                return np.int64(RAGGED), cursor
            start, behind = next_text(data, behind, end)
            if element == 6 and valid:
                valid = is_utf8(data, start, behind)
        if not valid:
            return np.int64(NOT_UTF8), behind
        copy(out, at + 4, data, cursor, behind - cursor)
        return at + 4 + behind - cursor, behind
    source = word(column, KIND) - 8
    here, there = scalar_width(source), scalar_width(element)
    if count > (end - cursor) // here:
        return np.int64(RAGGED), cursor
    if source == element:
        copy(out, at, data, cursor, count * here)
    else:
        for i in range(count):
            if not put_number(data, cursor + i * here, source, out, at + i * there, element):
                return np.int64(OUT_OF_RANGE), cursor + count * here
    return at + count * there, cursor + count * here
