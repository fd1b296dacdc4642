"""Commands and replies in Redis's protocol, against the naive way."""

import numpy as np
import pytest
from hotrow.codec.kernel_resp import (
    AROUND_BYTES,
    COMMAND_BYTES,
    FIELD_BYTES,
    INCOMPLETE,
    UNEXPECTED,
    WORD_BYTES,
    find_values,
    take_values,
    write_read,
    write_words,
)
from hotrow.codec.lookup import Rows, keys_from_lists, wanted_views
from hypothesis import given
from hypothesis import strategies as st

VIEWS = st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.integers(0, 2)), min_size=1, max_size=5)
KEYS = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.lists(st.binary(max_size=480), min_size=n, max_size=n), min_size=3, max_size=3)
)
ROWS = st.none() | st.binary(max_size=40) | st.sampled_from([bytes(9), bytes(10), bytes(99), bytes(1000)])


def resp(value):
    """A value as Redis sends it, and a command as it takes it."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(resp, value))
    return b"$%d\r\n%s\r\n" % (len(value), value)


def commands_of(views, keys):
    """The keys and view ids of each HMGET."""
    found = []
    for number, key_set in enumerate(keys):
        ids = [view for view, its_set in views if its_set == number]
        found += [(key, ids) for key in key_set if ids]
    return found


def written(prefix, views, keys):
    wanted, found = wanted_views(*zip(*views, strict=True)), keys_from_lists(keys)
    room = AROUND_BYTES + len(keys) * found.n * (COMMAND_BYTES + len(prefix)) + int(found.offsets[-1])
    out = np.full(room + len(views) * found.n * FIELD_BYTES, 7, np.uint8)
    size = write_read(prefix, wanted.table, found.data, found.offsets, found.n, out)
    assert size <= len(out)
    return out[:size].tobytes()


def parsed(reply, views, n, at=0):
    """What is found in a reply that lies at the very end of its buffer: where it ends, and the rows."""
    wanted = wanted_views(*zip(*views, strict=True))
    received = np.frombuffer(bytearray(at) + bytearray(reply) or bytearray(1), np.uint8)
    found, starts = np.zeros(len(views) * n, np.int64), np.zeros(len(views) * n + 1, np.int64)
    end = find_values(received, at, at + len(reply), wanted.table, n, 0, found, starts)
    if end < 0:
        return end, None
    out = np.empty(max(1, starts[-1]), np.uint8)
    take_values(found, starts, out)
    return end, Rows(out, starts).listed()


@given(st.binary(max_size=20), VIEWS, KEYS)
def test_commands_are_those_of_the_naive_way(prefix, views, keys):
    """An HMGET a key of each set that is used, within a transaction where there are several; the room is enough."""
    commands = [resp([b"HMGET", prefix + key, *ids]) for key, ids in commands_of(views, keys)]
    if len(commands) > 1:
        commands = [resp([b"MULTI"]), *commands, resp([b"EXEC"])]
    assert written(prefix, views, keys) == b"".join(commands)


@given(VIEWS, KEYS, st.data())
def test_replies_are_found_as_rows(views, keys, data):
    """View by view, empty where there is none; however little of them has come, more is waited for."""
    commands, n = commands_of(views, keys), len(keys[0])
    replies = [[data.draw(ROWS) for _ in ids] for _, ids in commands]
    reply = b"".join(map(resp, replies))
    if len(commands) > 1:
        reply = b"+OK\r\n" + b"+QUEUED\r\n" * len(commands) + resp(replies)
    expected, by_set = [], {}
    for number in range(3):
        if any(its_set == number for _, its_set in views):
            by_set[number], replies = replies[:n], replies[n:]
    taken = dict.fromkeys(by_set, 0)
    for _, number in views:
        expected += [one[taken[number]] or b"" for one in by_set[number]]
        taken[number] += 1
    assert parsed(reply + b"+next", views, n, at=3) == (3 + len(reply), expected)
    for size in {*range(0, len(reply), 1 + len(reply) // 50), len(reply) - 1}:
        assert parsed(reply[:size], views, n) == (INCOMPLETE, None)


@pytest.mark.parametrize(
    "reply",
    [
        b"-ERR no\r\n",
        b"*2\r\n$1\r\na\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n-ERR no\r\n",
        b"$1\r\na\r\n",
        b"+OK\r\n",
        b"*1\r\n$x\r\n",
        b"*1\r\n$9999999999999999999\r\n",
    ],
)
def test_anything_else_is_refused(reply):
    """An error, another number of fields, another type, a length that is none."""
    assert parsed(reply, [(b"view___1", 0)], 1) == (UNEXPECTED, None)


@pytest.mark.parametrize("reply", [b"-ERR\r\n", b"+OK\r\n-ERR\r\n", b"+OK\r\n+QUEUED\r\n+QUEUED\r\n-EXECABORT\r\n"])
def test_a_transaction_that_fails_is_refused(reply):
    """Wherever the error stands."""
    assert parsed(reply, [(b"view___1", 0)], 2) == (UNEXPECTED, None)


@given(st.binary(max_size=60).map(lambda tail: b"*1\r\n$" + tail) | st.binary(max_size=60))
def test_no_bytes_are_read_beyond_the_end(reply):
    """Whatever comes, it is a reply, not one, or not yet one, and a row lies within it."""
    end, rows = parsed(reply, [(b"view___1", 0)], 1)
    assert end in (INCOMPLETE, UNEXPECTED) or (0 < end <= len(reply) and rows[0] in reply)


WORDS = st.lists(ROWS.filter(lambda row: row is not None) | st.binary(min_size=95, max_size=105), max_size=8)


@given(words=WORDS, prefix=st.binary(max_size=9), between=st.integers(0, 3))
def test_words_of_a_command(words, prefix, between):
    """Of any sizes, those that repeat among them, with something between them in the buffer; no byte too many is
    written.
    """
    buffer = np.frombuffer(bytearray(b"-" * between).join([b"", *words, b""]), np.uint8)
    ends = np.cumsum([between + len(word) for word in words], dtype=np.int64)
    starts = ends - np.array([len(word) for word in words], np.int64)
    expected = b"".join(resp(prefix + word) for word in words)
    assert len(expected) <= sum(map(len, words)) + len(words) * (len(prefix) + WORD_BYTES)
    out = np.full(len(expected) + 8, 7, np.uint8)
    size = write_words(prefix, buffer, starts, ends, out)
    assert out[:size].tobytes() == expected
    assert set(out[size:].tolist()) == {7}
