"""A commit as it is sent is what hiredis makes of its words, one by one."""

import hiredis
import numpy as np
import pytest
from hotrow.codec.block import RowBlock
from hotrow.redis.client import Packed, count_words, packed
from hotrow.stores.port import Mark, Write
from hotrow.stores.redis.script import Names
from hotrow.stores.redis.write import write_arguments
from hypothesis import given
from hypothesis import strategies as st

NAMES = Names(b"shop:")
VIEW = b"horses__"
COUNTS = st.integers(0, 5) | st.integers(60, 70) | st.just(300)
ROWS = st.lists(st.binary(min_size=32, max_size=40) | st.binary(max_size=1200), min_size=1, max_size=5)
KEYS = st.lists(st.binary(max_size=12) | st.binary(min_size=90, max_size=480), min_size=1, max_size=5)


def repeated(items, count):
    return [items[place % len(items)] for place in range(count)]


def block_of(keys, rows):
    """Each key, the view's id and the row, one behind another."""
    names = np.array([len(key) + len(VIEW) for key in keys], np.int64)
    sizes = names + np.array(list(map(len, rows)), np.int64)
    starts = np.cumsum(sizes) - sizes
    buffer = np.frombuffer(bytearray().join(key + VIEW + row for key, row in zip(keys, rows, strict=True)), np.uint8)
    # Columns that are not contiguous, as a request's are.
    results = np.stack([starts, starts + names, starts + sizes], axis=1)
    return RowBlock(buffer, *(results[:, place] for place in range(3)))


@st.composite
def writes(draw):
    """A write of keys and rows, and whether they come as a block."""
    count = draw(COUNTS)
    keys, rows = repeated(draw(KEYS), count), repeated(draw(ROWS), count)
    mark = draw(st.none() | st.just(Mark(b"request", b"digest", b"note")))
    outbox = repeated(draw(ROWS), draw(COUNTS))
    watermark_us, kept_us = draw(st.none() | st.integers(0, 9)), draw(st.none() | st.just(9))
    one = Write(VIEW, keys, rows, mark, watermark_us, outbox, kept_us=kept_us)
    return one, count > 0 and draw(st.booleans())


def sent(some):
    keys, arguments = write_arguments(NAMES, some)
    arguments[0] = 1  # the time
    (command,) = packed([["EVALSHA", count_words(keys), *keys, *arguments], ["PING"]])
    return command


@given(st.lists(writes(), max_size=4))
def test_blocks_and_lists_are_sent_alike(drawn):
    """In any order, many rows and few."""
    some = [
        one._replace(keys=(), rows=(), block=block_of(one.keys, one.rows)) if as_block else one
        for one, as_block in drawn
    ]
    listed = [one.listed() for one in some]
    assert [one.rows for one in listed] == [one.rows for one, _ in drawn]
    words = ["EVALSHA", 5 + sum(len(one.keys) for one in listed)]
    words += [NAMES.meta, NAMES.marks, NAMES.mark_order, NAMES.watermarks, NAMES.outbox]
    words += [NAMES.rows + key for one in listed for key in one.keys]
    arguments = write_arguments(NAMES, [one._replace(keys=(), rows=(), outbox=()) for one in listed])[1]
    head, heads = arguments[1:4], arguments[4:]
    words += [1, *head[:2], len(some)]
    for place, one in enumerate(listed):
        nine = heads[9 * place : 9 * place + 9]
        words += [*nine[:6], len(one.rows), len(one.outbox), nine[8], *one.rows, *one.outbox]
    assert sent(some) == hiredis.pack_command(tuple(words)) + b"*1\r\n$4\r\nPING\r\n"


@pytest.mark.parametrize("count", [63, 64])
def test_no_word_is_made_of_a_row_where_they_are_many(count):
    """A few are packed as any other words."""
    keys, arguments = write_arguments(NAMES, [Write(VIEW, [b"k"] * count, [bytes(32)] * count)])
    assert any(isinstance(word, Packed) for word in keys + arguments) == (count == 64)
    assert count_words(keys) == 5 + count
