"""Pushes to OFFLINE and BOTH: what goes to the outbox, and what is told."""

import pytest
from hotrow import clock
from hotrow.codec.logged import decode_entry
from hotrow.codec.row import created_time_us, event_time_us, is_tombstone
from hotrow.errors import HotrowError
from hotrow.v1.push_pb2 import BOTH, DUPLICATE, OFFLINE, REJECTED, SKIPPED_STALE, WRITTEN, Destination
from reference.column import column
from support.pushing import delete, rows_of, stats, trips_of

TO = pytest.mark.parametrize("to", [OFFLINE, BOTH], ids=Destination.Name)


def logged(world):
    """Every row in the outbox: its key's last byte, its event time and its bytes, in order."""
    found = []
    for waiting in world.store.read_outbox(0):
        entry = decode_entry(waiting.data)
        keys, rows = entry.keys, entry.rows
        for key_length, row_length in zip(entry.key_lengths.tolist(), entry.row_lengths.tolist(), strict=True):
            found.append((keys[key_length - 1], event_time_us(rows), rows[:row_length]))
            keys, rows = keys[key_length:], rows[row_length:]
    return found


def test_both_writes_the_rows_that_it_logs(world):
    """Byte for byte; a read sees them, and the entry names the view."""
    reply = world.push(stats([1, 2], [10, 20], to=BOTH))
    assert list(reply.results) == [WRITTEN, WRITTEN]
    assert [row for _, _, row in logged(world)] == [row for _, row in sorted(rows_of(world).items())]
    assert trips_of(world, 1, 2) == [10, 20]
    [waiting] = world.store.read_outbox(0)
    assert decode_entry(waiting.data).view_id == world.head.view_id("stats")


def test_offline_leaves_the_store_alone(world):
    """All accepted rows are WRITTEN, and none is read online; the token is that of the commit."""
    reply = world.push(stats([1, 1, 2], [10, 11, 20], event_time_us=[5, 5, 6], to=OFFLINE))
    assert list(reply.results) == [WRITTEN] * 3
    assert (reply.written, len(reply.token)) == (3, 28)
    assert rows_of(world) == {}
    assert [(key, time_us) for key, time_us, _ in logged(world)] == [(1, 5), (1, 5), (2, 6)]


def test_both_logs_what_is_stale_or_doubled_online(world):
    """They are facts of their event times."""
    world.push(stats([1], [10], event_time_us=[100]))
    reply = world.push(stats([1, 2, 2], [11, 20, 21], event_time_us=[50, 7, 8], to=BOTH))
    assert list(reply.results) == [SKIPPED_STALE, DUPLICATE, WRITTEN]
    assert [(key, time_us) for key, time_us, _ in logged(world)] == [(1, 50), (2, 7), (2, 8)]


@TO
def test_rejected_rows_are_not_logged(world, to):
    """Nor is a batch of which all are rejected, or an atomic one."""
    push = stats([1, 2, 3], [10, 20, 30], event_time_us=[1, 2**62, 3], to=to)
    assert list(world.push(push).results) == [WRITTEN, REJECTED, WRITTEN]
    assert [key for key, _, _ in logged(world)] == [1, 3]
    assert list(world.push(stats([1], [1], event_time_us=[2**62], to=to)).results) == [REJECTED]
    push.atomic = True
    with pytest.raises(HotrowError, match="atomic"):
        world.push(push)
    assert len(logged(world)) == 2


@TO
def test_a_deletion_is_a_tombstone_in_the_log(world, to):
    """Of the same view, with the key alone."""
    world.push(stats([1], [10], to=BOTH))
    world.push(delete([1], to=to))
    assert [is_tombstone(row) for _, _, row in logged(world)] == [False, True]
    assert trips_of(world, 1) == ([None] if to == BOTH else [10])


@TO
def test_a_retry_is_logged_once(world, to):
    """It is answered as the first time; another payload under its id is refused."""
    push = stats([1, 1], [10, 11], request_id="one", to=to)
    first = world.push(push)
    again = world.push(push)
    assert (list(again.results), again.written) == (list(first.results), first.written)
    with pytest.raises(HotrowError, match="request_id"):
        world.push(stats([1], [12], request_id="one", to=to))
    assert len(logged(world)) == 2


@TO
def test_a_dry_run_logs_nothing(world, to):
    """It says what would be."""
    reply = world.push(stats([1, 1], [10, 11], dry_run=True, to=to))
    assert list(reply.results) == ([WRITTEN] * 2 if to == OFFLINE else [DUPLICATE, WRITTEN])
    assert logged(world) == []


def test_a_push_online_is_not_logged(world):
    """Nothing is kept of it but its rows."""
    world.push(stats([1], [10]))
    assert logged(world) == []


def test_every_row_has_a_created_time_of_its_own(world):
    """So that of rows of one key and event time the last one counts, of a push or of pushes that share a commit."""
    now_us = clock.now_us()
    for trips in range(20):
        world.push(stats([1, 2], [trips, trips], event_time_us=[now_us] * 2, to=BOTH))
    world.push(stats([1, 1, 1], [7, 8, 9], event_time_us=[now_us] * 3, to=BOTH))
    created = [created_time_us(row) for _, _, row in logged(world)]
    assert created == sorted(set(created))
    assert trips_of(world, 1, 2) == [9, 19]


def test_rows_without_a_key_are_logged(world):
    """A view of nobody has one key, which is empty."""
    world.push(
        type(stats([1], [1]))(view="state", rows=[column("open", "bool", [True])], to=OFFLINE, event_time_us=[3])
    )
    [waiting] = world.store.read_outbox(0)
    assert decode_entry(waiting.data).keys == b""
