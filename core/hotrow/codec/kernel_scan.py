"""Finds the columns of a request in its bytes, without a Python object a field.

A scan accepts canonical bytes: what generated stubs write (fields once, packed, contiguous). Other valid encodings
(split or unpacked fields) give NONCANONICAL, and `hotrow.codec.wire` has protobuf rewrite the message once.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, I64_TABLE, kernel, part
from hotrow.codec.kernel_memory import address, load_u8, read_varint, set_word, word

MALFORMED, NONCANONICAL, TOO_MANY = -1, -2, -3
MAX_TAG_BYTES = 5  # of the varint of a tag or a length, as protobuf has it

# A row of the table of columns. Offsets are into the request. A column without values has the kind 0.
GROUP, NAME, NAME_LENGTH, KIND, COUNT = 0, 1, 2, 3, 4
BLOCK, BLOCK_LENGTH = 5, 6  # of fixed-width values the packed block; of strings the message around them
LENGTHS, LENGTHS_LENGTH = 7, 8  # of lists: varints, one a row
STATUSES, STATUSES_LENGTH = 9, 10
UNIT, UNIT_LENGTH = 11, 12
ELEMENTS = 13  # values of all rows together
COLUMN_WIDTH = 14

# The head: counts, then spans of the bytes that select (start, end), then what stands in each other field.
COLUMNS, SPANS, LARGEST, SPAN = 0, 1, 2, 3  # LARGEST: the most values of a column
MAX_SPANS = 6
FIELD = SPAN + 2 * MAX_SPANS  # FIELD + 3 * number: offset, length, times seen
MAX_FIELDS = 16
HEAD_WIDTH = FIELD + 3 * MAX_FIELDS

REQUEST = numba.types.Bytes(numba.uint8, 1, "C", readonly=True)


@part
def column_at(columns, number):
    """Where a row of the table of columns is."""
    return columns + 8 * COLUMN_WIDTH * number


@part
def _read_tag(data, at, end):
    """A tag and the offset behind it, -1 for what protobuf takes for none: a number under 1, more than 32 bits."""
    tag, start = read_varint(data, at, end)
    if start - at > MAX_TAG_BYTES or tag < 8 or tag > 0xFFFFFFFF:
        return tag, np.int64(-1)
    return tag, start


@part
def _skip(data, at, end, wire):
    """The offset behind a field's content, -1 where it does not fit; and where a length-delimited content starts."""
    if wire == 0:
        _, behind = read_varint(data, at, end)
        return behind, at
    if wire == 1:
        return (at + 8 if at + 8 <= end else -1), at
    if wire == 5:
        return (at + 4 if at + 4 <= end else -1), at
    if wire == 2:
        length, start = read_varint(data, at, end)
        if start < 0 or start - at > MAX_TAG_BYTES or length < 0 or length > end - start:
            return np.int64(-1), at
        return start + length, start
    return np.int64(-1), at


@part
def _small_bytes(data, at, end, below):
    """Whether every varint of a packed field is one byte and under `below`."""
    for i in range(at, end):
        if load_u8(data, i) >= below:
            return False
    return True


@part
def _count_varints(data, at, end):
    count = 0
    for i in range(at, end):
        if load_u8(data, i) < 0x80:
            count += 1
    return count


@part
def _width(element):
    if element == 2 or element == 4:
        return 4
    return 1 if element == 5 else 8


@part
def _scan_values(data, at, end, column):
    """The message that holds a column's values, of the kind noted: fills block, lengths and counts."""
    is_list = word(column, KIND) > 8
    element = word(column, KIND) - 8 if is_list else word(column, KIND)
    is_text = element == 6 or element == 7
    set_word(column, BLOCK, at)
    set_word(column, BLOCK_LENGTH, 0)
    set_word(column, LENGTHS, at)
    set_word(column, LENGTHS_LENGTH, 0)
    set_word(column, ELEMENTS, 0)
    seen = 0
    while at < end:
        tag, start = np.int64(load_u8(data, at)), at + 1  # of one byte: readers of strings count on it
        if tag != 0x0A and not (is_list and tag == 0x12):
            return np.int64(NONCANONICAL)
        if tag == 0x0A and is_text:
            behind, content = _skip(data, start, end, 2)
            if behind < 0:
                return np.int64(MALFORMED)
            # A length with more bytes than it needs would be stored, and come back in replies.
            if seen > 1 or (content > start + 1 and load_u8(data, content - 1) == 0):
                return np.int64(NONCANONICAL)
            set_word(column, ELEMENTS, word(column, ELEMENTS) + 1)
            set_word(column, BLOCK_LENGTH, behind - word(column, BLOCK))
            seen = 1
            at = behind
            continue
        behind, content = _skip(data, start, end, 2)
        if behind < 0:
            return np.int64(MALFORMED)
        if tag == 0x0A:
            if seen > 0:
                return np.int64(NONCANONICAL)
            seen = 1
            width = _width(element)
            if (behind - content) % width != 0:
                return np.int64(MALFORMED)
            if element == 5 and not _small_bytes(data, content, behind, 2):
                return np.int64(NONCANONICAL)
            set_word(column, BLOCK, content)
            set_word(column, BLOCK_LENGTH, behind - content)
            set_word(column, ELEMENTS, (behind - content) // width)
        else:
            if seen > 1:
                return np.int64(NONCANONICAL)
            seen = 2
            if behind > content and load_u8(data, behind - 1) >= 0x80:
                return np.int64(MALFORMED)
            set_word(column, LENGTHS, content)
            set_word(column, LENGTHS_LENGTH, behind - content)
        at = behind
    count = word(column, ELEMENTS)
    if is_list:
        lengths = word(column, LENGTHS)
        count = _count_varints(data, lengths, lengths + word(column, LENGTHS_LENGTH))
    set_word(column, COUNT, count)
    return np.int64(0)


@part
def _scan_column(data, at, end, column):
    for i in range(1, COLUMN_WIDTH):
        set_word(column, i, 0)
    while at < end:
        tag, start = _read_tag(data, at, end)
        if start < 0:
            return np.int64(MALFORMED)
        number, wire = tag >> 3, tag & 7
        behind, content = _skip(data, start, end, wire)
        if behind < 0:
            return np.int64(MALFORMED)
        if number < 20 and wire != 2:
            return np.int64(NONCANONICAL)
        if number == 1:
            if word(column, NAME) > 0:
                return np.int64(NONCANONICAL)
            set_word(column, NAME, content)
            set_word(column, NAME_LENGTH, behind - content)
        elif number >= 2 and number <= 17:
            if word(column, KIND) > 0:
                return np.int64(NONCANONICAL)
            set_word(column, KIND, number - 1)
            code = _scan_values(data, content, behind, column)
            if code < 0:
                return code
        elif number == 18:
            if word(column, UNIT) > 0:
                return np.int64(NONCANONICAL)
            set_word(column, UNIT, content)
            set_word(column, UNIT_LENGTH, behind - content)
        elif number == 19:
            if word(column, STATUSES) > 0 or not _small_bytes(data, content, behind, 0x80):
                return np.int64(NONCANONICAL)
            set_word(column, STATUSES, content)
            set_word(column, STATUSES_LENGTH, behind - content)
        at = behind
    if word(column, KIND) == 0:  # of no type: a row a status, all null
        set_word(column, COUNT, word(column, STATUSES_LENGTH))
    return np.int64(0)


@kernel(numba.int64(REQUEST, numba.int64, numba.int64, I64, I64_TABLE))
def scan(data, column_fields, volatile_fields, head, columns):
    """Fill `head` and the table of `columns`; returns the number of columns, or a negative code.

    `column_fields` and `volatile_fields` are bit sets of field numbers: those that hold columns, and those that change
    from request to request (plus MAX_FIELDS: those of them that have eight bytes and no length). What is in neither is
    selection, and its spans are listed.
    """
    head[:] = 0
    at = np.int64(0)
    end = len(data)
    request = address(data)
    n_columns = 0
    while at < end:
        tag, start = _read_tag(request, at, end)
        if start < 0:
            return np.int64(MALFORMED)
        number, wire = tag >> 3, tag & 7
        behind, content = _skip(request, start, end, wire)
        if behind < 0:
            return np.int64(MALFORMED)
        if number >= MAX_FIELDS:
            return np.int64(NONCANONICAL)
        if (column_fields >> number) & 1:
            if wire != 2:
                return np.int64(NONCANONICAL)
            if n_columns == len(columns):
                return np.int64(TOO_MANY)
            column = column_at(address(columns), n_columns)
            set_word(column, GROUP, number)
            code = _scan_column(request, content, behind, column)
            if code < 0:
                return code
            head[LARGEST] = max(head[LARGEST], word(column, COUNT))
            n_columns += 1
            head[FIELD + 3 * number + 2] += 1
        else:
            is_volatile = (volatile_fields >> number) & 1
            is_fixed = (volatile_fields >> (number + MAX_FIELDS)) & 1
            if wire == 5 or (is_volatile and wire != 2) or (is_fixed and wire != 1):
                return np.int64(NONCANONICAL)  # protobuf takes a field of another wire type for an unknown one
            slot = FIELD + 3 * number
            head[slot] = content
            head[slot + 1] = behind - content
            head[slot + 2] += 1
            if head[slot + 2] > 1:
                return np.int64(NONCANONICAL)
            if not is_volatile and not is_fixed:
                last = SPAN + 2 * head[SPANS]
                if head[SPANS] > 0 and head[last - 1] == at:
                    head[last - 1] = behind
                else:
                    if head[SPANS] == MAX_SPANS:
                        return np.int64(NONCANONICAL)
                    head[last], head[last + 1] = at, behind
                    head[SPANS] += 1
        at = behind
    head[COLUMNS] = n_columns
    return np.int64(n_columns)
