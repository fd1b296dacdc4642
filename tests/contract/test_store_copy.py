"""A copy from any kind of store to any other has all that its source has, however often it is begun."""

import itertools

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.stores.copy import compare_batches, copy_batches
from hotrow.stores.port import StoredRow, Write, read_rows

HORSES, RIDERS = b"horses__", b"ri\xff\0\0\0__"
KINDS = ("memory", "lmdb", "redis")


PAIRS = (*itertools.product(KINDS, KINDS), ("lmdb", "cluster"), ("cluster", "redis"))


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request, tmp_path, open_store):
    """Two empty stores of all kinds."""
    if "redis" in request.param:
        request.getfixturevalue("redis_server").ask("FLUSHALL")
    if "cluster" in request.param:
        request.getfixturevalue("redis_cluster").flush()
    stores = []
    for kind, name in zip(request.param, ("source", "target"), strict=True):
        (tmp_path / name).mkdir()
        stores.append(open_store(kind, tmp_path / name))
    yield stores
    for store in stores:
        store.close()


def copied(source, target, batch_rows=100):
    *_, report = copy_batches(source, target, batch_rows)
    return report


def content(store):
    """All that a copy takes along."""
    rows = {(stored.view_id, stored.key): stored.row for stored in store.scan()}
    waiting = []
    while more := store.read_outbox(waiting[-1].number if waiting else 0):
        waiting += more
    return rows, store.schemas(), store.watermarks(), waiting


def fill(store, make_row):
    """Rows of two views: live ones, deleted ones, large ones, of keys that are empty, binary and long."""
    keys = [b"", b"\0", b"\xff" * 480, *(b"%d" % number for number in range(300))]
    for view in (HORSES, RIDERS):
        rows = [
            make_row(number - 5, number, view + key * (number % 3), tombstone=number % 7 == 0)
            for number, key in enumerate(keys)
        ]
        store.write([Write(view, keys, rows, watermark_us=len(rows) if view == HORSES else -9, outbox=[view, b"more"])])
    store.put_schemas({b"schema_1": b"[1]", b"schema_2": b"[2]"})
    return 2 * len(keys)


def test_a_copy_has_all_that_its_source_has(pair, make_row):
    """Every row of every view byte for byte, tombstones too, in batches; the source is as it was."""
    source, target = pair
    count = fill(source, make_row)
    before = content(source)
    report = copied(source, target)
    assert (report.rows, report.written, report.present, report.moved) == (count, count, 0, False)
    assert (report.entries, report.entries_written, report.entries_present) == (4, 4, 0)
    assert (report.schemas, report.watermarks) == (2, 2)
    assert content(target) == content(source) == before
    assert target.info().rows == count
    assert target.verify() == []


def test_a_copy_again_brings_what_came_meanwhile(pair, make_row):
    """Of that alone something is written, and what waits in the outbox is put in once."""
    source, target = pair
    count = fill(source, make_row)
    copied(source, target)
    source.write([Write(HORSES, [b"1", b"new"], [make_row(10**6)] * 2, watermark_us=10**6, outbox=[b"later"])])
    report = copied(source, target)
    assert (report.rows, report.written, report.present) == (count + 1, 2, count - 1)
    assert (report.entries, report.entries_written, report.entries_present) == (5, 1, 4)
    assert content(target) == content(source)
    assert copied(source, target).written == 0


def test_a_copy_that_was_cut_short_is_finished_by_the_next(pair, make_row):
    """After a batch the target has rows, and no watermark that would tell of those it lacks."""
    source, target = pair
    count = fill(source, make_row)
    batches = copy_batches(source, target, 100)
    assert next(batches).rows == 100
    batches.close()
    assert target.info().rows == 100
    assert target.schemas() == source.schemas()
    assert target.watermarks() == {}
    report = copied(source, target)
    assert (report.written, report.present) == (count - 100, 100)
    assert content(target) == content(source)


def test_newer_rows_and_later_watermarks_of_the_target_stay(pair, make_row):
    """A store that is served already is not set back."""
    source, target = pair
    source.write([Write(HORSES, [b"a", b"b"], [make_row(5)] * 2, watermark_us=5)])
    target.write([Write(HORSES, [b"b", b"c"], [make_row(6)] * 2, watermark_us=6)])
    target.write([Write(RIDERS, [], [], watermark_us=1)])
    report = copied(source, target)
    assert (report.rows, report.written, report.present) == (2, 1, 1)
    assert read_rows(target, [HORSES], [[b"a", b"b", b"c"]]) == [make_row(5), make_row(6), make_row(6)]
    assert target.watermarks() == {HORSES: 6, RIDERS: 1}


def test_entries_keep_their_numbers_where_these_are_free(pair):
    """Also behind a gap; what the target took to the log since does not come again."""
    source, target = pair
    source.write([Write(HORSES, [], [], outbox=[b"1", b"2"], numbered_from=1)])
    source.reserve_outbox(100)
    source.write([Write(HORSES, [], [], outbox=[b"101"], numbered_from=101)])
    source.remove_outbox(1)
    assert copied(source, target).entries_written == 2
    assert target.read_outbox(0) == source.read_outbox(0) == [(2, b"2"), (101, b"101")]
    target.remove_outbox(2)
    assert copied(source, target).entries_written == 0
    assert target.read_outbox(0) == [(101, b"101")]


def test_entries_whose_numbers_are_taken_get_others(pair):
    """None is lost, none comes twice, and those of the target stay."""
    source, target = pair
    source.write([Write(HORSES, [], [], outbox=[b"mine 1", b"mine 2"], numbered_from=1)])
    target.write([Write(HORSES, [], [], outbox=[b"yours 1"], numbered_from=1)])
    for _ in range(2):
        report = copied(source, target)
        assert (report.entries, report.entries_written + report.entries_present) == (2, 2)
        assert target.read_outbox(0) == [(1, b"yours 1"), (2, b"mine 1"), (3, b"mine 2")]


def test_entries_that_are_copied_back_are_known(pair):
    """A store that is moved and moved back has each entry once."""
    source, target = pair
    source.write([Write(HORSES, [], [], outbox=[b"%d" % number for number in range(250)])])
    copied(source, target)
    report = copied(target, source)
    assert (report.entries, report.entries_written, report.entries_present) == (250, 0, 250)
    assert content(source) == content(target)


def test_a_comparison_writes_nothing(pair, make_row):
    """It counts what a copy would do, to a target that is there or not."""
    source, target = pair
    count = fill(source, make_row)
    *_, report = compare_batches(source, None)
    assert (report.rows, report.written, report.entries) == (count, count, 4)
    copied(source, target)
    stored = StoredRow(HORSES, b"1", read_rows(target, [HORSES], [[b"1"]])[0])
    target.remove([stored])
    sequence = target.sequence()
    *_, report = compare_batches(source, target)
    assert (report.rows, report.written, report.present) == (count, 1, count - 1)
    assert target.sequence() == sequence


def test_a_source_that_is_written_meanwhile_is_told_of(pair, make_row):
    """So that nobody takes the first copy for the last."""
    source, target = pair
    fill(source, make_row)
    batches = copy_batches(source, target, 100)
    next(batches)
    source.write([Write(HORSES, [b"late"], [make_row(1)])])
    *_, report = batches
    assert report.moved


def test_a_schema_that_comes_meanwhile_is_there_before_its_rows(pair, make_row):
    """Whoever reads the target while it is filled can read its rows."""
    source, target = pair
    source.write([Write(HORSES, [b"a", b"b"], [make_row(1)] * 2)])
    source.put_schemas({b"schema_0": b"[0]"})
    batches = copy_batches(source, target, 1)
    next(batches)
    newer = make_row(2).replace(b"schema_1", b"schema_9")
    left = next(stored.key for stored in source.scan() if read_rows(target, [HORSES], [[stored.key]]) == [b""])
    source.write([Write(HORSES, [left], [newer])])
    source.put_schemas({b"schema_9": b"[9]"})
    for _ in batches:
        if read_rows(target, [HORSES], [[left]]) == [newer]:
            assert b"schema_9" in target.schemas()
    assert target.schemas() == {b"schema_0": b"[0]", b"schema_9": b"[9]"}


def test_a_refused_batch_ends_the_copy(pair, make_row, monkeypatch):
    """The error is the store's, and the report so far was true."""
    source, target = pair
    fill(source, make_row)
    batches = copy_batches(source, target, 100)
    assert next(batches).written == 100

    def full(_):
        raise HotrowError(Code.EXHAUSTED, "full")

    monkeypatch.setattr(target, "write", full)
    with pytest.raises(HotrowError, match="full"):
        next(batches)
    assert target.info().rows == 100
