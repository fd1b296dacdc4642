"""Matches the columns of a request with what a plan expects: by name, by type, by unit, by the number of rows.

A fault is three numbers: its code, which entry or column, which row; `hotrow.codec.fault` makes the message.
"""

import numpy as np

from hotrow.codec.compile import part
from hotrow.codec.kernel_memory import load_u8, set_word, word
from hotrow.codec.kernel_scan import (
    COUNT,
    ELEMENTS,
    GROUP,
    KIND,
    NAME,
    NAME_LENGTH,
    STATUSES,
    STATUSES_LENGTH,
    UNIT,
    UNIT_LENGTH,
    column_at,
)

# Faults of a whole request, told by (code, entry or column, row)
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

# An entry of a plan's table: a join key or a field.
ENTRY_NAME, ENTRY_NAME_LENGTH, ENTRY_KIND, ENTRY_FIXED = 0, 1, 2, 3
ENTRY_DEFAULT, ENTRY_DEFAULT_LENGTH, ENTRY_UNIT, ENTRY_UNIT_LENGTH = 4, 5, 6, 7
ENTRY_WIDTH = 8

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
def _may_be_anything(column, wanted):
    """Whether a column has nothing to take its type from, so that its sender may not have known it: no rows, or nulls
    alone without values, or, where lists are wanted, empty lists alone.
    """
    if word(column, COUNT) == 0 or word(column, KIND) == 0:
        return True
    return word(column, KIND) > 8 and wanted > 8 and word(column, ELEMENTS) == 0


@part
def _entry_of(data, column, table, entries, n_entries, consts, guess):
    """The entry of a column's name, looked for from `guess` on; -1 where there is none."""
    for probe in range(n_entries):
        candidate = guess + probe
        if candidate >= n_entries:
            candidate -= n_entries
        here = entries + candidate * ENTRY_WIDTH
        length = word(table, here + ENTRY_NAME_LENGTH)
        if length == word(column, NAME_LENGTH) and _same_bytes(
            data, word(column, NAME), consts, word(table, here + ENTRY_NAME), length
        ):
            return np.int64(candidate)
    return np.int64(-1)


@part
def _has_unit(data, column, table, here, consts):
    """Whether a column states no unit, or that of the entry."""
    length = word(column, UNIT_LENGTH)
    return length == 0 or (
        length == word(table, here + ENTRY_UNIT_LENGTH)
        and _same_bytes(data, word(column, UNIT), consts, word(table, here + ENTRY_UNIT), length)
    )


@part
def _status_fault(data, column, entry, fault):
    """What is wrong with a column's statuses, 0 for nothing; without values none may be PRESENT."""
    for r in range(word(column, STATUSES_LENGTH)):
        status = load_u8(data, word(column, STATUSES) + r)
        if status == PRESENT and word(column, KIND) == 0:
            set_word(fault, 1, entry)
            return np.int64(WRONG_KIND)
        if status != PRESENT and status != NULL_VALUE:
            set_word(fault, 1, r)
            return np.int64(BAD_STATUS)
    return np.int64(0)


@part
def match(data, columns, n_columns, group, table, entries, n_entries, n_keys, consts, found, fault):
    """Set `found[entry]` to the column of its name, or -1; returns the number of rows, -1 for none, or a fault."""
    for i in range(n_entries):
        set_word(found, i, -1)
    rows = np.int64(-1)
    empty_column = empty_entry = np.int64(-1)  # one that has neither values nor statuses
    guess = np.int64(0)
    for c in range(n_columns):
        column = column_at(columns, c)
        if word(column, GROUP) != group:
            continue
        entry = _entry_of(data, column, table, entries, n_entries, consts, guess)
        set_word(fault, 0, c)
        set_word(fault, 1, 0)
        if entry < 0:
            return np.int64(UNKNOWN)
        if word(found, entry) >= 0:
            return np.int64(REPEATED)
        here = entries + entry * ENTRY_WIDTH
        kind, wanted, count = word(column, KIND), word(table, here + ENTRY_KIND), word(column, COUNT)
        set_word(fault, 1, entry)
        if not _may_be_anything(column, wanted) and not fits(kind, wanted, entry < n_keys):
            return np.int64(WRONG_KIND)
        if not _has_unit(data, column, table, here, consts):
            return np.int64(WRONG_UNIT)
        set_word(fault, 1, 0)
        if kind == 0 and count == 0:
            empty_column, empty_entry = np.int64(c), entry
        elif rows < 0:
            rows = count
        elif count != rows:
            return np.int64(RAGGED)
        statuses = word(column, STATUSES_LENGTH)
        if statuses > 0 and statuses != count:
            return np.int64(RAGGED)
        code = _status_fault(data, column, entry, fault)
        if code < 0:
            return code
        set_word(found, entry, c)
        guess = entry + 1 if entry + 1 < n_entries else np.int64(0)
    if empty_column < 0:
        return rows
    set_word(fault, 0, empty_column)
    set_word(fault, 1, empty_entry)
    return np.int64(WRONG_KIND) if rows > 0 else np.int64(0)
