"""Splits a read over the nodes of a Redis Cluster, and puts the replies of the nodes together.

An entity key belongs to a partition, by its CRC16 as Redis has it (XMODEM), and a partition to a node. A command is an
HMGET of one key, number `set * n + row`. Commands stand in a table, a node's one after another: three words each, the
number, and where its bytes start and end in what is sent.
"""

import binascii

import numba
import numpy as np

from hotrow.codec.compile import I64, U8, kernel, part
from hotrow.codec.kernel_memory import address, copy, load_u8, set_word, word
from hotrow.codec.kernel_resp import (
    COMMAND_BYTES,
    FIELD_BYTES,
    UNEXPECTED,
    find_value,
    key_sets,
    line_end,
    read_count,
    views_of,
    write_command,
)
from hotrow.codec.kernel_scan import REQUEST

COMMAND_WIDTH = 3
NODE_WIDTH = 4
FIRST, COUNT, START, END = 0, 1, 2, 3
"""Of a node: its first command and how many, and where its bytes start and end."""

_CRC = np.array([binascii.crc_hqx(bytes([octet]), 0) for octet in range(256)], np.int64)
_PLUS, _MINUS, _STAR = 43, 45, 42


@part
def _partition(keys, start, end, count):
    crc = np.int64(0)
    for i in range(start, end):
        crc = ((crc << 8) & 0xFFFF) ^ _CRC[((crc >> 8) ^ np.int64(load_u8(keys, i))) & 0xFF]
    return crc % count


@part
def _measure(prefix_starts, owners, views, n_views, keys, offsets, n, homes, nodes):
    """Note the partition of each key, and of each node how many commands it gets and what room they take."""
    partitions = len(prefix_starts) - 1
    for key_set in range(key_sets(views, n_views)):
        count = views_of(views, n_views, key_set)
        for r in range(n if count > 0 else 0):
            c = key_set * n + r
            start, end = word(offsets, c), word(offsets, c + 1)
            home = _partition(keys, start, end, partitions)
            homes[c] = home
            node = NODE_WIDTH * owners[home]
            nodes[node + COUNT] += 1
            nodes[node + END] += (
                COMMAND_BYTES + prefix_starts[home + 1] - prefix_starts[home] + end - start + FIELD_BYTES * count
            )


@part
def _place(nodes):
    """Lay the nodes' commands one after another."""
    first, start = np.int64(0), np.int64(0)
    for node in range(0, len(nodes), NODE_WIDTH):
        count, size = nodes[node + COUNT], nodes[node + END]
        nodes[node + FIRST], nodes[node + COUNT] = first, 0
        nodes[node + START] = nodes[node + END] = start
        first += count
        start += size


@kernel(numba.void(REQUEST, I64, I64, REQUEST, U8, I64, numba.int64, I64, I64, I64, U8))
def split(prefixes, prefix_starts, owners, views, keys, offsets, n, homes, nodes, commands, out):
    """Write the commands of a read to `out`, those of a node together.

    `prefixes[prefix_starts[p] : prefix_starts[p + 1]]` stands before the keys of partition `p`, which belongs to node
    `owners[p]`. `views` is `hotrow.codec.lookup.Wanted.table`; keys, offsets and n are those of `Keys`. `nodes`, zeros,
    gets NODE_WIDTH words a node, `commands` the table, and `homes` the partition of each key, for this kernel alone.
    """
    table, ids, places, before, to = address(views), address(keys), address(offsets), address(prefixes), address(out)
    n_views = len(views) // 16
    _measure(prefix_starts, owners, table, n_views, ids, places, n, homes, nodes)
    _place(nodes)
    for key_set in range(key_sets(table, n_views)):
        for r in range(n if views_of(table, n_views, key_set) > 0 else 0):
            c = key_set * n + r
            home = homes[c]
            node = NODE_WIDTH * owners[home]
            at = COMMAND_WIDTH * (nodes[node + FIRST] + nodes[node + COUNT])
            commands[at], commands[at + 1] = c, nodes[node + END]
            nodes[node + COUNT] += 1
            start = word(places, c)
            nodes[node + END] = write_command(
                to,
                nodes[node + END],
                before + prefix_starts[home],
                prefix_starts[home + 1] - prefix_starts[home],
                ids + start,
                word(places, c + 1) - start,
                table,
                n_views,
                key_set,
            )
            commands[at + 2] = nodes[node + END]


@part
def _no_rows(views, n_views, n, c, starts):
    for v in range(n_views):
        if word(views, 2 * v + 1) == c // n:
            set_word(starts, v * n + c % n + 1, 0)


@part
def _find_command(buffer, at, end, views, n_views, n, c, found, starts):
    """Find the rows in the reply to a command; returns where it ends."""
    fields, at = read_count(buffer, at, end, _STAR)
    if at >= 0 and fields != views_of(views, n_views, c // n):
        return np.int64(UNEXPECTED)
    for v in range(n_views):
        if at >= 0 and word(views, 2 * v + 1) == c // n:
            at = find_value(buffer, at, end, found, starts, v * n + c % n)
    return at


@kernel(numba.int64(U8, numba.int64, numba.int64, REQUEST, numba.int64, I64, numba.int64, I64, I64, I64))
def find_part(received, at, end, views, n, commands, asking, found, starts, failed):
    """Find the replies to the commands of a table in what was received, from `at` to `end`.

    Returns where they end, INCOMPLETE or UNEXPECTED as `find_values`. An error in place of a reply is noted in
    `failed`, a word a command: where it begins, or -1; its rows have no bytes. With `asking` 1 each command follows an
    ASKING.
    `found` and `starts` are as in `find_values`, of the whole read, and those of other commands are left alone.
    """
    buffer, table, n_views = address(received), address(views), len(views) // 16
    for i in range(len(commands) // COMMAND_WIDTH):
        if asking:
            if at < end and load_u8(buffer, at) != _PLUS:
                return np.int64(UNEXPECTED)
            at = line_end(buffer, at, end)
            if at < 0:
                return at
        failed[i] = -1
        if at < end and load_u8(buffer, at) == _MINUS:
            failed[i] = at
            _no_rows(table, n_views, n, commands[COMMAND_WIDTH * i], address(starts))
            at = line_end(buffer, at, end)
        else:
            at = _find_command(
                buffer, at, end, table, n_views, n, commands[COMMAND_WIDTH * i], address(found), address(starts)
            )
        if at < 0:
            return at
    return at


@part
def _views_rows(views, n_views, n, c, v):
    return v * n + c % n if word(views, 2 * v + 1) == c // n else np.int64(-1)


@kernel(numba.int64(REQUEST, numba.int64, I64, I64))
def part_bytes(views, n, commands, starts):
    """How many bytes the rows take that `find_part` found for the commands of a table."""
    table, n_views, size = address(views), len(views) // 16, np.int64(0)
    for i in range(len(commands) // COMMAND_WIDTH):
        for v in range(n_views):
            place = _views_rows(table, n_views, n, commands[COMMAND_WIDTH * i], v)
            if place >= 0:
                size += starts[place + 1]
    return size


@kernel(numba.void(REQUEST, numba.int64, I64, I64, I64, U8))
def take_part(views, n, commands, found, starts, out):
    """Copy these rows to `out`, which has room for them, and note that they are there."""
    table, n_views, to = address(views), len(views) // 16, address(out)
    for i in range(len(commands) // COMMAND_WIDTH):
        for v in range(n_views):
            place = _views_rows(table, n_views, n, commands[COMMAND_WIDTH * i], v)
            if place >= 0:
                copy(to, 0, found[place], 0, starts[place + 1])
                found[place] = to
                to += starts[place + 1]


@kernel(numba.int64(I64))
def lay_out(starts):
    """Make of the sizes of all rows, each in place of the start of the next, their starts; returns what all take."""
    starts[0] = 0
    for place in range(len(starts) - 1):
        starts[place + 1] += starts[place]
    return starts[len(starts) - 1]
