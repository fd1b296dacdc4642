"""The store in Redis lets an entity key go when no view can serve a row of it any more."""

import time

import pytest
from hotrow import clock
from hotrow.settings import OnlineStoreSettings
from hotrow.stores.maintenance import GRACE_US, GcRules, gc
from hotrow.stores.port import SKIPPED_STALE, WRITTEN, Write
from hotrow.stores.redis.store import RedisStore
from support.redis import RedisServer

VIEW, OTHER = b"horses__", b"riders__"
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
CLOCK_MS = 60_000  # of a test that takes its time
KEPT = 3 * DAY_US


@pytest.fixture
def store(redis_server):
    """Empty, on the server that tests share."""
    redis_server.ask("FLUSHALL")
    opened = RedisStore(OnlineStoreSettings(type="redis", url=redis_server.url), writable=True)
    yield opened
    opened.close()


@pytest.fixture
def put(store, make_row):
    """Writes a row of a key: its event time as the distance from now."""

    def write(key, ahead_us=0, *, kept_us, view=VIEW, **row):
        rows = [make_row(clock.now_us() + ahead_us, **row)]
        return store.write([Write(view, [key], rows, kept_us=kept_us)])[0].outcomes[0]

    return write


@pytest.fixture
def left_ms(redis_server):
    """In how many ms a key goes: -1 never, -2 there is none."""
    return lambda key: int(redis_server.ask("PTTL", f"hotrow:r:{key.decode()}").removeprefix(b":"))


def until(holds):
    end_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def about(ms, us):
    """Whether that is what is left of it after some seconds."""
    return us // 1000 - CLOCK_MS < ms <= us // 1000


@pytest.mark.parametrize("tombstone", [False, True])
@pytest.mark.parametrize("ahead_us", [0, -KEPT, -(10**15), 2 * HOUR_US])
def test_a_key_goes_when_its_rows_have_been_kept_for_so_long(put, left_ms, ahead_us, tombstone):
    """From the event time on where that is in the future, else from now; tombstones too."""
    assert put(b"k", ahead_us, kept_us=KEPT, tombstone=tombstone) == WRITTEN
    assert about(left_ms(b"k"), max(ahead_us, 0) + KEPT)


def test_without_a_bound_a_key_stays_for_ever(put, left_ms):
    """Whether it is new or was to go."""
    put(b"new", kept_us=None)
    put(b"old", kept_us=KEPT)
    put(b"old", kept_us=None, view=OTHER)
    assert (left_ms(b"new"), left_ms(b"old")) == (-1, -1)


@pytest.mark.parametrize("chosen", [(), (0,), (7, 8, 19), range(20)], ids=len)
@pytest.mark.parametrize("count", [2, 20])
def test_of_many_keys_written_at_once_each_stays(store, make_row, left_ms, chosen, count):
    """New ones, beside ones that were to go for the sake of another view, of this one, or are stale."""
    old_us, now_us = clock.now_us() - HOUR_US, clock.now_us()
    keys = [b"%d" % number for number in range(count)]
    going = [key for number, key in enumerate(keys) if number in chosen]
    thirds = [going[place::3] for place in range(3)]
    store.write(
        [
            Write(OTHER, thirds[0], [make_row(now_us)] * len(thirds[0]), kept_us=KEPT),
            Write(VIEW, thirds[1], [make_row(old_us)] * len(thirds[1]), kept_us=KEPT),
            Write(VIEW, thirds[2], [make_row(now_us + 1)] * len(thirds[2]), kept_us=KEPT),
        ]
    )
    (written,) = store.write([Write(VIEW, keys, [make_row(now_us)] * count, kept_us=None)])
    stale = set(thirds[2])
    assert list(written.outcomes) == [SKIPPED_STALE if key in stale else WRITTEN for key in keys]
    assert [key for key in keys if left_ms(key) != -1] == [key for key in keys if key in stale]


def test_keys_that_expired_and_are_still_counted_stay_when_written_anew(tmp_path, make_row):
    """By the number of keys it is as if all had been there before."""
    server = RedisServer(tmp_path, "--enable-debug-command", "yes").start()
    try:
        server.ask("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        store = RedisStore(OnlineStoreSettings(type="redis", url=server.url), writable=True)
        keys, now_us = [b"%d" % number for number in range(20)], clock.now_us()
        store.write([Write(VIEW, keys[:5], [make_row(now_us)] * 5, kept_us=1000)])
        until(lambda: server.ask("EXISTS", "hotrow:r:4") == b":0")
        assert server.ask("DBSIZE") != b":1"
        store.write([Write(VIEW, keys, [make_row(now_us - 1)] * 20, kept_us=None)])
        store.close()
        assert {server.ask("PTTL", f"hotrow:r:{number}") for number in range(20)} == {b":-1"}
    finally:
        server.kill()


def test_an_expiry_is_never_shortened(put, left_ms):
    """One that is later stays, an earlier one is moved, and none stays none: another view's rows need it."""
    put(b"late", kept_us=10 * DAY_US)
    put(b"late", kept_us=KEPT, view=OTHER)
    put(b"late", 1, kept_us=KEPT)
    assert about(left_ms(b"late"), 10 * DAY_US)
    put(b"soon", kept_us=KEPT)
    put(b"soon", kept_us=10 * DAY_US, view=OTHER)
    assert about(left_ms(b"soon"), 10 * DAY_US)
    put(b"ever", kept_us=None)
    put(b"ever", kept_us=KEPT, view=OTHER)
    put(b"ever", 1, kept_us=KEPT)
    assert left_ms(b"ever") == -1


def test_a_row_that_is_not_written_moves_nothing(put, left_ms):
    """It is older than what is there."""
    put(b"k", kept_us=KEPT)
    assert put(b"k", -1_000_000, kept_us=10 * DAY_US) == SKIPPED_STALE
    assert put(b"k", -1_000_000, kept_us=None) == SKIPPED_STALE
    assert about(left_ms(b"k"), KEPT)


def test_rows_of_one_write_go_each_in_its_time(store, make_row, left_ms):
    """Of writes in one commit too; the largest ttl is no number that the server refuses."""
    now_us = clock.now_us()
    rows = [make_row(now_us), make_row(now_us + HOUR_US)]
    longest = Write(VIEW, [b"c"], [make_row((1 << 63) - 1)], kept_us=(1 << 63) - 1)
    store.write([Write(VIEW, [b"a", b"b"], rows, kept_us=KEPT), Write(OTHER, [b"b"], rows[:1], kept_us=KEPT), longest])
    assert about(left_ms(b"a"), KEPT)
    assert about(left_ms(b"b"), KEPT + HOUR_US)
    assert left_ms(b"c") > 1 << 53


def test_keys_that_have_gone_are_counted_until_the_next_gc(store, make_row, redis_server):
    """`info` has at most so many rows; gc corrects the number by what it finds, and counts what it removes."""
    old, now_us = make_row(0), clock.now_us()
    store.write([Write(VIEW, [b"%d" % number for number in range(20)], [make_row(now_us)] * 20, kept_us=1000)])
    store.write([Write(VIEW, [b"a", b"b", b"c"], [old, make_row(now_us), make_row(now_us)], kept_us=KEPT)])
    until(lambda: redis_server.ask("DBSIZE") == b":4")  # it looks out for what has expired
    assert store.info().rows == 23
    report = gc(store, GcRules({VIEW: DAY_US}), now_us=now_us)
    assert (report.scanned, report.removed, store.info().rows) == (3, 1, 2)
    gc(store, GcRules({VIEW: DAY_US}), now_us=now_us)
    assert store.info().rows == len(list(store.scan())) == 2
    assert store.verify() == []


def test_a_key_that_went_is_written_anew(store, make_row, put, left_ms, redis_server):
    """With its next row, and an expiry of its own."""
    put(b"k", 10_000_000, kept_us=GRACE_US)
    redis_server.ask("PEXPIRE", "hotrow:r:k", "1")
    until(lambda: left_ms(b"k") == -2)
    assert put(b"k", kept_us=KEPT) == WRITTEN
    assert about(left_ms(b"k"), KEPT)
