"""Decodes stored rows into column buffers. The layout of a row stands in `hotrow.codec.row`.

A buffer has a place of eight bytes a value, column by column: the value's bits, or where a string or a list starts in
the rows, whose length then stands in a second buffer.
"""

import numba
import numpy as np

from hotrow.codec.compile import kernel, part
from hotrow.codec.kernel_memory import (
    address,
    checksum,
    is_utf8,
    load_i32,
    load_i64,
    load_time,
    load_u8,
    load_u32,
    read_varint,
    set_word,
    store_u8,
    word,
)
from hotrow.codec.kernel_row import AT_EVENT, AT_FINGERPRINT, AT_FLAGS, AT_FORMAT, FORMAT, HEADER, TOMBSTONE
from hotrow.codec.kernel_scan import REQUEST
from hotrow.codec.kernel_value import scalar_width
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, INT64, LIST, STRING, TIMESTAMP

PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = 1, 2, 3, 4
SMALLEST_ROW = HEADER + 4

# The table of a plan: these, then the views, their layouts with slots, the columns' order, the program.
VIEWS, COLUMNS, PROGRAM, STEPS, FIRST_VIEW = 0, 1, 2, 3, 4
VIEW_TTL, VIEW_LAYOUTS, VIEW_N_LAYOUTS, VIEW_COLUMNS, VIEW_N_COLUMNS, VIEW_DEFAULTS = 0, 1, 2, 3, 4, 5
VIEW_WIDTH = 6
LAYOUT_FINGERPRINT, LAYOUT_BITMAP, LAYOUT_FIXED, LAYOUT_ENDS, LAYOUT_N_ENDS, LAYOUT_SLOTS = 0, 1, 2, 3, 4, 5
SLOT_BIT, SLOT_FIXED, SLOT_BEFORE, SLOT_KIND = 0, 1, 2, 3
SLOT_WIDTH = 4
BIT_NULL, BIT_DEFAULT = -1, -2  # a field that the stored row does not have: null, or as in the view's row of defaults

# Faults, told by (view, row).
BAD_LENGTH, BAD_FORMAT, BAD_CHECKSUM, UNKNOWN_SCHEMA, BAD_BODY = -51, -52, -53, -54, -55


@part
def row_fault(rows, size, at):
    """What is wrong with the frame of a row of some size; 0 for nothing."""
    if size < SMALLEST_ROW or np.int64(load_u32(rows, at)) != size:
        return BAD_LENGTH
    if load_u8(rows, at + AT_FORMAT) != FORMAT:
        return BAD_FORMAT
    end = at + size - 4
    if checksum(rows, at, end) != np.int64(load_u32(rows, end)):
        return BAD_CHECKSUM
    return 0


@part
def _find_layout(rows, at, table, view):
    """Where the layout of a row's schema stands in the table; -1 where the plan has none for it."""
    layout = word(table, view + VIEW_LAYOUTS)
    fingerprint = load_i64(rows, at + AT_FINGERPRINT)
    for _ in range(word(table, view + VIEW_N_LAYOUTS)):
        if word(table, layout + LAYOUT_FINGERPRINT) == fingerprint:
            return layout
        layout += LAYOUT_SLOTS + SLOT_WIDTH * word(table, view + VIEW_N_COLUMNS)
    return np.int64(-1)


@part
def _is_null(rows, body, bit):
    return (np.int64(load_u8(rows, body + (bit >> 3))) >> (bit & 7)) & 1


@part
def _ends_rise(rows, fixed, size, table, layout):
    """Whether the ends of all strings, bytes and lists of a row, nulls among them, rise to the end of its variable
    block, which has `size` bytes. Then no two of them overlap, and none leaves the row.
    """
    before = np.int64(0)
    place = word(table, layout + LAYOUT_ENDS)
    for _ in range(word(table, layout + LAYOUT_N_ENDS)):
        end = np.int64(load_u32(rows, fixed + word(table, place)))
        if end < before:
            return False
        before = end
        place += 1
    return before == size


@part
def _are_bools(rows, start, stop):
    for at in range(start, stop):
        if load_u8(rows, at) > 1:
            return False
    return True


@part
def _are_entries(rows, start, stop):
    """Whether a list of strings or bytes is as `hotrow.codec.row` has it: as many entries as it says, to its end."""
    if stop - start < 4:
        return False
    at = start + 4
    for _ in range(np.int64(load_u32(rows, start))):
        if at >= stop or load_u8(rows, at) != 0x0A:
            return False
        length, at = read_varint(rows, at + 1, stop)
        if at < 0 or length < 0 or length > stop - at:
            return False
        at += length
    return at == stop


@part
def _is_list(rows, element, start, stop):
    """Whether these bytes of the variable block are a list of such elements."""
    if element == STRING or element == BYTES:
        return _are_entries(rows, start, stop)
    if element == BOOL:
        return _are_bools(rows, start, stop)
    return (stop - start) % scalar_width(element) == 0


@part
def _is_variable(kind):
    return kind > LIST or kind == STRING or kind == BYTES


@part
def _take_number(rows, at, kind, scratch, cell):
    """Take a value of the fixed block, which stands at `at`."""
    if kind == FLOAT32 or kind == INT32:
        set_word(scratch, cell, np.int64(load_i32(rows, at)))
    elif kind == BOOL:
        set_word(scratch, cell, np.int64(load_u8(rows, at)) & 1)
    else:
        set_word(scratch, cell, load_i64(rows, at))


@part
def _take_bytes(rows, fixed, variable, table, slot, scratch, cell, lengths):
    """Take a string, bytes or a list, whose ends `_ends_rise` has checked."""
    before = word(table, slot + SLOT_BEFORE)
    start = np.int64(load_u32(rows, fixed + before)) if before >= 0 else np.int64(0)
    set_word(scratch, cell, variable + start)
    set_word(scratch, lengths + cell, np.int64(load_u32(rows, fixed + word(table, slot + SLOT_FIXED))) - start)


@part
def _take_default(rows, table, view, c, defaults, scratch, cell, lengths):
    """Take the default of a field from the view's row of defaults, which has the view's own layout."""
    layout = word(table, view + VIEW_LAYOUTS)
    slot = layout + LAYOUT_SLOTS + SLOT_WIDTH * c
    kind = word(table, slot + SLOT_KIND)
    fixed = defaults + HEADER + word(table, layout + LAYOUT_BITMAP)
    if _is_variable(kind):
        variable = fixed + word(table, layout + LAYOUT_FIXED)
        _take_bytes(rows, fixed, variable, table, slot, scratch, cell, lengths)
    else:
        _take_number(rows, fixed + word(table, slot + SLOT_FIXED), kind, scratch, cell)


@part
def _take_row(rows, at, layout, table, view, r, n, lengths, defaults, scratch, out):
    """Decode every wanted field of a row into the buffers, whose statuses say PRESENT already; 0, or BAD_BODY."""
    end = at + np.int64(load_u32(rows, at)) - 4
    body = at + HEADER
    fixed = body + word(table, layout + LAYOUT_BITMAP)
    variable = fixed + word(table, layout + LAYOUT_FIXED)
    if variable > end:
        return BAD_BODY
    if word(table, layout + LAYOUT_N_ENDS) > 0 and not _ends_rise(rows, fixed, end - variable, table, layout):
        return BAD_BODY
    order = word(table, view + VIEW_COLUMNS)
    slot = layout + LAYOUT_SLOTS
    for c in range(word(table, view + VIEW_N_COLUMNS)):
        cell = word(table, order + c) * n + r
        bit = word(table, slot + SLOT_BIT)
        if bit == BIT_NULL or (bit >= 0 and _is_null(rows, body, bit)):
            set_word(scratch, cell, 0)
            set_word(scratch, lengths + cell, 0)
            store_u8(out, cell, NULL_VALUE)
        elif bit >= 0:
            kind = word(table, slot + SLOT_KIND)
            if kind == FLOAT64 or kind == INT64 or kind == TIMESTAMP:  # first: a third of the loop
                set_word(scratch, cell, load_i64(rows, fixed + word(table, slot + SLOT_FIXED)))
            elif not _is_variable(kind):
                _take_number(rows, fixed + word(table, slot + SLOT_FIXED), kind, scratch, cell)
            else:
                _take_bytes(rows, fixed, variable, table, slot, scratch, cell, lengths)
                start = word(scratch, cell)
                if kind > LIST and not _is_list(rows, kind - LIST, start, start + word(scratch, lengths + cell)):
                    return BAD_BODY
        else:
            _take_default(rows, table, view, c, defaults, scratch, cell, lengths)
        slot += SLOT_WIDTH
    return 0


@part
def decode_view(rows, starts, table, view, n, now_us, lengths, times, defaults, scratch, out):
    """Decode `n` rows of one view, which begin at the offsets in `starts`; returns 0, or a fault and the row's number.

    Values stand in `scratch` from its start, their lengths from `lengths`, the view's event times from `times`; the
    statuses in `out` say PRESENT when this is called. A value that is not PRESENT is 0.
    """
    ttl_us = word(table, view + VIEW_TTL)
    order = word(table, view + VIEW_COLUMNS)
    for r in range(n):
        status = 0
        event_us = np.int64(0)
        at = word(starts, r)
        size = word(starts, r + 1) - at
        if size == 0:
            status = NOT_FOUND
        else:
            code = row_fault(rows, size, at)
            if code != 0:
                return np.int64(code), r
            if load_u8(rows, at + AT_FLAGS) & TOMBSTONE:
                status = NOT_FOUND
            else:
                event_us = load_time(rows, at + AT_EVENT)
                if ttl_us >= 0 and event_us < now_us - ttl_us:  # the other way round, an early time would overflow
                    status = OUTSIDE_MAX_AGE
        set_word(scratch, times + r, event_us)
        if status == 0:
            layout = _find_layout(rows, at, table, view)
            if layout < 0:
                return np.int64(UNKNOWN_SCHEMA), r
            code = _take_row(rows, at, layout, table, view, r, n, lengths, defaults, scratch, out)
            if code != 0:
                return np.int64(code), r
        else:
            for c in range(word(table, view + VIEW_N_COLUMNS)):
                cell = word(table, order + c) * n + r
                set_word(scratch, cell, 0)
                set_word(scratch, lengths + cell, 0)
                store_u8(out, cell, status)
    return np.int64(0), np.int64(0)


@part
def _is_text(rows, kind, at, end):
    """Whether a string, or every string of a list of them, is UTF-8."""
    if kind == STRING:
        return is_utf8(rows, at, end)
    at += 4
    while at < end:
        length, at = read_varint(rows, at + 1, end)
        if not is_utf8(rows, at, at + length):
            return False
        at += length
    return True


@part
def row_without_text(rows, table, view, n, lengths, scratch):
    """The first of `n` rows of a view that `decode_view` has decoded in which a string is not UTF-8; -1 for none.

    A reply hands strings on as they are; code that takes them apart, and files, count on UTF-8.
    """
    order = word(table, view + VIEW_COLUMNS)
    slot = word(table, view + VIEW_LAYOUTS) + LAYOUT_SLOTS
    for c in range(word(table, view + VIEW_N_COLUMNS)):
        kind = word(table, slot + SLOT_WIDTH * c + SLOT_KIND)
        if kind == STRING or kind == LIST + STRING:
            first = word(table, order + c) * n
            for r in range(n):
                at = word(scratch, first + r)
                if not _is_text(rows, kind, at, at + word(scratch, lengths + first + r)):
                    return np.int64(r)
    return np.int64(-1)


@kernel(numba.int64(REQUEST))
def check_row(row):
    """What is wrong with the frame of one whole row: a fault, or 0."""
    return np.int64(row_fault(address(row), len(row), 0))
