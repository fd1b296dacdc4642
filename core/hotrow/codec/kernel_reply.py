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
    VIEW_DEFAULTS,
    VIEW_WIDTH,
    VIEWS,
    decode_view,
)
from hotrow.codec.kernel_memory import (
    address,
    copy,
    f32_of_i32,
    f64_of_i64,
    i32_of_f32,
    load_u8,
    load_u32,
    set_word,
    store_u8,
    store_u32,
    varint_length,
    word,
    write_varint,
)
from hotrow.codec.kernel_scan import REQUEST

# Steps of a program, in reverse order of the bytes: step, two arguments, and where a tag stands in the constants.
CONSTANT, OPEN, CLOSE, VALUES, TEXTS, LENGTHS, STATUSES, TIMES, MATRIX, ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
STEP_WIDTH = 4
DEPTH = 8  # of messages in one another


@part
def _write_values(kind, column, n, scratch, out, pos):
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
def _write_texts(rows, column, n, lengths, scratch, out, pos):
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
def _write_elements(rows, kind, column, n, lengths, scratch, out, pos):
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
def _write_lengths(rows, kind, column, n, lengths, scratch, out, pos):
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
def _write_matrix(table, order, width, n, scratch, out, pos):
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
def _write_column(what, one, two, rows, n, lengths, scratch, out, pos):
    """One step that writes values of a column; `one` is the column, `two` its kind."""
    if what == LENGTHS:
        return _write_lengths(rows, two, one, n, lengths, scratch, out, pos)
    if two > 8:
        return _write_elements(rows, two, one, n, lengths, scratch, out, pos)
    if what == TEXTS:
        return _write_texts(rows, one, n, lengths, scratch, out, pos)
    return _write_values(two, one, n, scratch, out, pos)


@part
def _run(rows, table, consts, n, lengths, times, marks, scratch, out, size):
    """Run the plan's program; returns where the reply starts in `out`."""
    pos = size
    depth = 0
    step = word(table, PROGRAM)
    for _ in range(word(table, STEPS)):
        what, one = word(table, step), word(table, step + 1)
        two, three = word(table, step + 2), word(table, step + 3)
        step += STEP_WIDTH
        if what == CONSTANT:
            pos -= two
            copy(out, pos, consts, one, two)
        elif what == OPEN:
            set_word(scratch, marks + depth, pos)
            depth += 1
        elif what == CLOSE:  # one: whether an empty content is left out; two, three: the tag
            depth -= 1
            length = word(scratch, marks + depth) - pos
            if length > 0 or one == 0:
                pos -= varint_length(length)
                write_varint(out, pos, length)
                pos -= three
                copy(out, pos, consts, two, three)
        elif what == STATUSES:
            pos -= n
            copy(out, pos, out, one * n, n)
        elif what == TIMES:
            pos -= 8 * n
            copy(out, pos, scratch, 8 * (times + one * n), 8 * n)
        elif what == ROWS and n > 0:  # a matrix's field 2
            pos -= varint_length(n)
            write_varint(out, pos, n)
            pos -= 1
            store_u8(out, pos, 0x10)
        elif what == MATRIX:
            pos = _write_matrix(table, one, two, n, scratch, out, pos)
        elif what != ROWS:
            pos = _write_column(what, one, two, rows, n, lengths, scratch, out, pos)
    return pos


@part
def _decode(rows, starts, default_rows, table, n_views, n, now_us, scratch, out):
    """Decode `n` rows of each view; returns 0, or a fault, which `scratch[0]` and `[1]` then tell."""
    lengths = word(table, COLUMNS) * n
    times = 2 * lengths
    first_default = default_rows - rows  # an offset as that of any other row, if not within their buffer
    for v in range(n_views):
        view = FIRST_VIEW + v * VIEW_WIDTH
        defaults = first_default + word(table, view + VIEW_DEFAULTS)
        view_times = times + v * n
        first = starts + 8 * v * n
        code, row = decode_view(rows, first, table, view, n, now_us, lengths, view_times, defaults, scratch, out)
        if code < 0:
            set_word(scratch, 0, v)
            set_word(scratch, 1, row)
            return code
    return np.int64(0)


@kernel(numba.int64(U8, I64, REQUEST, I64_READ, U8_READ, numba.int64, numba.int64, I64, U8))
def respond(rows, starts, default_rows, table, consts, n, now_us, scratch, out):
    """Decode `n` rows of each view of the plan and write the reply at the end of `out`; returns where it starts.

    `rows` and `starts` are those of `hotrow.codec.lookup.Rows`, with `n` rows of each view of the plan. `scratch` has
    (2 * columns + views) * n + DEPTH places; `out` has columns * n bytes for statuses, then room for the largest reply.
    `scratch[0]` and `[1]` tell a fault.
    """
    rows_at, table_at, scratch_at, out_at = address(rows), address(table), address(scratch), address(out)
    n_columns, n_views = word(table, COLUMNS), word(table, VIEWS)
    lengths = n_columns * n
    out[:lengths] = PRESENT
    code = _decode(rows_at, address(starts), address(default_rows), table_at, n_views, n, now_us, scratch_at, out_at)
    if code < 0:
        return code
    times = 2 * lengths
    marks = times + n_views * n
    return _run(rows_at, table_at, address(consts), n, lengths, times, marks, scratch_at, out_at, len(out))


@kernel(numba.int64(U8, I64, REQUEST, I64_READ, U8, I64, numba.int64, numba.int64, I64, U8))
def decode(rows, starts, default_rows, table, sent, sent_starts, n, now_us, scratch, out):
    """The first half of `respond`: fill the cells, before transforms run. Returns 0, or a fault.

    `sent` are rows made of what the caller sent, and `sent_starts` where they begin, which is changed: the last view of
    the plan, if `sent_starts` is not empty. Behind the cells and times stand then the addresses of `scratch`, `out` and
    `rows`: Python would take as long to find them as all this does.
    """
    rows_at, table_at, scratch_at, out_at = address(rows), address(table), address(scratch), address(out)
    n_columns, n_views = word(table, COLUMNS), word(table, VIEWS)
    out[: n_columns * n] = PRESENT
    n_stored = n_views - 1 if len(sent_starts) > 0 else n_views
    behind = (2 * n_columns + n_views) * n
    scratch[behind], scratch[behind + 1], scratch[behind + 2] = scratch_at, out_at, rows_at
    code = _decode(rows_at, address(starts), address(default_rows), table_at, n_stored, n, now_us, scratch_at, out_at)
    if code < 0 or n_stored == n_views:
        return code
    for r in range(len(sent_starts)):
        sent_starts[r] += address(sent) - rows_at
    lengths = n_columns * n
    times = 2 * lengths + n_stored * n
    view = FIRST_VIEW + n_stored * VIEW_WIDTH
    code, _ = decode_view(
        rows_at, address(sent_starts), table_at, view, n, now_us, lengths, times, np.int64(0), scratch_at, out_at
    )
    return code


@kernel(numba.int64(U8, I64_READ, U8_READ, I64_READ, numba.int64, numba.int64, I64, U8))
def encode(rows, table, consts, made, room, n, scratch, out):
    """The second half of `respond`: write the reply from cells. Returns where it starts.

    Or, negated, how many bytes `out` must have, if it has fewer. `room` is what they are without the columns `made`:
    strings and lists of transforms, which may be longer than any that came, or the same one in every row.
    """
    n_columns, n_views = word(table, COLUMNS), word(table, VIEWS)
    lengths = n_columns * n
    for column in made:
        for cell in range(lengths + column * n, lengths + column * n + n):
            room += scratch[cell]
    if room > len(out):
        return -room
    times = 2 * lengths
    marks = times + n_views * n
    out_at, scratch_at = address(out), address(scratch)
    return _run(address(rows), address(table), address(consts), n, lengths, times, marks, scratch_at, out_at, len(out))
