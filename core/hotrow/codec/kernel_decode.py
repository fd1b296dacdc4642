"""Decodes stored rows into column buffers. The layout of a row stands in `hotrow.codec.row`.

A buffer has a place of eight bytes a value, column by column: the value's bits, or where a string or a list starts in
the rows, whose length then stands in a second buffer.
"""

import numba
import numpy as np

from hotrow.codec.compile import kernel, part
from hotrow.codec.kernel_memory import checksum, load_i32, load_i64, load_time, load_u8, load_u32, store_u8
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
def row_fault(rows, at):
    """What is wrong with the frame of a row that is there; 0 for nothing."""
    length = np.int64(load_u32(rows, at))
    if length < SMALLEST_ROW or length > len(rows) - at:
        return BAD_LENGTH
    if load_u8(rows, at + AT_FORMAT) != FORMAT:
        return BAD_FORMAT
    end = at + length - 4
    if checksum(rows, at, end) != np.int64(load_u32(rows, end)):
        return BAD_CHECKSUM
    return 0


@part
def _find_layout(rows, at, table, view):
    """Where the layout of a row's schema stands in the table; -1 where the plan has none for it."""
    layout = table[view + VIEW_LAYOUTS]
    fingerprint = load_i64(rows, at + AT_FINGERPRINT)
    for _ in range(table[view + VIEW_N_LAYOUTS]):
        if table[layout + LAYOUT_FINGERPRINT] == fingerprint:
            return layout
        layout += LAYOUT_SLOTS + SLOT_WIDTH * table[view + VIEW_N_COLUMNS]
    return np.int64(-1)


@part
def _slot(rows, body, end, layout, table, slot, values, lengths, cell):
    """Take one field of the row whose bitmap is at `body`: 1 present, 2 null, 0 where it does not fit the row."""
    bit = table[slot + SLOT_BIT]
    if (np.int64(load_u8(rows, body + bit // 8)) >> (bit % 8)) & 1:
        return NULL_VALUE
    kind = table[slot + SLOT_KIND]
    fixed = body + table[layout + LAYOUT_BITMAP]
    at = fixed + table[slot + SLOT_FIXED]
    if kind == 1 or kind == 3 or kind == 8:
        values[cell] = load_i64(rows, at)
    elif kind == 2 or kind == 4:
        values[cell] = np.int64(load_i32(rows, at))
    elif kind == 5:
        values[cell] = np.int64(load_u8(rows, at))
    else:
        variable = fixed + table[layout + LAYOUT_FIXED]
        before = table[slot + SLOT_BEFORE]
        start = variable + (np.int64(load_u32(rows, fixed + before)) if before >= 0 else 0)
        stop = variable + np.int64(load_u32(rows, at))
        if start > stop or stop > end:
            return 0
        values[cell] = start
        lengths[cell] = stop - start
    return PRESENT


@part
def _take_row(rows, at, layout, table, view, r, n, buffers, out):
    """Decode every wanted field of a row into the buffers; 0, or BAD_BODY."""
    values, lengths, order, first_layout, defaults = buffers
    end = at + np.int64(load_u32(rows, at)) - 4
    body = at + HEADER
    if body + table[layout + LAYOUT_BITMAP] + table[layout + LAYOUT_FIXED] > end:
        return BAD_BODY
    n_columns = table[view + VIEW_N_COLUMNS]
    for c in range(n_columns):
        column = table[order + c]
        cell = column * n + r
        slot = layout + LAYOUT_SLOTS + SLOT_WIDTH * c
        bit = table[slot + SLOT_BIT]
        if bit >= 0:
            status = _slot(rows, body, end, layout, table, slot, values, lengths, cell)
        elif bit == BIT_NULL:
            status = NULL_VALUE
        else:
            slot = first_layout + LAYOUT_SLOTS + SLOT_WIDTH * c
            there = defaults + np.int64(load_u32(rows, defaults)) - 4
            status = _slot(rows, defaults + HEADER, there, first_layout, table, slot, values, lengths, cell)
        if status == 0:
            return BAD_BODY
        store_u8(out, cell, status)
    return 0


@part
def decode_view(rows, at, table, view, n, now_us, values, lengths, times, out, first_default):
    """Decode the rows of one view, from `at`; returns the offset behind them, or a fault and the row's number."""
    ttl_us = table[view + VIEW_TTL]
    order = table[view + VIEW_COLUMNS]
    first_layout = table[view + VIEW_LAYOUTS]
    buffers = (values, lengths, order, first_layout, first_default + table[view + VIEW_DEFAULTS])
    for r in range(n):
        status = 0
        times[r] = 0
        if at + 4 > len(rows):
            return np.int64(BAD_LENGTH), r
        length = np.int64(load_u32(rows, at))
        if length == 0:
            status = NOT_FOUND
            length = 4
        else:
            code = row_fault(rows, at)
            if code != 0:
                return np.int64(code), r
            event_us = load_time(rows, at + AT_EVENT)
            if load_u8(rows, at + AT_FLAGS) & TOMBSTONE:
                status = NOT_FOUND
            else:
                times[r] = event_us
                if ttl_us >= 0 and now_us - event_us > ttl_us:
                    status = OUTSIDE_MAX_AGE
        if status == 0:
            layout = _find_layout(rows, at, table, view)
            if layout < 0:
                return np.int64(UNKNOWN_SCHEMA), r
            code = _take_row(rows, at, layout, table, view, r, n, buffers, out)
            if code != 0:
                return np.int64(code), r
        else:
            for c in range(table[view + VIEW_N_COLUMNS]):
                store_u8(out, table[order + c] * n + r, status)
        at += length
    return at, np.int64(0)


@part
def skip_rows(rows, count):
    """The offset behind the first rows; where one is broken, where that is found again while it is decoded."""
    at = np.int64(0)
    for _ in range(count):
        if at + 4 > len(rows):
            return at
        length = np.int64(load_u32(rows, at))
        at += length if length > 0 else 4
    return at


@kernel(numba.int64(REQUEST))
def check_row(row):
    """What is wrong with the frame of one whole row: a fault, or 0."""
    if len(row) < SMALLEST_ROW or np.int64(load_u32(row, 0)) != len(row):
        return np.int64(BAD_LENGTH)
    return np.int64(row_fault(row, 0))
