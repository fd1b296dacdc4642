"""What goes when, and what is told about a store's rows."""

import pytest
from hotrow.stores.maintenance import (
    BATCH_ROWS,
    GRACE_US,
    GcReport,
    GcRules,
    ViewCount,
    count_rows,
    gc,
    gc_batches,
    verify_rows,
)
from hotrow.stores.memory import MemoryStore
from hotrow.stores.port import StoredRow, Write

HORSES, RIDERS, FOREIGN = b"horses__", b"riders__", b"foreign_"
NOW_US = 1_700_000_000_000_000
TTL_US = 3_600_000_000


@pytest.fixture
def store():
    return MemoryStore()


def put(store, rows, view_id=HORSES):
    store.write([Write(view_id, list(rows), list(rows.values()))])


def keys(store, view_id=HORSES):
    return [stored.key for stored in store.scan(view_id)]


def test_rows_go_a_day_after_their_ttl(store, make_row):
    """At the very bound they stay; one microsecond later they go."""
    bound_us = NOW_US - TTL_US - GRACE_US
    put(store, {b"before": make_row(bound_us - 1), b"at": make_row(bound_us), b"young": make_row(NOW_US)})
    report = gc(store, GcRules({HORSES: TTL_US}), now_us=NOW_US)
    assert report == GcReport(scanned=3, expired=1, removed=1)
    assert keys(store) == [b"at", b"young"]


def test_rows_without_a_ttl_stay_and_their_tombstones_go(store, make_row):
    """A tombstone has to stand a day and the ttl, against rows that come late."""
    old = make_row(-1)
    put(store, {b"row": old, b"new": make_row(NOW_US - GRACE_US, tombstone=True)})
    put(store, {b"old": make_row(NOW_US - GRACE_US - 1, tombstone=True)})
    put(store, {b"waits": make_row(NOW_US - GRACE_US - 1, tombstone=True)}, RIDERS)
    report = gc(store, GcRules({HORSES: None, RIDERS: TTL_US}), now_us=NOW_US)
    assert report == GcReport(scanned=4, tombstones=1, removed=1)
    assert keys(store) == [b"new", b"row"]
    assert keys(store, RIDERS) == [b"waits"]


def test_only_views_that_were_named_are_touched(store, make_row):
    """Those not served any more go altogether; those nobody knows stay, and are counted."""
    for view_id in (HORSES, RIDERS, FOREIGN):
        put(store, {b"k": make_row(NOW_US)}, view_id)
    put(store, {b"old": make_row(0)}, FOREIGN)
    report = gc(store, GcRules({HORSES: TTL_US}, unserved={RIDERS}), now_us=NOW_US)
    assert report == GcReport(scanned=4, unserved=1, unknown=2, removed=1)
    assert [stored.view_id for stored in store.scan()] == [FOREIGN, FOREIGN, HORSES]


def test_a_row_written_meanwhile_stays(store, make_row, monkeypatch):
    """What is removed is what was looked at."""
    put(store, {b"a": make_row(0), b"b": make_row(0)})
    remove = store.remove

    def remove_late(rows):
        put(store, {b"a": make_row(NOW_US)})
        return remove(rows)

    monkeypatch.setattr(store, "remove", remove_late)
    report = gc(store, GcRules({HORSES: TTL_US}), now_us=NOW_US)
    assert (report.expired, report.removed) == (2, 1)
    assert keys(store) == [b"a"]


def test_batches_are_bounded(store, make_row, monkeypatch):
    """Each is one transaction of few rows, and the caller may stop between them."""
    rows = 2 * BATCH_ROWS + 500
    put(store, {b"%06d" % i: make_row(0) for i in range(rows)})
    sizes = []
    remove = store.remove
    monkeypatch.setattr(store, "remove", lambda batch: sizes.append(len(batch)) or remove(batch))
    batches = gc_batches(store, GcRules({HORSES: TTL_US}), now_us=NOW_US)
    assert next(batches).removed == BATCH_ROWS
    batches.close()
    assert len(keys(store)) == rows - BATCH_ROWS
    gc(store, GcRules({HORSES: TTL_US}), now_us=NOW_US)
    assert sizes == [BATCH_ROWS, BATCH_ROWS, 500 + 0]
    assert keys(store) == []


def test_progress_is_told_where_nothing_goes(store, make_row):
    """A caller hears of rows that stay as well."""
    put(store, {b"%06d" % i: make_row(NOW_US) for i in range(250)})
    rules = GcRules({HORSES: None})
    scanned = [report.scanned for report in gc_batches(store, rules, now_us=NOW_US, batch_rows=10)]
    assert scanned == [100, 200, 250]


def test_it_works_on_lmdb(make_store, make_row):
    """As on the reference, through several transactions and scans."""
    store = make_store()
    put(store, {b"%06d" % i: make_row(0 if i % 3 else NOW_US) for i in range(6000)})
    assert gc(store, GcRules({HORSES: TTL_US}), now_us=NOW_US).removed == 4000
    assert len(keys(store)) == 2000
    assert store.verify() == []


def test_rows_are_counted_by_view(store, make_row):
    """With their bytes, tombstones and range of event times."""
    assert count_rows(store) == {}
    put(store, {b"a": make_row(-5, b"body"), b"b": make_row(7, tombstone=True)})
    put(store, {b"a": make_row(1)}, RIDERS)
    assert count_rows(store) == {HORSES: ViewCount(2, 1, 76, -5, 7), RIDERS: ViewCount(1, 0, 36, 1, 1)}


def test_wrong_rows_are_named(store, make_row, monkeypatch):
    """By view and key; nothing is read of a store whose structure is wrong."""
    put(store, {b"good": make_row(1), b"bad": make_row(2)})
    check = lambda row: "checksum" if row == make_row(2) else None  # noqa: E731
    assert list(verify_rows(store, check)) == [f"view {HORSES.hex()}, key {b'bad'.hex()}: checksum"]
    monkeypatch.setattr(store, "verify", lambda: ["page 7 is damaged"])
    monkeypatch.setattr(store, "scan", lambda: iter([StoredRow(HORSES, b"x", b"")]))
    assert list(verify_rows(store, check)) == ["page 7 is damaged"]
