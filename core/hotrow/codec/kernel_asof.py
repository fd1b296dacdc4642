"""The inner loop of the as-of join (`hotrow.offline.asof`): which rows of a source are the best of their slots."""

import numba

from hotrow.codec.compile import I64_READ, I64_TABLE, kernel

ROW, EVENT, CREATED = 0, 1, 2
"""Columns of the table of slots, which keeps together what is looked at together: memory is what the loop waits for."""
SLOT_WIDTH = 3
EMPTY = -1
"""In the column ROW: no row came for the slot."""


@kernel(numba.void(I64_READ, I64_READ, I64_READ, I64_READ, I64_READ, I64_TABLE, numba.int64), nogil=True)
def keep_best(codes, event_us, created_us, bounds, times_us, table, first):  # type: ignore[no-untyped-def]
    """Offer rows, which are numbered from `first` on, to the slots of their keys.

    `codes` has the number of each row's key, negative for none; the slots of key k are bounds[k] to bounds[k + 1], in
    the order of `times_us`, and a row belongs to the first whose time is at or after its own. `table` has the best row
    of each slot; of rows that are equal in both times the later offered is kept.
    """
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            continue
        at = event_us[row]
        low, end = bounds[code], bounds[code + 1]
        high = end
        while low < high:
            middle = (low + high) >> 1
            if times_us[middle] < at:
                low = middle + 1
            else:
                high = middle
        if low == end:
            continue
        if table[low, ROW] != EMPTY:
            if at < table[low, EVENT] or (at == table[low, EVENT] and created_us[row] < table[low, CREATED]):
                continue
        table[low, ROW] = first + row
        table[low, EVENT] = at
        table[low, CREATED] = created_us[row]
