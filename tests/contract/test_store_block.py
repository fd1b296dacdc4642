"""A block of rows is written as the same rows one by one are, whatever the store has of them."""

import random

import pytest
from hotrow.codec.lookup import wanted_views
from hotrow.stores.memory import MemoryStore
from hotrow.stores.port import SKIPPED_STALE, WRITTEN, Mark, StoredRow, Write
from hotrow.v1.push_pb2 import PushFeaturesRequest
from reference.column import column
from support.codec import push_rows
from support.schema import view

VIEW_ID, OTHER = b"horses__", b"\xff" * 8
KINDS = {"number": "int64", "text": "string"}


def block_of(kind, keys, times_us, view_id=VIEW_ID):
    """Rows of these keys in their order, at these times; texts have zeros in them, and are of any length."""
    values = keys if kind == "number" else [_text(key) for key in keys]
    fields = [
        column("id", KINDS[kind], values),
        column("x", "int64", keys),
        column("s", "string", ["y" * (k % 7) for k in keys]),
    ]
    if kind == "number":
        fields.pop()
    declared = view({"id": KINDS[kind]}, {"x": "int64"} if kind == "number" else {"x": "int64", "s": "string"})
    encoded = push_rows(declared, PushFeaturesRequest(rows=fields, event_time_us=times_us), view_id=view_id)
    assert encoded.block() is not None
    return encoded.block()


def _text(key):
    return f"{key:06d}" + "\0" * (key % 3)


def pushed(block, view_id=VIEW_ID):
    return Write(view_id, (), (), block=block)


def both(store, other, writes):
    """Write to both, one by one to the other; returns the outcomes, which are the same."""
    ours = store.write(writes)
    theirs = other.write([write.listed() for write in writes])
    assert [one.outcomes for one in ours] == [one.outcomes for one in theirs]
    assert contents(store) == contents(other)
    return [one.outcomes for one in ours]


def contents(store):
    return {(stored.view_id, stored.key): stored.row for stored in store.scan()}


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_behind_between_and_over_others(store, kind):
    """The first of a store, one behind it, one between its rows, and over rows of earlier, equal and later times."""
    other, choose = MemoryStore(), random.Random(3)
    outcomes = both(store, other, [pushed(block_of(kind, range(0, 2000, 4), [5] * 500))])
    assert outcomes == [bytes([WRITTEN]) * 500]
    both(store, other, [pushed(block_of(kind, range(4000, 4400), [5] * 400))])
    outcomes = both(store, other, [pushed(block_of(kind, range(1, 2000, 4), [7] * 500))])
    assert outcomes == [bytes([WRITTEN]) * 500]
    times = [choose.randint(4, 8) for _ in range(1000)]
    (mixed,) = both(store, other, [pushed(block_of(kind, range(1000, 2000), times))])
    assert {WRITTEN, SKIPPED_STALE} == set(mixed)
    (stale,) = both(store, other, [pushed(block_of(kind, range(4000, 4400), [5] * 400))])
    assert set(stale) == {SKIPPED_STALE}


@pytest.mark.parametrize("kind", KINDS)
def test_writes_of_one_transaction_see_one_another(store, kind):
    """Blocks that follow one another, that overlap, that repeat, and rows in between that came alone."""
    other = MemoryStore()
    low, high = block_of(kind, range(300), [5] * 300), block_of(kind, range(300, 600), [5] * 300)
    over, later = block_of(kind, range(150, 450), [6] * 300), block_of(kind, range(300), [9] * 300)
    both(store, other, [pushed(low), pushed(high)])
    both(store, other, [pushed(over), pushed(low), pushed(over)])
    alone = Write(VIEW_ID, later.listed_keys()[:3], later.listed_rows()[:3])
    outcomes = both(store, other, [alone, pushed(over), pushed(later), alone])
    assert outcomes[0] == bytes([WRITTEN]) * 3
    assert outcomes[2] == bytes([SKIPPED_STALE]) * 3 + bytes([WRITTEN]) * 297
    assert outcomes[3] == bytes([SKIPPED_STALE]) * 3


def test_views_do_not_meet(store):
    """A block of one view among the rows of another with the same keys."""
    other = MemoryStore()
    one, two = block_of("number", range(400), [5] * 400), block_of("number", range(400), [3] * 400, OTHER)
    assert both(store, other, [pushed(one), pushed(two, OTHER)]) == [bytes([WRITTEN]) * 400] * 2
    found = store.read(wanted_views([OTHER], [0]), two.keys()).listed()
    assert found == two.listed_rows()


def test_a_block_over_rows_that_were_removed(store):
    """Rows that are gone are new again."""
    other = MemoryStore()
    block = block_of("text", range(500), [5] * 500)
    both(store, other, [pushed(block)])
    gone = [StoredRow(VIEW_ID, key, row) for key, row in zip(block.listed_keys(), block.listed_rows(), strict=True)][
        ::3
    ]
    assert store.remove(gone) == other.remove(gone) == len(gone)
    (outcomes,) = both(store, other, [pushed(block)])
    assert outcomes.count(WRITTEN) == len(gone)


def test_a_block_happens_once(store):
    """With its mark, its watermark and its entries of the outbox, between rows that came alone."""
    block, later = block_of("text", range(300), [5] * 300), block_of("text", range(300), [6] * 300)
    whole = Write(VIEW_ID, (), (), Mark(b"request", b"digest", b"note"), 7, [b"entry"] * 70, block=block)
    alone = Write(OTHER, later.listed_keys()[:2], later.listed_rows()[:2])
    first, _ = store.write([whole, alone])
    assert (first.outcomes, first.replayed) == (bytes([WRITTEN]) * 300, False)
    _, again = store.write([pushed(later), whole])
    assert (again.outcomes, again.sequence, again.replayed, again.note) == (*first[:2], True, b"note")
    assert contents(store) == contents_of(later) | {(OTHER, key): row for key, row in zip(*alone[1:3], strict=True)}
    assert len(store.read_outbox(0)) == 70
    assert store.watermark_us(VIEW_ID) == 7


def contents_of(block):
    return {(VIEW_ID, key): row for key, row in zip(block.listed_keys(), block.listed_rows(), strict=True)}
