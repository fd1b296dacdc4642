"""Encodes the columns of a push into keys and rows. The layout of a row stands in `hotrow.codec.row`."""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, I64_TABLE, U8, U8_READ, kernel, part
from hotrow.codec.kernel_key import (
    FUTURE,
    KEY_TOO_LONG,
    MAX_KEY,
    NULL_KEY,
    OUT_OF_RANGE,
    append_key,
    is_above,
    is_null,
    key_text_fault,
    next_text,
)
from hotrow.codec.kernel_match import (
    ENTRY_DEFAULT,
    ENTRY_DEFAULT_LENGTH,
    ENTRY_FIXED,
    ENTRY_KIND,
    ENTRY_WIDTH,
    MISSING,
    RAGGED,
    RAGGED_TIMES,
    match,
)
from hotrow.codec.kernel_memory import (
    address,
    checksum,
    copy,
    load_i64,
    load_u8,
    read_varint,
    set_word,
    store_i64,
    store_time,
    store_u8,
    store_u32,
    word,
    zero,
)
from hotrow.codec.kernel_scan import BLOCK, BLOCK_LENGTH, KIND, LENGTHS, LENGTHS_LENGTH, REQUEST, column_at
from hotrow.codec.kernel_value import is_nan_of_whole, put_list, put_number, put_text, scalar_width

HEADER, FORMAT, TOMBSTONE = 32, 1, 1
AT_FORMAT, AT_FLAGS, AT_FINGERPRINT, AT_EVENT, AT_CREATED = 4, 5, 8, 16, 24

# The table of `encode_rows`: these, then the entries, join keys first.
ROW_ENTRIES, ROW_KEYS, ROW_BITMAP, ROW_FIXED, ROW_FINGERPRINT, ROW_FLAGS, ROW_GROUP, ROW_VIEW = 0, 1, 2, 3, 4, 5, 6, 7
ROW_FIRST = 8
VIEW_BYTES = 8  # of the view's id, which stands between a key and its row
NO_DEFAULT, NULL_DEFAULT = -1, -2

# What `times` holds: where event and created times stand in the request (-1: nowhere), how many bytes, two clocks.
TIME_EVENT, TIME_EVENT_BYTES, TIME_CREATED, TIME_CREATED_BYTES, TIME_NOW, TIME_LATEST = 0, 1, 2, 3, 4, 5

# A row of the table of results: where its key and its row start and the row ends, a fault of the row and its entry.
OUT_KEY, OUT_ROW, OUT_END, OUT_FAULT, OUT_ENTRY = 0, 1, 2, 3, 4
OUT_WIDTH = 5


@part
def _put_default(table, here, consts, out, fixed, body, bitmap, bit, kind):
    """The default of a field that the push leaves out. Returns the offset behind the variable block."""
    length = word(table, here + ENTRY_DEFAULT_LENGTH)
    if word(table, here + ENTRY_DEFAULT) == NULL_DEFAULT:
        store_u8(out, bitmap + bit // 8, np.int64(load_u8(out, bitmap + bit // 8)) | (1 << (bit % 8)))
    elif kind > 8 or kind == 6 or kind == 7:
        copy(out, body, consts, word(table, here + ENTRY_DEFAULT), length)
        return body + length
    else:
        copy(out, fixed, consts, word(table, here + ENTRY_DEFAULT), length)
    return body


@part
def _put_field(data, column, r, cursor, kind, out, fixed, body):
    """One field of one row, null or not; moves the column's cursors. Returns the offset behind the variable block."""
    if kind > 8:
        count, behind = read_varint(data, word(cursor, 1), word(column, LENGTHS) + word(column, LENGTHS_LENGTH))
        set_word(cursor, 1, behind)
        if behind < 0 or count < 0:
            return np.int64(RAGGED)
        at, behind = put_list(data, column, word(cursor, 0), count, kind, out, body)
        set_word(cursor, 0, behind)
        return at
    if kind == 6 or kind == 7:
        start, behind = next_text(data, word(cursor, 0), word(column, BLOCK) + word(column, BLOCK_LENGTH))
        set_word(cursor, 0, behind)
        return put_text(data, start, behind, kind, out, body)
    source = word(column, KIND)
    if put_number(data, word(column, BLOCK) + r * scalar_width(source), source, out, fixed, kind):
        return body
    return np.int64(OUT_OF_RANGE)


@part
def _put_fields(data, columns, r, table, consts, found, cursors, out, at, result):
    """The bitmap and the two blocks of one row at `at`; returns the offset behind them."""
    n_keys = word(table, ROW_KEYS)
    fixed_block = at + word(table, ROW_BITMAP)
    body = fixed_block + word(table, ROW_FIXED)
    zero(out, at, body - at)
    variable = body
    for entry in range(n_keys, word(table, ROW_ENTRIES)):
        here = ROW_FIRST + entry * ENTRY_WIDTH
        kind = word(table, here + ENTRY_KIND)
        fixed = fixed_block + word(table, here + ENTRY_FIXED)
        bit = entry - n_keys
        if word(found, entry) < 0:
            body = _put_default(table, here, consts, out, fixed, body, at, bit, kind)
        else:
            column = column_at(columns, word(found, entry))
            before = body
            if word(column, KIND) != 0:  # else it has no values, and every row is null
                body = _put_field(data, column, r, cursors + 16 * entry, kind, out, fixed, body)
            if is_null(data, column, r) or (body == OUT_OF_RANGE and is_nan_of_whole(data, column, r, kind)):
                store_u8(out, at + bit // 8, np.int64(load_u8(out, at + bit // 8)) | (1 << (bit % 8)))
                if body != RAGGED:
                    body = before
                if kind < 9 and kind != 6 and kind != 7:
                    zero(out, fixed, scalar_width(kind))
            if body < 0:
                set_word(result, OUT_FAULT, body)
                set_word(result, OUT_ENTRY, entry)
                if body == RAGGED:
                    return body
                body = before  # the row is refused, but the cursors of its other columns must move on
        if kind > 8 or kind == 6 or kind == 7:
            store_u32(out, fixed, body - variable)
    return body


@part
def _put_key(data, columns, r, table, found, cursors, out, at, result):
    start = at
    for entry in range(word(table, ROW_KEYS)):
        column = column_at(columns, word(found, entry))
        kind = word(table, ROW_FIRST + entry * ENTRY_WIDTH + ENTRY_KIND)
        is_text = kind == 6 or kind == 7
        text = word(cursors, 2 * entry)
        code = NULL_KEY if is_null(data, column, r) else 0
        if code == 0 and is_text:
            code = key_text_fault(data, column, text, kind)
        if code == 0 and kind == 4 and word(column, KIND) == 3:
            value = load_i64(data, word(column, BLOCK) + 8 * r)
            if value < -(2**31) or value >= 2**31:
                code = OUT_OF_RANGE
        if is_text:
            _, behind = next_text(data, text, word(column, BLOCK) + word(column, BLOCK_LENGTH))
            set_word(cursors, 2 * entry, behind)
        if code == 0:
            at = append_key(data, column, r, text, kind, out, at)
            if at - start > MAX_KEY:
                code = KEY_TOO_LONG
        if code != 0:
            set_word(result, OUT_FAULT, code)
            set_word(result, OUT_ENTRY, entry)
            at = start
    return at


@part
def _put_header(out, at, end, table, event_us, created_us):
    store_u32(out, at, end + 4 - at)
    store_u32(out, at + AT_FORMAT, FORMAT | (word(table, ROW_FLAGS) << 8))
    store_i64(out, at + AT_FINGERPRINT, word(table, ROW_FINGERPRINT))
    store_time(out, at + AT_EVENT, event_us)
    store_time(out, at + AT_CREATED, created_us)
    store_u32(out, end, checksum(out, at, end))


@part
def _left_over(data, columns, table, found, cursors, fault):
    """Whether a list column has elements that no row took; names it in `fault`."""
    for entry in range(word(table, ROW_KEYS), word(table, ROW_ENTRIES)):
        if word(found, entry) >= 0:
            column = column_at(columns, word(found, entry))
            end = word(column, BLOCK) + word(column, BLOCK_LENGTH)
            if word(column, KIND) > 8 and word(cursors, 2 * entry) != end:
                set_word(fault, 0, word(found, entry))
                return True
    return False


@part
def _start(data, columns, n_columns, table, consts, found, cursors, times, fault):
    """Match the columns and set the cursors; returns the number of rows or a fault."""
    n_entries, n_keys = word(table, ROW_ENTRIES), word(table, ROW_KEYS)
    group = word(table, ROW_GROUP)
    rows = match(data, columns, n_columns, group, table, ROW_FIRST, n_entries, n_keys, consts, found, fault)
    if rows < -1:
        return rows
    for entry in range(n_entries):
        if word(found, entry) < 0:
            default = word(table, ROW_FIRST + entry * ENTRY_WIDTH + ENTRY_DEFAULT)
            if entry < n_keys or default == NO_DEFAULT:
                set_word(fault, 0, entry)
                return np.int64(MISSING)
        else:
            column = column_at(columns, word(found, entry))
            set_word(cursors, 2 * entry, word(column, BLOCK))
            set_word(cursors, 2 * entry + 1, word(column, LENGTHS))
    if rows < 0:
        rows = 1 if word(times, TIME_EVENT) < 0 else word(times, TIME_EVENT_BYTES) // 8
    for t in (TIME_EVENT, TIME_CREATED):
        if word(times, t) >= 0 and word(times, t + 1) != 8 * rows:
            set_word(fault, 0, t)
            return np.int64(RAGGED_TIMES)
    return rows


@part
def _put_row(data, columns, r, table, consts, found, cursors, times, out, at, result):
    """Key, view id and row of one row of the push at `at`; returns the offset behind them, `at` for a row refused."""
    event_us, created_us = word(times, TIME_NOW), np.int64(0)
    if word(times, TIME_EVENT) >= 0:
        event_us = load_i64(data, word(times, TIME_EVENT) + 8 * r)
    if word(times, TIME_CREATED) >= 0:
        created_us = load_i64(data, word(times, TIME_CREATED) + 8 * r)
    set_word(result, OUT_FAULT, 0)
    row = _put_key(data, columns, r, table, found, cursors, out, at, result)
    store_i64(out, row, word(table, ROW_VIEW))
    row += VIEW_BYTES
    end = row + HEADER
    if word(table, ROW_FLAGS) & TOMBSTONE == 0:
        end = _put_fields(data, columns, r, table, consts, found, cursors, out, end, result)
        if end < 0:
            return end
    if word(result, OUT_FAULT) == 0 and event_us > word(times, TIME_LATEST):
        set_word(result, OUT_FAULT, FUTURE)
        set_word(result, OUT_ENTRY, -1)
    if word(result, OUT_FAULT) == 0:
        _put_header(out, row, end, table, event_us, created_us)
        end += 4
    else:
        row, end = at, at
    set_word(result, OUT_KEY, at)
    set_word(result, OUT_ROW, row)
    set_word(result, OUT_END, end)
    return end


ENCODES = numba.int64(REQUEST, I64_TABLE, I64_READ, U8_READ, I64, U8, I64_TABLE, I64)


@kernel(ENCODES)
def encode_rows(request, scanned, plan, constants, clocks, rows_out, results, work):
    """Write key, view id and row of each row of a push to `rows_out`; where they are and what is wrong to `results`.

    `work` has three places an entry, and two. Returns the number of rows, and in `work[0]` how many have a fault of
    their own: such a row takes no space in `rows_out`. `work[1]` is 1 where none has, and each key with its view id is
    above the one before it. Or returns a fault of the whole request, whose two numbers stand in `work` then.
    """
    data, columns, table, consts = address(request), address(scanned), address(plan), address(constants)
    times, out, fault = address(clocks), address(rows_out), address(work)
    found = fault + 16
    cursors = found + 8 * word(table, ROW_ENTRIES)
    rows = _start(data, columns, len(scanned), table, consts, found, cursors, times, fault)
    if rows < 0 or rows > len(results):
        return rows
    at, refused = np.int64(0), np.int64(0)
    before, behind, rising = np.int64(0), np.int64(-1), np.int64(1)
    for r in range(rows):
        result = address(results) + 8 * OUT_WIDTH * r
        at = _put_row(data, columns, r, table, consts, found, cursors, times, out, at, result)
        if at < 0:
            set_word(fault, 0, word(found, word(result, OUT_ENTRY)))
            return at
        if word(result, OUT_FAULT) != 0:
            refused += 1
            rising = np.int64(0)
        if rising != 0:
            name, stop = word(result, OUT_KEY), word(result, OUT_ROW)
            if behind >= 0 and not is_above(out, name, stop, before, behind):
                rising = np.int64(0)
            before, behind = name, stop
    if _left_over(data, columns, table, found, cursors, fault):
        return np.int64(RAGGED)
    set_word(fault, 0, refused)
    set_word(fault, 1, rising)
    return rows


@kernel(numba.void(U8, I64_TABLE, numba.int64))
def stamp(rows_out, results, created_us):
    """Set the created times of rows that `encode_rows` wrote, and their checksums: a push is created at its commit.

    Each row's is a microsecond behind that of the row before it, so that of two rows of one event time the later one
    counts, wherever they meet.
    """
    out = address(rows_out)
    for r in range(len(results)):
        if results[r, OUT_FAULT] == 0:
            row, end = results[r, OUT_ROW], results[r, OUT_END] - 4
            store_time(out, row + AT_CREATED, created_us + r)
            store_u32(out, end, checksum(out, row, end))
