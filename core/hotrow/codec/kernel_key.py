"""Encodes entity keys from the columns of a request.

The layout of a key stands in `hotrow.codec.key`. A fault is three numbers: its code, which entry or column, which row;
`hotrow.codec.fault` makes the message.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, I64_TABLE, U8, U8_READ, kernel, part
from hotrow.codec.kernel_match import ENTRY_KIND, ENTRY_WIDTH, MISSING, NULL_VALUE, match
from hotrow.codec.kernel_memory import (
    SIGN,
    address,
    byte_swap,
    is_utf8,
    load_i32,
    load_i64,
    load_u8,
    read_varint,
    set_word,
    store_i64,
    store_u8,
    word,
)
from hotrow.codec.kernel_scan import (
    BLOCK,
    BLOCK_LENGTH,
    KIND,
    REQUEST,
    STATUSES,
    STATUSES_LENGTH,
    column_at,
)

# Faults of one row; those of a whole request are `hotrow.codec.kernel_match`'s.
NULL_KEY, KEY_TOO_LONG, NOT_UTF8, OUT_OF_RANGE, FUTURE = -31, -32, -33, -34, -35

TAG_BYTES, TAG_STRING, TAG_INTEGER, TAG_BOOL, TAG_TIME = 1, 2, 3, 4, 5
MAX_KEY = 480


@part
def is_null(data, column, row):
    return word(column, STATUSES_LENGTH) > 0 and load_u8(data, word(column, STATUSES) + row) == NULL_VALUE


@part
def next_text(data, cursor, end):
    """The string at a cursor of a column of strings: where it starts and where the next one is."""
    length, start = read_varint(data, cursor + 1, end)
    return start, start + length


@part
def append_key(data, column, row, text, kind, out, at):
    """Append one join key's value; `text` is where a string stands. Returns the offset behind it."""
    source = word(column, KIND)
    if kind == 3 or kind == 4 or kind == 8:
        store_u8(out, at, TAG_TIME if kind == 8 else TAG_INTEGER)
        if source == 4:
            value = np.int64(load_i32(data, word(column, BLOCK) + 4 * row))
        else:
            value = load_i64(data, word(column, BLOCK) + 8 * row)
        store_i64(out, at + 1, byte_swap(value ^ SIGN))
        return at + 9
    if kind == 5:
        store_u8(out, at, TAG_BOOL)
        store_u8(out, at + 1, load_u8(data, word(column, BLOCK) + row))
        return at + 2
    store_u8(out, at, TAG_STRING if kind == 6 else TAG_BYTES)
    at += 1
    start, end = next_text(data, text, word(column, BLOCK) + word(column, BLOCK_LENGTH))
    for i in range(start, end):
        byte = load_u8(data, i)
        store_u8(out, at, byte)
        at += 1
        if byte == 0:
            store_u8(out, at, 0xFF)
            at += 1
    store_u8(out, at, 0)
    return at + 1


@part
def is_above(data, one, one_end, other, other_end):
    """Whether one name comes behind another, as their bytes compare."""
    while one < one_end and other < other_end:
        difference = np.int64(load_u8(data, one)) - np.int64(load_u8(data, other))
        if difference != 0:
            return difference > 0
        one += 1
        other += 1
    return one < one_end


@part
def key_text_fault(data, column, text, kind):
    """A fault of a string key that must be found before its bytes are appended; 0 for none."""
    start, end = next_text(data, text, word(column, BLOCK) + word(column, BLOCK_LENGTH))
    if end - start > MAX_KEY:
        return KEY_TOO_LONG
    if kind == 6 and not is_utf8(data, start, end):
        return NOT_UTF8
    return 0


# The table of `encode_keys`: counts, the entries (all join keys of the plan), then the key sets.
KEY_ENTRIES, KEY_SETS, KEY_FIRST = 0, 1, 2


@part
def _put_entity_key(data, columns, r, table, keys, found, cursors, out, at, fault):
    """Append the key of a row, of the key set at `keys`; returns the offset behind it, or a fault.

    A null or a key that is too long is that of no row, and so is the empty key, which is appended then: the entity is
    not found, as any other that nobody has written, and the others of the request are read.
    """
    start = at
    known = True
    for k in range(word(table, keys)):
        entry = word(table, keys + 1 + k)
        column = column_at(columns, word(found, entry))
        kind = word(table, KEY_FIRST + entry * ENTRY_WIDTH + ENTRY_KIND)
        text = word(cursors, k)
        code = NULL_KEY if is_null(data, column, r) else 0
        if code == 0 and (kind == 6 or kind == 7):
            code = key_text_fault(data, column, text, kind)
        if code == NOT_UTF8:
            set_word(fault, 0, word(found, entry))
            set_word(fault, 1, r)
            return np.int64(code)
        known = known and code == 0
        if known:
            at = append_key(data, column, r, text, kind, out, at)
            known = at - start <= MAX_KEY
        if kind == 6 or kind == 7:
            _, behind = next_text(data, text, word(column, BLOCK) + word(column, BLOCK_LENGTH))
            set_word(cursors, k, behind)
    return at if known else start


@kernel(numba.int64(REQUEST, I64_TABLE, numba.int64, I64_READ, U8_READ, U8, I64))
def encode_keys(request, scanned, group, plan, constants, keys_out, offsets):
    """Keys of every row, for every key set of the plan, one after another in `keys_out`.

    `offsets` begins with two places an entry that only the kernel uses. Behind them, `offsets[set * rows + row]` is
    where a key starts, and one more closes the last. Returns the number of rows, or a fault whose two numbers then
    stand in `offsets[0]` and `offsets[1]`.
    """
    data, columns, table, consts = address(request), address(scanned), address(plan), address(constants)
    out, found = address(keys_out), address(offsets)
    n_entries = word(table, KEY_ENTRIES)
    cursors = found + 8 * n_entries
    starts = cursors + 8 * n_entries
    rows = match(data, columns, len(scanned), group, table, KEY_FIRST, n_entries, n_entries, consts, found, starts)
    if rows < -1:
        offsets[0], offsets[1] = word(starts, 0), word(starts, 1)
        return rows
    for entry in range(n_entries):
        if word(found, entry) < 0:
            offsets[0] = entry
            return np.int64(MISSING)
    if n_entries == 0:
        rows = 1
    keys = KEY_FIRST + n_entries * ENTRY_WIDTH
    at = np.int64(0)
    for s in range(word(table, KEY_SETS)):
        for k in range(word(table, keys)):
            column = column_at(columns, word(found, word(table, keys + 1 + k)))
            set_word(cursors, k, word(column, BLOCK))
        for r in range(rows):
            set_word(starts, s * rows + r, at)
            at = _put_entity_key(data, columns, r, table, keys, found, cursors, out, at, starts)
            if at < 0:
                offsets[0], offsets[1] = word(starts, 0), word(starts, 1)
                return at
        keys += 1 + word(table, keys)
    set_word(starts, word(table, KEY_SETS) * rows, at)
    return rows
