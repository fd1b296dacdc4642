"""Encodes the columns of a push into keys and rows. The layout of a row stands in `hotrow.codec.row`."""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, I64_TABLE, U8, U8_READ, kernel, part
from hotrow.codec.kernel_key import (
    ENTRY_DEFAULT,
    ENTRY_DEFAULT_LENGTH,
    ENTRY_FIXED,
    ENTRY_KIND,
    ENTRY_WIDTH,
    FUTURE,
    KEY_TOO_LONG,
    MAX_KEY,
    MISSING,
    NOT_UTF8,
    NULL_KEY,
    OUT_OF_RANGE,
    RAGGED,
    RAGGED_TIMES,
    append_key,
    is_null,
    key_text_fault,
    match,
    next_text,
)
from hotrow.codec.kernel_memory import (
    checksum,
    copy,
    f32_of_i32,
    f64_of_i64,
    i32_of_f32,
    i64_of_f64,
    is_utf8,
    load_i32,
    load_i64,
    load_u8,
    read_varint,
    store_i64,
    store_time,
    store_u8,
    store_u32,
)
from hotrow.codec.kernel_scan import BLOCK, BLOCK_LENGTH, KIND, LENGTHS, LENGTHS_LENGTH, REQUEST

HEADER, FORMAT, TOMBSTONE = 32, 1, 1
AT_FORMAT, AT_FLAGS, AT_FINGERPRINT, AT_EVENT, AT_CREATED = 4, 5, 8, 16, 24

# The table of `encode_rows`: these, then the entries, join keys first.
ROW_ENTRIES, ROW_KEYS, ROW_BITMAP, ROW_FIXED, ROW_FINGERPRINT, ROW_FLAGS, ROW_GROUP, ROW_FIRST = 0, 1, 2, 3, 4, 5, 6, 7
NO_DEFAULT, NULL_DEFAULT = -1, -2

# What `times` holds: where event and created times stand in the request (-1: nowhere), how many bytes, two clocks.
TIME_EVENT, TIME_EVENT_BYTES, TIME_CREATED, TIME_CREATED_BYTES, TIME_NOW, TIME_LATEST = 0, 1, 2, 3, 4, 5

# A row of the table of results: where its key and its row start and the row ends, a fault of the row and its entry.
OUT_KEY, OUT_ROW, OUT_END, OUT_FAULT, OUT_ENTRY = 0, 1, 2, 3, 4

EXACT_F64, EXACT_F32 = 2**53, 2**24


@part
def scalar_width(kind):
    if kind == 2 or kind == 4:
        return 4
    return 1 if kind == 5 else 8


@part
def put_number(data, at, source, out, to, wanted):
    """Copy or convert one fixed-width value; False where it does not fit the wanted type without a loss of range."""
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
            return value >= -EXACT_F64 and value <= EXACT_F64
        store_u32(out, to, np.int64(i32_of_f32(np.float32(value))))
        return value >= -EXACT_F32 and value <= EXACT_F32
    if source == 2:
        store_i64(out, to, i64_of_f64(np.float64(f32_of_i32(load_i32(data, at)))))
        return True
    wide = f64_of_i64(load_i64(data, at))
    narrow = np.float32(wide)
    store_u32(out, to, np.int64(i32_of_f32(narrow)))
    return not (np.isinf(narrow) and not np.isinf(wide))


@part
def _put_text(data, start, end, kind, out, at):
    if kind == 6 and not is_utf8(data, start, end):
        return np.int64(NOT_UTF8)
    copy(out, at, data, start, end - start)
    return at + end - start


@part
def _put_list(data, column, cursor, count, kind, out, at):
    """Append a list of `count` elements; returns the offset behind it and the cursor behind its elements."""
    element = kind - 8
    end = column[BLOCK] + column[BLOCK_LENGTH]
    if element == 6 or element == 7:
        store_u32(out, at, count)
        behind = cursor
        for _ in range(count):
            if behind >= end:
                return np.int64(RAGGED), cursor
            start, behind = next_text(data, behind, end)
            if element == 6 and not is_utf8(data, start, behind):
                return np.int64(NOT_UTF8), behind
        copy(out, at + 4, data, cursor, behind - cursor)
        return at + 4 + behind - cursor, behind
    source = column[KIND] - 8
    here, there = scalar_width(source), scalar_width(element)
    if count > (end - cursor) // here:
        return np.int64(RAGGED), cursor
    if source == element:
        copy(out, at, data, cursor, count * here)
    else:
        for i in range(count):
            if not put_number(data, cursor + i * here, source, out, at + i * there, element):
                return np.int64(OUT_OF_RANGE), cursor
    return at + count * there, cursor + count * here


@part
def _put_default(table, here, consts, out, fixed, body, bitmap, bit, kind):
    """The default of a field that the push leaves out. Returns the offset behind the variable block."""
    length = table[here + ENTRY_DEFAULT_LENGTH]
    if table[here + ENTRY_DEFAULT] == NULL_DEFAULT:
        store_u8(out, bitmap + bit // 8, np.int64(load_u8(out, bitmap + bit // 8)) | (1 << (bit % 8)))
    elif kind > 8 or kind == 6 or kind == 7:
        copy(out, body, consts, table[here + ENTRY_DEFAULT], length)
        return body + length
    else:
        copy(out, fixed, consts, table[here + ENTRY_DEFAULT], length)
    return body


@part
def _put_field(data, column, r, cursors, kind, out, fixed, body):
    """One field of one row, null or not; moves the column's cursors. Returns the offset behind the variable block."""
    if kind > 8:
        count, cursors[1] = read_varint(data, cursors[1], column[LENGTHS] + column[LENGTHS_LENGTH])
        if cursors[1] < 0 or count < 0:
            return np.int64(RAGGED)
        at, cursors[0] = _put_list(data, column, cursors[0], count, kind, out, body)
        return at
    if kind == 6 or kind == 7:
        start, cursors[0] = next_text(data, cursors[0], column[BLOCK] + column[BLOCK_LENGTH])
        return _put_text(data, start, cursors[0], kind, out, body)
    source = column[KIND]
    if put_number(data, column[BLOCK] + r * scalar_width(source), source, out, fixed, kind):
        return body
    return np.int64(OUT_OF_RANGE)


@part
def _put_fields(data, columns, r, table, consts, found, cursors, out, at, result):
    """The bitmap and the two blocks of one row at `at`; returns the offset behind them."""
    n_keys = table[ROW_KEYS]
    fixed_block = at + table[ROW_BITMAP]
    body = fixed_block + table[ROW_FIXED]
    out[at:body] = 0
    variable = body
    for entry in range(n_keys, table[ROW_ENTRIES]):
        here = ROW_FIRST + entry * ENTRY_WIDTH
        kind = table[here + ENTRY_KIND]
        fixed = fixed_block + table[here + ENTRY_FIXED]
        bit = entry - n_keys
        if found[entry] < 0:
            body = _put_default(table, here, consts, out, fixed, body, at, bit, kind)
        else:
            column = columns[found[entry]]
            before = body
            body = _put_field(data, column, r, cursors[entry], kind, out, fixed, body)
            if is_null(data, column, r):
                store_u8(out, at + bit // 8, np.int64(load_u8(out, at + bit // 8)) | (1 << (bit % 8)))
                if body != RAGGED:
                    body = before
                if kind < 9 and kind != 6 and kind != 7:
                    out[fixed : fixed + scalar_width(kind)] = 0
            if body < 0:
                result[OUT_FAULT], result[OUT_ENTRY] = body, entry
                if body == RAGGED:
                    return body
                body = before  # the row is refused, but the cursors of its other columns must move on
        if kind > 8 or kind == 6 or kind == 7:
            store_u32(out, fixed, body - variable)
    return body


@part
def _put_key(data, columns, r, table, found, cursors, out, at, result):
    start = at
    for entry in range(table[ROW_KEYS]):
        column = columns[found[entry]]
        kind = table[ROW_FIRST + entry * ENTRY_WIDTH + ENTRY_KIND]
        is_text = kind == 6 or kind == 7
        text = cursors[entry, 0]
        code = NULL_KEY if is_null(data, column, r) else 0
        if code == 0 and is_text:
            code = key_text_fault(data, column, text, kind)
        if is_text:
            _, cursors[entry, 0] = next_text(data, text, column[BLOCK] + column[BLOCK_LENGTH])
        if code == 0:
            at = append_key(data, column, r, text, kind, out, at)
            if at - start > MAX_KEY:
                code = KEY_TOO_LONG
        if code != 0:
            result[OUT_FAULT], result[OUT_ENTRY] = code, entry
            at = start
    return at


@part
def _put_header(out, at, end, table, event_us, created_us):
    store_u32(out, at, end + 4 - at)
    store_u32(out, at + AT_FORMAT, FORMAT | (table[ROW_FLAGS] << 8))
    store_i64(out, at + AT_FINGERPRINT, table[ROW_FINGERPRINT])
    store_time(out, at + AT_EVENT, event_us)
    store_time(out, at + AT_CREATED, created_us)
    store_u32(out, end, checksum(out, at, end))


@part
def _left_over(data, columns, table, found, cursors, fault):
    """Whether a list column has elements that no row took; names it in `fault`."""
    for entry in range(table[ROW_KEYS], table[ROW_ENTRIES]):
        if found[entry] >= 0 and columns[found[entry], KIND] > 8:
            column = columns[found[entry]]
            if cursors[entry, 0] != column[BLOCK] + column[BLOCK_LENGTH]:
                fault[0] = found[entry]
                return True
    return False


@part
def _start(data, columns, table, consts, found, cursors, times, fault):
    """Match the columns and set the cursors; returns the number of rows or a fault."""
    n_entries, n_keys = table[ROW_ENTRIES], table[ROW_KEYS]
    rows = match(data, columns, table[ROW_GROUP], table, ROW_FIRST, n_entries, n_keys, consts, found, fault)
    if rows < -1:
        return rows
    for entry in range(n_entries):
        if found[entry] < 0:
            default = table[ROW_FIRST + entry * ENTRY_WIDTH + ENTRY_DEFAULT]
            if entry < n_keys or default == NO_DEFAULT:
                fault[0] = entry
                return np.int64(MISSING)
        else:
            cursors[entry, 0], cursors[entry, 1] = columns[found[entry], BLOCK], columns[found[entry], LENGTHS]
    if rows < 0:
        rows = 1 if n_entries == 0 or times[TIME_EVENT] < 0 else times[TIME_EVENT_BYTES] // 8
    for t in (TIME_EVENT, TIME_CREATED):
        if times[t] >= 0 and times[t + 1] != 8 * rows:
            fault[0] = t
            return np.int64(RAGGED_TIMES)
    return rows


@kernel(numba.int64(REQUEST, I64_TABLE, I64_READ, U8_READ, I64, U8, I64_TABLE, I64))
def encode_rows(data, columns, table, consts, times, out, results, fault):
    """Write key and row of every row of a push to `out`, and where they stand and what is wrong to `results`.

    Returns the number of rows, or a fault of the whole request. A row with a fault of its own takes no space in `out`.
    """
    n_entries = table[ROW_ENTRIES]
    found = np.empty(n_entries, np.int64)
    cursors = np.zeros((n_entries, 2), np.int64)
    rows = _start(data, columns, table, consts, found, cursors, times, fault)
    if rows < 0 or rows > len(results):
        return rows
    at = np.int64(0)
    for r in range(rows):
        result = results[r]
        result[OUT_FAULT] = 0
        start = at
        event_us = load_i64(data, times[TIME_EVENT] + 8 * r) if times[TIME_EVENT] >= 0 else times[TIME_NOW]
        created_us = load_i64(data, times[TIME_CREATED] + 8 * r) if times[TIME_CREATED] >= 0 else np.int64(0)
        row = _put_key(data, columns, r, table, found, cursors, out, at, result)
        end = row + HEADER
        if table[ROW_FLAGS] & TOMBSTONE == 0:
            end = _put_fields(data, columns, r, table, consts, found, cursors, out, end, result)
            if end < 0:
                fault[0] = found[result[OUT_ENTRY]]
                return end
        if result[OUT_FAULT] == 0 and event_us > times[TIME_LATEST]:
            result[OUT_FAULT], result[OUT_ENTRY] = FUTURE, -1
        if result[OUT_FAULT] == 0:
            _put_header(out, row, end, table, event_us, created_us)
            at = end + 4
        result[OUT_KEY], result[OUT_ROW], result[OUT_END] = start, row, at
    if _left_over(data, columns, table, found, cursors, fault):
        return np.int64(RAGGED)
    return rows


@kernel(numba.void(U8, I64_TABLE, numba.int64))
def stamp(out, results, created_us):
    """Set the created time of rows that `encode_rows` wrote, and their checksums: a push is created at its commit."""
    for r in range(len(results)):
        if results[r, OUT_FAULT] == 0:
            row, end = results[r, OUT_ROW], results[r, OUT_END] - 4
            store_time(out, row + AT_CREATED, created_us)
            store_u32(out, end, checksum(out, row, end))
