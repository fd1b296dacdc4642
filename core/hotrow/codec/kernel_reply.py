"""Writes a reply's bytes from column buffers, and, with `hotrow.codec.kernel_decode`, does a whole read's work.

The writer is driven by a program, a few steps a column, so that another message shape is another program. It writes
backwards, from the end of the buffer to its front: a protobuf length stands before what it counts, and so is known
when it is written.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, U8, U8_READ, kernel, part
from hotrow.codec.kernel_column import (
    sum_of_lengths,
    write_elements,
    write_lengths,
    write_matrix,
    write_texts,
    write_values,
)
from hotrow.codec.kernel_decode import (
    BAD_BODY,
    COLUMNS,
    FIRST_VIEW,
    PRESENT,
    PROGRAM,
    STEPS,
    VIEW_DEFAULTS,
    VIEW_WIDTH,
    VIEWS,
    decode_view,
    row_without_text,
)
from hotrow.codec.kernel_memory import (
    address,
    copy,
    set_word,
    store_u8,
    varint_length,
    word,
    write_varint,
)
from hotrow.codec.kernel_scan import REQUEST
from hotrow.types import LIST

# Steps of a program, in reverse order of the bytes: step, two arguments, and where a tag stands in the constants.
CONSTANT, OPEN, CLOSE, VALUES, TEXTS, LENGTHS, STATUSES, TIMES, MATRIX, ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
STEP_WIDTH = 4
DEPTH = 8  # of messages in one another
MAX_VARINT = 5  # of a number below 2**32
NO_ROOM = -56  # beside the faults of `hotrow.codec.kernel_decode`


@part
def _write_column(what, one, two, rows, n, lengths, scratch, out, pos):
    """One step that writes values of a column; `one` is the column, `two` its kind."""
    if what == LENGTHS:
        return write_lengths(rows, two, one, n, lengths, scratch, out, pos)
    if two > LIST:
        return write_elements(rows, two, one, n, lengths, scratch, out, pos)
    if what == TEXTS:
        return write_texts(rows, one, n, lengths, scratch, out, pos)
    return write_values(two, one, n, scratch, out, pos)


@part
def _most_bytes(what, one, two, three, n, lengths, scratch):
    """How many bytes a step writes at most; its arguments are those of the program."""
    if what == CONSTANT:
        return two
    if what == CLOSE:
        return three + MAX_VARINT
    if what == MATRIX:
        return 4 * n * two
    if what == TEXTS or (what == VALUES and two > LIST):
        return sum_of_lengths(one, n, lengths, scratch) + (1 + MAX_VARINT) * n
    return 8 * n + MAX_VARINT  # numbers, statuses, times, the lengths of lists: a word or a short varint a row


@part
def _run(rows, table, consts, n, lengths, times, marks, scratch, out, size):
    """Run the plan's program; returns where the reply starts in `out`.

    It does not reach the statuses, which are the first `lengths` bytes of `out`: NO_ROOM where it would.
    """
    pos = size
    depth = 0
    step = word(table, PROGRAM)
    for _ in range(word(table, STEPS)):
        what, one = word(table, step), word(table, step + 1)
        two, three = word(table, step + 2), word(table, step + 3)
        step += STEP_WIDTH
        if what != OPEN and pos - _most_bytes(what, one, two, three, n, lengths, scratch) < lengths:
            return np.int64(NO_ROOM)
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
            pos = write_matrix(table, one, two, n, scratch, out, pos)
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
    if code < 0:
        return code
    for v in range(n_stored):
        row = row_without_text(rows_at, table_at, FIRST_VIEW + v * VIEW_WIDTH, n, n_columns * n, scratch_at)
        if row >= 0:
            scratch[0], scratch[1] = v, row
            return np.int64(BAD_BODY)
    if n_stored == n_views:
        return np.int64(0)
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
