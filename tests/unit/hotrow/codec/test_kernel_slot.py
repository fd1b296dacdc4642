"""Reads split over the nodes of a cluster, and their replies put together, against the naive way."""

import binascii

import numpy as np
import pytest
from hotrow.codec.kernel_resp import COMMAND_BYTES, FIELD_BYTES, INCOMPLETE, UNEXPECTED, take_values
from hotrow.codec.kernel_slot import (
    COMMAND_WIDTH,
    COUNT,
    END,
    FIRST,
    NODE_WIDTH,
    START,
    find_part,
    lay_out,
    part_bytes,
    split,
    take_part,
)
from hotrow.codec.lookup import Rows, keys_from_lists, wanted_views
from hotrow.redis.topology import SLOTS, slot_of
from hotrow.stores.cluster.partition import PARTITIONS, by_partition, entity_key, layout_of, partition_of
from hypothesis import given
from hypothesis import strategies as st

VIEWS = st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.integers(0, 2)), min_size=1, max_size=5)
KEYS = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.binary(max_size=480), min_size=n, max_size=n), min_size=3, max_size=3)
)
OWNERS = st.lists(st.integers(0, 3), min_size=PARTITIONS, max_size=PARTITIONS)
ROWS = st.none() | st.binary(max_size=40) | st.sampled_from([bytes(9), bytes(10), bytes(99), bytes(1000)])
LAYOUT = layout_of(b"hotrow:")
NODES = 4


def resp(value):
    """A value as Redis sends it, and a command as it takes it; an error is a text."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, str):
        return b"-%s\r\n" % value.encode()
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(resp, value))
    return b"$%d\r\n%s\r\n" % (len(value), value)


class Read:
    """A read that a kernel has split: of each node its table of commands, and their bytes."""

    def __init__(self, views, keys, owners):
        self.wanted, found = wanted_views(*zip(*views, strict=True)), keys_from_lists(keys)
        self.n = found.n
        commands = (max(self.wanted.sets) + 1) * self.n
        size = commands * (COMMAND_BYTES + LAYOUT.longest) + int(found.offsets[commands])
        self.out = np.full(size + len(views) * self.n * FIELD_BYTES, 7, np.uint8)
        nodes, table = np.zeros(NODES * NODE_WIDTH, np.int64), np.empty(commands * COMMAND_WIDTH, np.int64)
        split(
            LAYOUT.prefixes,
            LAYOUT.starts,
            np.array(owners),
            self.wanted.table,
            found.data,
            found.offsets,
            self.n,
            np.empty(commands, np.int64),
            nodes,
            table,
            self.out,
        )
        self.found = np.empty(len(views) * self.n, np.int64)
        self.starts = np.empty(len(views) * self.n + 1, np.int64)
        self.tables, self.sent = [], []
        for node in nodes.reshape(NODES, NODE_WIDTH):
            first = node[FIRST] * COMMAND_WIDTH
            self.tables.append(table[first : first + node[COUNT] * COMMAND_WIDTH])
            self.sent.append(self.out[node[START] : node[END]].tobytes())

    def take(self, node, reply, *, asking=0, kept):
        """What `find_part` says of a reply that lies at the very end of its buffer; the rows are then in `kept`."""
        received = np.frombuffer(bytearray(b"xyz" + reply), np.uint8)
        table, failed = self.tables[node], np.empty(len(self.tables[node]) // COMMAND_WIDTH, np.int64)
        end = find_part(
            received, 3, 3 + len(reply), self.wanted.table, self.n, table, asking, self.found, self.starts, failed
        )
        if end < 0:
            return int(end), []
        rows = np.empty(max(1, part_bytes(self.wanted.table, self.n, table, self.starts)), np.uint8)
        take_part(self.wanted.table, self.n, table, self.found, self.starts, rows)
        kept.append(rows)
        errors = [received[at:].tobytes().partition(b"\r\n")[0] if at >= 0 else None for at in failed]
        received[:] = 0  # nothing of it is looked at again
        return int(end) - 3, errors

    def laid_out(self):
        data = np.empty(max(1, lay_out(self.starts)), np.uint8)
        take_values(self.found, self.starts, data)
        return Rows(data, self.starts).listed()


def expected_commands(views, keys, owners):
    """Of each node the key set, row, key and view ids of each HMGET."""
    nodes = [[] for _ in range(NODES)]
    for number, key_set in enumerate(keys):
        ids = [view for view, its_set in views if its_set == number]
        for row, key in enumerate(key_set if ids else []):
            nodes[owners[binascii.crc_hqx(key, 0) % PARTITIONS]].append((number, row, key, ids))
    return nodes


@given(VIEWS, KEYS, OWNERS)
def test_a_read_is_split_as_the_naive_way_splits_it(views, keys, owners):
    """Every key goes to the node of its partition, in order, behind the prefix of the partition."""
    read = Read(views, keys, owners)
    for node, commands in enumerate(expected_commands(views, keys, owners)):
        written = [resp([b"HMGET", LAYOUT.row_key(key), *ids]) for _, _, key, ids in commands]
        assert read.sent[node] == b"".join(written)
        table = read.tables[node].reshape(-1, COMMAND_WIDTH)
        assert table[:, 0].tolist() == [number * read.n + row for number, row, _, _ in commands]
        assert [read.out[start:end].tobytes() for _, start, end in table] == written


@given(VIEWS, KEYS, OWNERS, st.booleans(), st.data())
def test_parts_are_put_together(views, keys, owners, asking, data):
    """In whatever order nodes answer; an error in place of a reply is told, and what came with it is kept; however
    little of a part has come, more is waited for.
    """
    read = Read(views, keys, owners)
    nodes = expected_commands(views, keys, owners)
    stored, kept = {}, []
    for node in data.draw(st.permutations(range(NODES))):
        replies = [[data.draw(ROWS) for _ in ids] for _, _, _, ids in nodes[node]]
        errors = [data.draw(st.sampled_from([None, None, "MOVED 1 a:1", "ASK 1 a:1", "ERR"])) for _ in replies]
        sent = [resp(error or reply) for error, reply in zip(errors, replies, strict=True)]
        reply = b"".join((b"+OK\r\n" if asking else b"") + one for one in sent)
        for size in {*range(0, len(reply), 1 + len(reply) // 20), max(0, len(reply) - 1)} - {len(reply)}:
            assert read.take(node, reply[:size], asking=int(asking), kept=kept) == (INCOMPLETE, [])
        found = read.take(node, reply + b"-next", asking=int(asking), kept=kept)
        assert found == (len(reply), [error and b"-" + error.encode() for error in errors])
        for (number, row, _, ids), error, rows in zip(nodes[node], errors, replies, strict=True):
            stored[number, row] = [b""] * len(ids) if error else [one or b"" for one in rows]
    expected = []
    for place, (_, number) in enumerate(views):
        before = sum(its_set == number for _, its_set in views[:place])
        expected += [stored[number, row][before] for row in range(read.n)]
    assert read.laid_out() == expected


@pytest.mark.parametrize(
    "reply", [b"*2\r\n$1\r\na\r\n", b"*1\r\n:1\r\n", b"*1\r\n-ERR no\r\n", b"$1\r\na\r\n", b"+OK\r\n", b"*1\r\n$x\r\n"]
)
def test_anything_else_is_refused(reply):
    """Another number of fields, another type, a length that is none."""
    read = Read([(b"view___1", 0)], [[b"a"]], [0] * PARTITIONS)
    assert read.take(0, reply, kept=[]) == (UNEXPECTED, [])


@given(st.binary(max_size=60).map(lambda tail: b"*1\r\n$" + tail) | st.binary(max_size=60), st.integers(0, 1))
def test_no_bytes_are_read_beyond_the_end(reply, asking):
    """Whatever comes, it is a reply or an error, neither, or not yet one, and a row lies within it."""
    read = Read([(b"view___1", 0)], [[b"a"]], [0] * PARTITIONS)
    end, _ = read.take(0, reply, asking=asking, kept=(kept := []))
    assert end in (INCOMPLETE, UNEXPECTED) or (0 < end <= len(reply) and read.laid_out()[0] in reply)
    assert end < 0 or len(kept) == 1


def test_partitions_are_spread_over_the_slots():
    """Each in its share of them, whose keys Redis puts there; the tags are part of the format."""
    assert [slot * PARTITIONS // SLOTS for slot in LAYOUT.slots[:-1]] == list(range(PARTITIONS))
    assert LAYOUT.slots[-1] == slot_of(b"root") == 15680
    assert LAYOUT.partitions[0].prefix + LAYOUT.partitions[127].prefix == b"hotrow:{14}hotrow:{44}"
    assert [binascii.crc32(LAYOUT.prefixes), slot_of(b"123456789")] == [674065812, 0x31C3]


@given(st.binary(max_size=480))
def test_the_key_of_a_row_is_in_the_slot_of_its_partition(key):
    """Whatever braces the entity key has, which is found again in it."""
    row_key = LAYOUT.row_key(key)
    assert slot_of(row_key) == LAYOUT.slots[partition_of(key)]
    assert entity_key(row_key) == key
    assert by_partition([key, b"other", key])[partition_of(key)][0] == 0
