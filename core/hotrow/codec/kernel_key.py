"""Encodes entity keys from the columns of a request, and matches columns with what a plan expects.

The layout of a key stands in `hotrow.codec.key`. A fault is three numbers: its code, which entry or column, which row;
`hotrow.codec.fault` makes the message.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, I64_TABLE, U8, U8_READ, kernel, part
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
    COUNT,
    GROUP,
    KIND,
    NAME,
    NAME_LENGTH,
    REQUEST,
    STATUSES,
    STATUSES_LENGTH,
    UNIT,
    UNIT_LENGTH,
    column_at,
)

# Faults of a whole request, told by (code, entry or column, row) ...
MISSING, WRONG_KIND, RAGGED, UNKNOWN, REPEATED, BAD_STATUS, WRONG_UNIT, RAGGED_TIMES = (
    -11,
    -12,
    -13,
    -14,
    -15,
    -16,
    -17,
    -18,
)
# ... and of one row.
NULL_KEY, KEY_TOO_LONG, NOT_UTF8, OUT_OF_RANGE, FUTURE = -31, -32, -33, -34, -35

# An entry of a plan's table: a join key or a field.
ENTRY_NAME, ENTRY_NAME_LENGTH, ENTRY_KIND, ENTRY_FIXED = 0, 1, 2, 3
ENTRY_DEFAULT, ENTRY_DEFAULT_LENGTH, ENTRY_UNIT, ENTRY_UNIT_LENGTH = 4, 5, 6, 7
ENTRY_WIDTH = 8

TAG_BYTES, TAG_STRING, TAG_INTEGER, TAG_BOOL, TAG_TIME = 1, 2, 3, 4, 5
MAX_KEY = 480
PRESENT, NULL_VALUE = 1, 2


@part
def _same_bytes(data, at, consts, where, length):
    for i in range(length):
        if load_u8(data, at + i) != load_u8(consts, where + i):
            return False
    return True


@part
def fits(source, wanted, is_key):
    """Whether a column of kind `source` may be given for `wanted`: numbers for numbers, integers for a join key."""
    if source == wanted:
        return True
    if source > 8 and wanted > 8 and not is_key:
        source, wanted = source - 8, wanted - 8
        if source > 8 or wanted > 8:
            return False
    if is_key:
        return (wanted == 3 or wanted == 4) and (source == 3 or source == 4)
    return wanted >= 1 and wanted <= 4 and source >= 1 and source <= 4


@part
def match(data, columns, n_columns, group, table, entries, n_entries, n_keys, consts, found, fault):
    """Set `found[entry]` to the column of its name, or -1; returns the number of rows, -1 for none, or a fault."""
    for i in range(n_entries):
        set_word(found, i, -1)
    rows = np.int64(-1)
    guess = 0
    for c in range(n_columns):
        column = column_at(columns, c)
        if word(column, GROUP) != group:
            continue
        entry = np.int64(-1)
        for probe in range(n_entries):
            candidate = guess + probe
            if candidate >= n_entries:
                candidate -= n_entries
            here = entries + candidate * ENTRY_WIDTH
            length = word(table, here + ENTRY_NAME_LENGTH)
            if length == word(column, NAME_LENGTH) and _same_bytes(
                data, word(column, NAME), consts, word(table, here + ENTRY_NAME), length
            ):
                entry = candidate
                break
        set_word(fault, 0, c)
        set_word(fault, 1, 0)
        if entry < 0:
            return np.int64(UNKNOWN)
        if word(found, entry) >= 0:
            return np.int64(REPEATED)
        here = entries + entry * ENTRY_WIDTH
        if not fits(word(column, KIND), word(table, here + ENTRY_KIND), entry < n_keys):
            set_word(fault, 1, entry)
            return np.int64(WRONG_KIND)
        if word(column, UNIT_LENGTH) > 0 and (
            word(column, UNIT_LENGTH) != word(table, here + ENTRY_UNIT_LENGTH)
            or not _same_bytes(
                data, word(column, UNIT), consts, word(table, here + ENTRY_UNIT), word(column, UNIT_LENGTH)
            )
        ):
            set_word(fault, 1, entry)
            return np.int64(WRONG_UNIT)
        if rows < 0:
            rows = word(column, COUNT)
        if word(column, COUNT) != rows:
            return np.int64(RAGGED)
        length = word(column, STATUSES_LENGTH)
        if length > 0:
            if length != rows:
                return np.int64(RAGGED)
            for r in range(length):
                status = load_u8(data, word(column, STATUSES) + r)
                if status != PRESENT and status != NULL_VALUE:
                    set_word(fault, 1, r)
                    return np.int64(BAD_STATUS)
        set_word(found, entry, c)
        guess = entry + 1
        if guess == n_entries:
            guess = 0
    return rows


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
    """Append the key of a row, of the key set at `keys`; returns the offset behind it, or a fault."""
    start = at
    for k in range(word(table, keys)):
        entry = word(table, keys + 1 + k)
        column = column_at(columns, word(found, entry))
        kind = word(table, KEY_FIRST + entry * ENTRY_WIDTH + ENTRY_KIND)
        text = word(cursors, k)
        code = NULL_KEY if is_null(data, column, r) else 0
        if code == 0 and (kind == 6 or kind == 7):
            code = key_text_fault(data, column, text, kind)
        if code == 0:
            at = append_key(data, column, r, text, kind, out, at)
            if at - start > MAX_KEY:
                code = KEY_TOO_LONG
        if code != 0:
            set_word(fault, 0, word(found, entry))
            set_word(fault, 1, r)
            return np.int64(code)
        if kind == 6 or kind == 7:
            _, behind = next_text(data, text, word(column, BLOCK) + word(column, BLOCK_LENGTH))
            set_word(cursors, k, behind)
    return at


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
