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
    load_i32,
    load_i64,
    load_time,
    load_u8,
    load_u32,
    set_word,
    store_u8,
    word,
)
from hotrow.codec.kernel_row import AT_EVENT, AT_FINGERPRINT, AT_FLAGS, AT_FORMAT, FORMAT, HEADER, TOMBSTONE
from hotrow.codec.kernel_scan import REQUEST

PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE = 1, 2, 3, 4
SMALLEST_ROW = HEADER + 4

# The table of a plan: these, then the views, their layouts with slots, the columns' order, the program.
VIEWS, COLUMNS, PROGRAM, STEPS, FIRST_VIEW = 0, 1, 2, 3, 4
VIEW_TTL, VIEW_LAYOUTS, VIEW_N_LAYOUTS, VIEW_COLUMNS, VIEW_N_COLUMNS, VIEW_DEFAULTS = 0, 1, 2, 3, 4, 5
VIEW_WIDTH = 6
LAYOUT_FINGERPRINT, LAYOUT_BITMAP, LAYOUT_FIXED, LAYOUT_SLOTS = 0, 1, 2, 3
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
def _take_slot(rows, fixed, variable, end, table, slot, scratch, cell, lengths):
    """Take one field that is not null, whose fixed block starts at `fixed`; False where it does not fit the row."""
    kind = word(table, slot + SLOT_KIND)
    at = fixed + word(table, slot + SLOT_FIXED)
    if kind == 1 or kind == 3 or kind == 8:
        set_word(scratch, cell, load_i64(rows, at))
    elif kind == 2 or kind == 4:
        set_word(scratch, cell, np.int64(load_i32(rows, at)))
    elif kind == 5:
        set_word(scratch, cell, np.int64(load_u8(rows, at)))
    else:
        before = word(table, slot + SLOT_BEFORE)
        start = variable + (np.int64(load_u32(rows, fixed + before)) if before >= 0 else 0)
        stop = variable + np.int64(load_u32(rows, at))
        if start > stop or stop > end or (stop - start < 4 and (kind == 14 or kind == 15)):
            return False
        set_word(scratch, cell, start)
        set_word(scratch, lengths + cell, stop - start)
    return True


@part
def _take_row(rows, at, layout, table, view, r, n, lengths, defaults, scratch, out):
    """Decode every wanted field of a row into the buffers, whose statuses say PRESENT already; 0, or BAD_BODY."""
    end = at + np.int64(load_u32(rows, at)) - 4
    body = at + HEADER
    fixed = body + word(table, layout + LAYOUT_BITMAP)
    variable = fixed + word(table, layout + LAYOUT_FIXED)
    if variable > end:
        return BAD_BODY
    order = word(table, view + VIEW_COLUMNS)
    slot = layout + LAYOUT_SLOTS
    for c in range(word(table, view + VIEW_N_COLUMNS)):
        cell = word(table, order + c) * n + r
        bit = word(table, slot + SLOT_BIT)
        fits = True
        if bit == BIT_NULL or (bit >= 0 and _is_null(rows, body, bit)):
            set_word(scratch, cell, 0)
            set_word(scratch, lengths + cell, 0)
            store_u8(out, cell, NULL_VALUE)
        elif bit >= 0:
            fits = _take_slot(rows, fixed, variable, end, table, slot, scratch, cell, lengths)
        else:
            own = word(table, view + VIEW_LAYOUTS)
            there = defaults + HEADER + word(table, own + LAYOUT_BITMAP)
            stop = defaults + np.int64(load_u32(rows, defaults)) - 4
            own_slot = own + LAYOUT_SLOTS + SLOT_WIDTH * c
            behind = there + word(table, own + LAYOUT_FIXED)
            fits = _take_slot(rows, there, behind, stop, table, own_slot, scratch, cell, lengths)
        if not fits:
            return BAD_BODY
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


@kernel(numba.int64(REQUEST))
def check_row(row):
    """What is wrong with the frame of one whole row: a fault, or 0."""
    return np.int64(row_fault(address(row), len(row), 0))
