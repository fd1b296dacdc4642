"""Writes commands in Redis's protocol (RESP2), those of a read and the words of a commit, and finds rows in replies.

A read is an HMGET for each entity key, its fields the ids of the views that are read with that key; several stand
between MULTI and EXEC, so that all are of one state. The replies are used where they were received: no row becomes a
Python object, of which a client library makes one a row and one a command.
"""

import numba
import numpy as np

from hotrow.codec.compile import I64, U8, kernel, part
from hotrow.codec.kernel_memory import address, copy, load_u8, set_word, store_i64, store_u8, word
from hotrow.codec.kernel_scan import REQUEST

INCOMPLETE, UNEXPECTED = -1, -2

COMMAND_BYTES = 64  # more than the fixed parts of an HMGET take
FIELD_BYTES = 14  # a view's id with its length
AROUND_BYTES = 32  # more than MULTI and EXEC take
WORD_BYTES = 24  # at most, around a word: `$`, its length, and two ends of lines

_RETURN, _NEWLINE, _ZERO, _MINUS = 13, 10, 48, 45
_PLUS, _STAR, _DOLLAR = 43, 42, 36
_HMGET = b"\r\n$5\r\nHMGET\r\n"
_MULTI = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC = b"*1\r\n$4\r\nEXEC\r\n"


@part
def _write_text(out, at, text):
    for i in range(len(text)):
        store_u8(out, at + i, text[i])
    return at + len(text)


@part
def _write_count(out, at, kind, count):
    """`kind`, a number and, of a string's length, the end of the line."""
    store_u8(out, at, kind)
    at += 1
    power = np.int64(1)
    while count // power >= 10:
        power *= 10
    while power > 0:
        store_u8(out, at, _ZERO + count // power % 10)
        power //= 10
        at += 1
    return at


@part
def _end_line(out, at):
    store_u8(out, at, _RETURN)
    store_u8(out, at + 1, _NEWLINE)
    return at + 2


@part
def views_of(views, n_views, key_set):
    """How many views are read with a key set."""
    count = np.int64(0)
    for v in range(n_views):
        if word(views, 2 * v + 1) == key_set:
            count += 1
    return count


@part
def key_sets(views, n_views):
    last = np.int64(-1)
    for v in range(n_views):
        last = max(last, word(views, 2 * v + 1))
    return last + 1


@part
def _commands(views, n_views, n):
    """How many HMGETs a read takes."""
    used = np.int64(0)
    for key_set in range(key_sets(views, n_views)):
        if views_of(views, n_views, key_set) > 0:
            used += 1
    return used * n


@part
def write_command(out, at, prefix, prefix_bytes, key, key_bytes, views, n_views, key_set):
    at = _write_count(out, at, _STAR, 2 + views_of(views, n_views, key_set))
    at = _write_text(out, at, _HMGET)
    at = _end_line(out, _write_count(out, at, _DOLLAR, prefix_bytes + key_bytes))
    copy(out, at, prefix, 0, prefix_bytes)
    copy(out, at + prefix_bytes, key, 0, key_bytes)
    at = _end_line(out, at + prefix_bytes + key_bytes)
    for v in range(n_views):
        if word(views, 2 * v + 1) == key_set:
            at = _end_line(out, _write_count(out, at, _DOLLAR, 8))
            store_i64(out, at, word(views, 2 * v))
            at = _end_line(out, at + 8)
    return at


@kernel(numba.int64(REQUEST, REQUEST, U8, I64, numba.int64, U8))
def write_read(prefix, views, keys, offsets, n, out):
    """Write the commands of a read to `out`, which has room for them; returns their size.

    `views` is `hotrow.codec.lookup.Wanted.table`; keys, offsets and n are those of `Keys`; `prefix` stands before
    every key.
    """
    to, before, table, ids, places = address(out), address(prefix), address(views), address(keys), address(offsets)
    n_views = len(views) // 16
    several = _commands(table, n_views, n) > 1
    at = _write_text(to, np.int64(0), _MULTI) if several else np.int64(0)
    for key_set in range(key_sets(table, n_views)):
        if views_of(table, n_views, key_set) == 0:
            continue
        for r in range(n):
            start = word(places, key_set * n + r)
            size = word(places, key_set * n + r + 1) - start
            at = write_command(to, at, before, len(prefix), ids + start, size, table, n_views, key_set)
    return _write_text(to, at, _EXEC) if several else at


@kernel(numba.int64(REQUEST, U8, I64, I64, U8))
def write_words(prefix, buffer, starts, ends, out):
    """Write words of a command, `prefix` and `buffer[starts[i] : ends[i]]` each, to `out`, which has room for them and
    for WORD_BYTES more of each; returns their size.
    """
    to, before, data = address(out), address(prefix), address(buffer)
    at, head, head_bytes, size = np.int64(0), np.int64(0), np.int64(0), np.int64(-1)
    for i in range(len(starts)):
        start = word(address(starts), i)
        count = word(address(ends), i) - start
        if count == size:  # as a rule, and to write a number costs as much as all else
            copy(to, at, to, head, head_bytes)
        else:
            size, head = count, at
            end = _end_line(to, _write_count(to, at, _DOLLAR, len(prefix) + size))
            copy(to, end, before, 0, len(prefix))
            head_bytes = end + len(prefix) - at
        at += head_bytes
        copy(to, at, data, start, size)
        at = _end_line(to, at + size)
    return at


@part
def line_end(buffer, at, end):
    """Where the line that begins here ends, behind its newline; INCOMPLETE where it does not yet."""
    while at + 1 < end:
        if load_u8(buffer, at) == _RETURN and load_u8(buffer, at + 1) == _NEWLINE:
            return at + 2
        at += 1
    return np.int64(INCOMPLETE)


@part
def read_count(buffer, at, end, kind):
    """The number of a line of a kind, and where the line ends, or what is wrong with it."""
    if at >= end:
        return np.int64(0), np.int64(INCOMPLETE)
    if load_u8(buffer, at) != kind:
        return np.int64(0), np.int64(UNEXPECTED)
    stop = line_end(buffer, at, end)
    if stop < 0:
        return np.int64(0), stop
    at += 1
    negative = load_u8(buffer, at) == _MINUS
    if negative:
        at += 1
    value = np.int64(0)
    while at < stop - 2:
        digit = np.int64(load_u8(buffer, at)) - _ZERO
        if digit < 0 or digit > 9 or value > 1 << 40:
            return np.int64(0), np.int64(UNEXPECTED)
        value = value * 10 + digit
        at += 1
    return (-value if negative else value), stop


@part
def _skip_count(buffer, at, end, commands):
    """Where the replies within that of a script begin."""
    count, at = read_count(buffer, at, end, _STAR)
    return at if at < 0 or count == commands else np.int64(UNEXPECTED)


@part
def _skip_transaction(buffer, at, end, commands):
    """Where the replies within a transaction begin: behind OK, a QUEUED a command, and their number."""
    for _ in range(commands + 1):
        if at < end and load_u8(buffer, at) != _PLUS:
            return np.int64(UNEXPECTED)
        at = line_end(buffer, at, end)
        if at < 0:
            return at
    return _skip_count(buffer, at, end, commands)


@part
def find_value(buffer, at, end, found, starts, place):
    """Note where a value is, and its size in place of where it will start; returns where it ends."""
    size, at = read_count(buffer, at, end, _DOLLAR)
    if at < 0:
        return at
    set_word(found, place, buffer + at)
    set_word(starts, place + 1, max(size, np.int64(0)))
    if size < 0:
        return at
    return at + size + 2 if at + size + 2 <= end else np.int64(INCOMPLETE)


@part
def _find(buffer, at, end, table, n_views, n, scripted, found, starts):
    commands = _commands(table, n_views, n)
    if scripted:
        at = _skip_count(buffer, at, end, commands)
    elif commands > 1:
        at = _skip_transaction(buffer, at, end, commands)
    for key_set in range(key_sets(table, n_views)):
        count = views_of(table, n_views, key_set)
        for r in range(n if count > 0 else 0):
            if at < 0:
                return at
            fields, at = read_count(buffer, at, end, _STAR)
            if at >= 0 and fields != count:
                return np.int64(UNEXPECTED)
            for v in range(n_views):
                if at >= 0 and word(table, 2 * v + 1) == key_set:
                    at = find_value(buffer, at, end, found, starts, v * n + r)
    return at


@kernel(numba.int64(U8, numba.int64, numba.int64, REQUEST, numba.int64, numba.int64, I64, I64))
def find_values(received, at, end, views, n, scripted, found, starts):
    """Find the replies to a read in what was received, from `at` to `end`.

    Returns where they end; INCOMPLETE where more has to come, UNEXPECTED for anything but such replies, an error among
    them. With `scripted` 1 they are together one reply, that of a script. `found` gets the address of each row in the
    order of `Rows`, `starts` where each will start.
    """
    places = address(starts)
    set_word(places, 0, 0)
    at = _find(address(received), at, end, address(views), len(views) // 16, n, scripted, address(found), places)
    if at >= 0:
        for place in range(len(views) // 16 * n):
            set_word(places, place + 1, word(places, place) + word(places, place + 1))
    return at


@kernel(numba.void(I64, I64, U8))
def take_values(found, starts, out):
    """Copy the rows that `find_values` found to `out`, while what was received is still there."""
    to, places = address(out), address(starts)
    for place in range(len(starts) - 1):
        start = word(places, place)
        copy(to, start, found[place], 0, word(places, place + 1) - start)
