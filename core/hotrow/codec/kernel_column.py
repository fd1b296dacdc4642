"""Writes the columns of a reply, from cells as `hotrow.codec.kernel_decode` fills them.

As `hotrow.codec.kernel_reply` does, each writes backwards, and returns where it begins.
"""

import numpy as np

from hotrow.codec.compile import part
from hotrow.codec.kernel_decode import PRESENT
from hotrow.codec.kernel_memory import (
    copy,
    f32_of_i32,
    f64_of_i64,
    i32_of_f32,
    load_u8,
    load_u32,
    store_u8,
    store_u32,
    varint_length,
    word,
    write_varint,
)


@part
def write_values(kind, column, n, scratch, out, pos):
    """The packed block of a fixed-width column, ending at `pos`."""
    cell = column * n
    if kind == 1 or kind == 3 or kind == 8:
        pos -= 8 * n
        copy(out, pos, scratch, 8 * cell, 8 * n)
    elif kind == 5:
        pos -= n
        for r in range(n):
            store_u8(out, pos + r, word(scratch, cell + r))
    else:
        pos -= 4 * n
        for r in range(n):
            store_u32(out, pos + 4 * r, word(scratch, cell + r))
    return pos


@part
def write_texts(rows, column, n, lengths, scratch, out, pos):
    """Strings of a column as repeated field 1, an entry a row."""
    cell = column * n + n
    for _ in range(n):
        cell -= 1
        length = word(scratch, lengths + cell)
        pos -= length
        copy(out, pos, rows, word(scratch, cell), length)
        pos -= varint_length(length)
        write_varint(out, pos, length)
        pos -= 1
        store_u8(out, pos, 0x0A)
    return pos


@part
def write_elements(rows, kind, column, n, lengths, scratch, out, pos):
    """The elements of all lists of a column: a block of numbers, or the entries of strings as they are stored."""
    skip = 4 if kind == 14 or kind == 15 else 0
    cell = column * n + n
    for _ in range(n):
        cell -= 1
        if load_u8(out, cell) == PRESENT:
            length = word(scratch, lengths + cell) - skip
            pos -= length
            copy(out, pos, rows, word(scratch, cell) + skip, length)
    return pos


@part
def write_lengths(rows, kind, column, n, lengths, scratch, out, pos):
    """How many elements each list of a column has, as varints."""
    width = 8
    if kind == 10 or kind == 12:
        width = 4
    elif kind == 13:
        width = 1
    cell = column * n + n
    for _ in range(n):
        cell -= 1
        count = np.int64(0)
        if load_u8(out, cell) == PRESENT:
            if kind == 14 or kind == 15:
                count = np.int64(load_u32(rows, word(scratch, cell)))
            else:
                count = word(scratch, lengths + cell) // width
        pos -= varint_length(count)
        write_varint(out, pos, count)
    return pos


@part
def _as_f32(kind, value):
    if kind == 1:
        return np.float32(f64_of_i64(value))
    if kind == 2:
        return f32_of_i32(np.int32(value))
    return np.float32(value)


@part
def write_matrix(table, order, width, n, scratch, out, pos):
    """float32, row-major, of the first `width` columns; NaN in a slot that is not PRESENT. `order` is where the kinds
    of the columns stand.
    """
    pos -= 4 * n * width
    nan = np.int64(i32_of_f32(np.float32(np.nan)))
    for c in range(width):
        kind = word(table, order + c)
        for r in range(n):
            cell = c * n + r
            value = word(scratch, cell)
            bits = np.int64(i32_of_f32(_as_f32(kind, value))) if load_u8(out, cell) == PRESENT else nan
            store_u32(out, pos + 4 * (r * width + c), bits)
    return pos


@part
def sum_of_lengths(column, n, lengths, scratch):
    total = np.int64(0)
    for cell in range(lengths + column * n, lengths + column * n + n):
        total += word(scratch, cell)
    return total
