"""Upkeep by the worker: what goes, what stays, and that it ends, goes on and follows what is served."""

import struct
import threading
import time
from datetime import timedelta

import pytest
from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.stores.maintenance import GRACE_US, GcReport
from hotrow.stores.memory import MemoryStore
from hotrow.stores.port import Write, read_rows
from hotrow_ingest.collect import Collector
from support.world import snapshot_of, stats_view

HOUR_US = 3_600_000_000
NOW_US = 1_700_000_000_000_000
SIGN = 1 << 63
FOREIGN = b"foreign_"
WAIT_S = 10.0


def row(event_us, *, tombstone=False):
    head = struct.pack("<IBBH8s", 36, 1, int(tombstone), 0, b"schema_1")
    return head + struct.pack(">QQ", event_us + SIGN, SIGN) + b"csum"


def put(store, view_id, ages_us):
    """A row of each age, with the age as its key."""
    keys = [b"%020d" % age_us for age_us in ages_us]
    store.write([Write(view_id, keys, [row(NOW_US - age_us) for age_us in ages_us])])


def ages_us(store, view_id):
    return sorted(int(stored.key) for stored in store.scan(view_id))


def hours(number):
    return snapshot_of(stats_view(ttl=timedelta(hours=number)))


def collector_of(world, *, interval_s=0.0):
    return Collector(world.store, world.writes, interval_s=interval_s)


def until(holds):
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_row_goes_a_day_after_the_longest_ttl_of_what_is_served(worlds):
    """Of heads, and of pins; a microsecond earlier it stays."""
    world = worlds(hours(1), hours(2), names={"old": hours(3)})
    view_id = world.head.view_id("stats")
    bound_us = 3 * HOUR_US + GRACE_US
    put(world.store, view_id, [0, bound_us, bound_us + 1])
    report = collector_of(world).collect(NOW_US)
    assert report == GcReport(scanned=3, expired=1, removed=1)
    assert ages_us(world.store, view_id) == [0, bound_us]
    world.serve(hours(1))
    assert collector_of(world).collect(NOW_US).removed == 1
    assert ages_us(world.store, view_id) == [0]


def test_what_has_no_ttl_or_is_nobodys_stays(worlds):
    """A view that one snapshot keeps for ever, and a view id that none knows; of the first, tombstones go."""
    world = worlds(hours(1), snapshot_of(stats_view(ttl=None)))
    view_id = world.head.view_id("stats")
    for one in (view_id, world.head.view_id("pair"), FOREIGN):
        put(world.store, one, [0, 10_000 * HOUR_US])
    world.store.write([Write(view_id, [b"gone"], [row(NOW_US - GRACE_US - 1, tombstone=True)])])
    assert collector_of(world).collect(NOW_US) == GcReport(scanned=7, tombstones=1, unknown=2, removed=1)


class Hooked(MemoryStore):
    """Calls `hook` before every removal."""

    def __init__(self):
        super().__init__()
        self.hook = lambda: None
        self.sizes = []

    def remove(self, rows):
        self.hook()
        self.sizes.append(len(rows))
        return super().remove(rows)


def test_a_longer_ttl_holds_from_its_publication_on(worlds):
    """In the middle of a pass as well."""
    world = worlds(hours(1), store=Hooked())
    view_id = world.head.view_id("stats")
    put(world.store, view_id, range(2 * HOUR_US + GRACE_US, 2 * HOUR_US + GRACE_US + 1000))
    world.store.hook = lambda: world.serve(hours(3))
    assert collector_of(world).collect(NOW_US).removed == 200
    assert len(ages_us(world.store, view_id)) == 800


def test_batches_are_small_and_it_stops_between_them(worlds):
    """A push waits for one of them at most, and so does the end of the worker."""
    world = worlds(hours(1), store=Hooked())
    view_id = world.head.view_id("stats")
    put(world.store, view_id, range(2 * HOUR_US + GRACE_US, 2 * HOUR_US + GRACE_US + 1000))
    collector = collector_of(world)
    world.store.hook = lambda: len(world.store.sizes) < 2 or collector.stop(0)
    assert collector.collect(NOW_US).removed == 600
    assert world.store.sizes == [200, 200, 200]
    assert collector.stop(0)


def test_it_passes_at_every_interval_whatever_becomes_of_the_last(worlds):
    """A full store and a defect are survived, and the rows go afterwards."""
    world = worlds(hours(1), store=Hooked())
    failures = [HotrowError(Code.EXHAUSTED, "the disk is full"), RuntimeError("a defect")]

    def fail():
        if failures:
            raise failures.pop(0)

    world.store.hook = fail
    view_id = world.head.view_id("stats")
    world.store.write([Write(view_id, [b"old", b"new"], [row(0), row(clock.now_us())])])
    collector = collector_of(world, interval_s=0.02)
    until(lambda: [stored.key for stored in world.store.scan(view_id)] == [b"new"])
    assert failures == []
    assert collector.stop(WAIT_S)


def test_at_0_it_never_passes(worlds):
    """No thread is started."""
    world = worlds(hours(1))
    before = threading.active_count()
    collector = collector_of(world, interval_s=0.0)
    assert threading.active_count() == before
    assert collector.stop(0)


@pytest.mark.timeout(60)
def test_pushes_and_reads_go_on_beside_it(worlds, tmp_path):
    """On LMDB: what is written during a pass is there after it, and what is old is not."""
    store = LmdbStore(tmp_path / "online", size_gib=0.1, writable=True, durability="os")
    world = worlds(hours(1), store=store)
    view_id = world.head.view_id("stats")
    put(store, view_id, range(2 * HOUR_US + GRACE_US, 2 * HOUR_US + GRACE_US + 3000))
    collector = collector_of(world)
    pass_ = threading.Thread(target=collector.collect, args=(NOW_US,))
    pass_.start()
    written = 0
    while pass_.is_alive():
        put(store, view_id, [written])
        assert read_rows(store, [view_id], [[b"%020d" % written]]) == [row(NOW_US - written)]
        written += 1
    pass_.join()
    assert ages_us(store, view_id) == list(range(written))
    assert written > 10
    assert store.verify() == []
    world.batcher.drain(WAIT_S)
    store.close()
