"""The order of rows by integers, and the latest row of each key: what loading a source to the online store sorts by."""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_READ, I64_TABLE, kernel
from hotrow.codec.kernel_memory import address, set_word, word

DIGIT_BITS = 11
"""Of the numbers, that one pass looks at: 2048 places to write to, which the cache nearest to the processor but one
holds.
"""
_DIGITS = 1 << DIGIT_BITS


@kernel(numba.void(I64_READ, numba.int64, I64_READ, I64), nogil=True)
def sort_by_digit(values, shift, order, out):
    """Write to `out` the row numbers in `order`, sorted by a digit of each row's value, the one `shift` bits up; rows
    of equal digits stay in the order in which they are.
    """
    numbers, rows, sorted_rows = address(values), address(order), address(out)
    counts = np.zeros(_DIGITS, np.int64)
    at = address(counts)
    for row in range(len(values)):
        digit = (word(numbers, row) >> shift) & (_DIGITS - 1)
        set_word(at, digit, word(at, digit) + 1)
    before = np.int64(0)
    for digit in range(_DIGITS):
        count = word(at, digit)
        set_word(at, digit, before)
        before += count
    for i in range(len(order)):
        row = word(rows, i)
        digit = (word(numbers, row) >> shift) & (_DIGITS - 1)
        place = word(at, digit)
        set_word(sorted_rows, place, row)
        set_word(at, digit, place + 1)


@kernel(numba.int64(I64_TABLE, I64_READ), nogil=True)
def count_keys(columns, order):
    """How many keys there are in rows that are sorted by them; a key is a number of each of the columns."""
    found = np.int64(min(1, len(order)))
    for i in range(1, len(order)):
        for column in range(len(columns)):
            if columns[column, order[i]] != columns[column, order[i - 1]]:
                found += 1
                break
    return found


@kernel(numba.void(I64_TABLE, I64_READ, I64_READ, I64_READ, I64), nogil=True)
def take_latest(columns, order, event_us, created_us, out):
    """Write the row of each key to `out` that has the latest event time, of equal ones the latest created time, of
    equal ones that which is last in `order`; the rows are sorted by key.
    """
    found = np.int64(-1)
    for i in range(len(order)):
        row = order[i]
        best = out[found] if found >= 0 else np.int64(-1)
        same = best >= 0
        for column in range(len(columns)):
            same = same and columns[column, row] == columns[column, best]
        if not same:
            found += 1
            out[found] = row
        elif event_us[row] > event_us[best]:
            out[found] = row
        elif event_us[row] == event_us[best] and created_us[row] >= created_us[best]:
            out[found] = row
