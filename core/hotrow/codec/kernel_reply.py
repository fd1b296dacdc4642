"""Writes a reply's bytes from column buffers, and, with `hotrow.codec.kernel_decode`, does a whole read's work.

The writer is driven by a program, a few steps a column, so that another message shape is another program. It writes
backwards, from the end of the buffer to its front: a protobuf length stands before what it counts, and so is known
when it is written.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, U8, U8_READ, kernel, part
from hotrow.codec.kernel_decode import (
    COLUMNS,
    FIRST_VIEW,
    PRESENT,
    PROGRAM,
    STEPS,
    VIEW_WIDTH,
    VIEWS,
    decode_view,
    skip_rows,
)
from hotrow.codec.kernel_memory import (
    copy,
    f32_of_i32,
    f64_of_i64,
    i32_of_f32,
    load_u8,
    load_u32,
    store_i64,
    store_u8,
    store_u32,
    varint_length,
    write_varint,
)

# Steps of a program, in reverse order of the bytes: step, two arguments, and where a tag stands in the constants.
CONSTANT, OPEN, CLOSE, VALUES, TEXTS, LENGTHS, STATUSES, TIMES, MATRIX, ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
STEP_WIDTH = 4


@part
def _write_values(kind, column, n, values, statuses, pos):
    """The packed block of a fixed-width column, ending at `pos`; a slot that is not PRESENT holds 0."""
    cell = column * n
    if kind == 1 or kind == 3 or kind == 8:
        pos -= 8 * n
        for r in range(n):
            value = values[cell + r] if load_u8(statuses, cell + r) == PRESENT else 0
            store_i64(statuses, pos + 8 * r, value)
    elif kind == 5:
        pos -= n
        for r in range(n):
            value = values[cell + r] if load_u8(statuses, cell + r) == PRESENT else 0
            store_u8(statuses, pos + r, value)
    else:
        pos -= 4 * n
        for r in range(n):
            value = values[cell + r] if load_u8(statuses, cell + r) == PRESENT else 0
            store_u32(statuses, pos + 4 * r, value)
    return pos


@part
def _write_texts(rows, column, n, values, lengths, out, pos):
    """Strings of a column as repeated field 1, an entry a row."""
    for back in range(n):
        cell = column * n + n - 1 - back
        length = lengths[cell] if load_u8(out, cell) == PRESENT else 0
        pos -= length
        copy(out, pos, rows, values[cell], length)
        pos -= varint_length(length)
        write_varint(out, pos, length)
        pos -= 1
        store_u8(out, pos, 0x0A)
    return pos


@part
def _write_elements(rows, kind, column, n, values, lengths, out, pos):
    """The elements of all lists of a column: a block of numbers, or the entries of strings as they are stored."""
    skip = 4 if kind == 14 or kind == 15 else 0
    for back in range(n):
        cell = column * n + n - 1 - back
        if load_u8(out, cell) == PRESENT:
            length = lengths[cell] - skip
            pos -= length
            copy(out, pos, rows, values[cell] + skip, length)
    return pos


@part
def _write_lengths(rows, kind, column, n, values, lengths, out, pos):
    """How many elements each list of a column has, as varints."""
    width = 8
    if kind == 10 or kind == 12:
        width = 4
    elif kind == 13:
        width = 1
    for back in range(n):
        cell = column * n + n - 1 - back
        count = np.int64(0)
        if load_u8(out, cell) == PRESENT:
            if kind == 14 or kind == 15:
                count = np.int64(load_u32(rows, values[cell]))
            else:
                count = lengths[cell] // width
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
def _write_matrix(table, order, n, values, out, pos):
    """float32, row-major; NaN in a slot that is not PRESENT. `order` is where the kinds of the columns stand."""
    width = table[COLUMNS]
    pos -= 4 * n * width
    nan = np.int64(i32_of_f32(np.float32(np.nan)))
    for c in range(width):
        kind = table[order + c]
        for r in range(n):
            cell = c * n + r
            bits = np.int64(i32_of_f32(_as_f32(kind, values[cell]))) if load_u8(out, cell) == PRESENT else nan
            store_u32(out, pos + 4 * (r * width + c), bits)
    return pos


@part
def _run(rows, table, consts, n, values, lengths, times, out):
    """Run the plan's program; returns where the reply starts in `out`, or -1 where it does not fit."""
    pos = np.int64(len(out))
    marks = np.empty(8, np.int64)
    depth = 0
    step = table[PROGRAM]
    for _ in range(table[STEPS]):
        what, one, two, three = table[step], table[step + 1], table[step + 2], table[step + 3]
        step += STEP_WIDTH
        if what == CONSTANT:
            pos -= two
            copy(out, pos, consts, one, two)
        elif what == OPEN:
            marks[depth] = pos
            depth += 1
        elif what == CLOSE:  # one: whether an empty content is left out; two, three: the tag
            depth -= 1
            length = marks[depth] - pos
            if length > 0 or one == 0:
                pos -= varint_length(length)
                write_varint(out, pos, length)
                pos -= three
                copy(out, pos, consts, two, three)
        elif what == VALUES:
            if two > 8:
                pos = _write_elements(rows, two, one, n, values, lengths, out, pos)
            else:
                pos = _write_values(two, one, n, values, out, pos)
        elif what == TEXTS:
            if two > 8:
                pos = _write_elements(rows, two, one, n, values, lengths, out, pos)
            else:
                pos = _write_texts(rows, one, n, values, lengths, out, pos)
        elif what == LENGTHS:
            pos = _write_lengths(rows, two, one, n, values, lengths, out, pos)
        elif what == STATUSES:
            pos -= n
            copy(out, pos, out, one * n, n)
        elif what == TIMES:
            pos -= 8 * n
            for r in range(n):
                store_i64(out, pos + 8 * r, times[one * n + r])
        elif what == ROWS and n > 0:  # a matrix's field 2
            pos -= varint_length(n)
            write_varint(out, pos, n)
            pos -= 1
            store_u8(out, pos, 0x10)
        elif what == MATRIX:
            pos = _write_matrix(table, one, n, values, out, pos)
    return pos


@kernel(numba.int64(U8_READ, I64_READ, U8_READ, numba.int64, numba.int64, I64, U8))
def respond(rows, table, consts, n, now_us, scratch, out):
    """Decode `n` rows of each view of the plan and write the reply at the end of `out`; returns where it starts.

    `rows` are the rows view by view, then the rows of defaults. `scratch` has (2 * columns + views) * n places, `out`
    columns * n bytes for statuses and then room for the largest reply. A fault is told in `scratch[0]` and `[1]`.
    """
    n_columns, n_views = table[COLUMNS], table[VIEWS]
    values = scratch[: n_columns * n]
    lengths = scratch[n_columns * n : 2 * n_columns * n]
    times = scratch[2 * n_columns * n : (2 * n_columns + n_views) * n]
    first_default = skip_rows(rows, n_views * n)
    at = np.int64(0)
    for v in range(n_views):
        view = FIRST_VIEW + v * VIEW_WIDTH
        at, row = decode_view(
            rows, at, table, view, n, now_us, values, lengths, times[v * n : (v + 1) * n], out, first_default
        )
        if at < 0:
            scratch[0], scratch[1] = v, row
            return at
    return _run(rows, table, consts, n, values, lengths, times, out)
