"""What every online store does."""

import itertools
import threading
import time

import pytest
from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.stores.port import ABSENT, MARK_KEPT_US, SKIPPED_STALE, VERSION, WRITTEN, Mark, StoredRow, Write, read_rows
from hypothesis import given
from hypothesis import strategies as st

HORSES, RIDERS = b"horses__", b"riders__"


def put(store, keys, rows, view_id=HORSES, **more):
    return store.write([Write(view_id, keys, rows, **more)])[0]


def test_an_empty_store_has_nothing(store):
    """Every key is absent, and nothing is listed."""
    assert read_rows(store, [HORSES, RIDERS], [[b"a", b"b"], [b"c"]]) == [ABSENT] * 3
    assert list(store.scan()) == []
    assert store.schemas() == {}
    assert store.watermark_us(HORSES) is None
    assert store.watermarks() == {}
    assert store.info().rows == 0


def test_a_read_answers_in_the_order_asked(store, make_row):
    """Rows come view by view and key by key, a key asked twice twice, with ABSENT in the gaps."""
    a, b, c = (make_row(1, body=body) for body in (b"a", b"bb", b""))
    put(store, [b"a", b"b"], [a, b])
    put(store, [b"a"], [c], RIDERS)
    rows = read_rows(store, [RIDERS, HORSES, RIDERS], [[b"a", b"b"], [b"b", b"a", b"b"], []])
    assert rows == [c, ABSENT, b, a, b]
    assert read_rows(store, [], []) == []


def test_views_do_not_share_keys(store, make_row):
    """The same key in two views is two rows; neither the empty key nor a long one is special."""
    rows = {
        (view, key): make_row(1, body=view + key) for view in (HORSES, RIDERS) for key in (b"", b"\0", b"\xff" * 480)
    }
    for (view, key), row in rows.items():
        put(store, [key], [row], view)
    for (view, key), row in rows.items():
        assert read_rows(store, [view], [[key]]) == [row]


@pytest.mark.parametrize(
    ("stored", "offered", "outcome"),
    [
        ((5, 0), (6, 0), WRITTEN),
        ((5, 0), (5, 1), WRITTEN),
        ((5, 9), (6, 0), WRITTEN),
        ((-5, 0), (-4, 0), WRITTEN),
        ((-1, 0), (0, 0), WRITTEN),
        ((5, 1), (5, 1), SKIPPED_STALE),
        ((5, 1), (5, 0), SKIPPED_STALE),
        ((6, 0), (5, 9), SKIPPED_STALE),
        ((0, 0), (-1, 9), SKIPPED_STALE),
        ((255, 0), (256, 0), WRITTEN),
    ],
)
def test_only_a_higher_version_replaces(store, make_row, stored, offered, outcome):
    """Order is event time, then created time, both signed; an equal version is stale."""
    first, second = make_row(*stored, b"first"), make_row(*offered, b"second")
    put(store, [b"k"], [first])
    assert put(store, [b"k"], [second]).outcomes == bytes([outcome])
    assert read_rows(store, [HORSES], [[b"k"]]) == [second if outcome == WRITTEN else first]


TIMES = st.tuples(*(st.integers(-(2**63), 2**63 - 1),) * 2)


@given(TIMES, TIMES)
def test_versions_compare_as_times_do(make_row, one, other):
    """The bytes that a store compares order rows as their times do."""
    assert (make_row(*one)[VERSION] < make_row(*other)[VERSION]) == (one < other)


def test_a_tombstone_is_a_row_like_any(store, make_row):
    """It replaces what is older, is replaced by what is newer, and is read as it is."""
    old, grave, late, new = make_row(1), make_row(3, tombstone=True), make_row(2), make_row(4)
    put(store, [b"k"], [old])
    assert put(store, [b"k"], [grave]).outcomes == bytes([WRITTEN])
    assert read_rows(store, [HORSES], [[b"k"]]) == [grave]
    assert put(store, [b"k"], [late]).outcomes == bytes([SKIPPED_STALE])
    assert put(store, [b"k"], [new]).outcomes == bytes([WRITTEN])


def test_outcomes_are_told_row_by_row(store, make_row):
    """A call may write some rows and skip others."""
    put(store, [b"b", b"d"], [make_row(5), make_row(5)])
    result = put(store, [b"a", b"b", b"c", b"d"], [make_row(t) for t in (4, 4, 6, 6)])
    assert result.outcomes == bytes([WRITTEN, SKIPPED_STALE, WRITTEN, WRITTEN])


def test_writes_of_a_call_are_applied_in_order(store, make_row):
    """A later write sees the rows of an earlier one, and all have one sequence."""
    rows = [make_row(t) for t in (2, 1, 3)]
    results = store.write([Write(HORSES, [b"k"], [row]) for row in rows])
    assert [r.outcomes for r in results] == [bytes([WRITTEN]), bytes([SKIPPED_STALE]), bytes([WRITTEN])]
    assert {r.sequence for r in results} == {store.sequence()}
    assert read_rows(store, [HORSES], [[b"k"]]) == [rows[2]]


def test_the_sequence_is_that_of_the_last_change(store, make_row):
    """It grows with every commit that changes something, and a reader can see what a writer was told."""
    before = store.sequence()
    first = put(store, [b"k"], [make_row(1)]).sequence
    assert before < first == store.sequence()
    assert put(store, [b"k"], [make_row(1)]).sequence == first == store.sequence()
    assert store.write([]) == []
    assert put(store, [], []).sequence == first
    assert put(store, [b"k"], [make_row(2)]).sequence == store.sequence() > first


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (Write(b"short", [b"k"], [b"\xff" * 64]), "view id"),
        (Write(HORSES, [b"k" * 481], [b"\xff" * 64]), "480"),
        (Write(HORSES, [b"k"], [b"\xff" * 31]), "32"),
        (Write(HORSES, [b"k", b"l"], [b"\xff" * 64]), "2 keys"),
    ],
)
def test_a_refused_write_keeps_nothing_of_its_call(store, make_row, bad, said):
    """Each of the limits refuses the whole call by name, whatever else is in it."""
    before = store.sequence()
    with pytest.raises(HotrowError, match=said) as refusal:
        store.write([Write(HORSES, [b"good"], [make_row(1)], Mark(b"m", b"d"), 7), bad])
    assert refusal.value.code is Code.INVALID
    assert read_rows(store, [HORSES], [[b"good"]]) == [ABSENT]
    assert store.watermark_us(HORSES) is None
    assert store.sequence() == before
    assert not put(store, [b"good"], [make_row(1)], mark=Mark(b"m", b"d")).replayed


def test_a_mark_makes_a_write_happen_once(store, make_row):
    """A second write with a mark changes nothing and is told what the first came to."""
    put(store, [b"b"], [make_row(9)])
    mark = Mark(b"request-1", b"digest", b"note")
    first = put(store, [b"a", b"b"], [make_row(1), make_row(1)], mark=mark)
    assert (first.outcomes, first.replayed, first.note) == (bytes([WRITTEN, SKIPPED_STALE]), False, b"note")
    put(store, [b"c"], [make_row(1)])
    sequence = store.sequence()
    again = put(store, [b"a", b"b"], [make_row(5), make_row(10)], mark=mark, watermark_us=5)
    assert (again.outcomes, again.sequence, again.note) == (first.outcomes, first.sequence, b"note")
    assert again.replayed
    assert not again.conflict
    assert read_rows(store, [HORSES], [[b"a", b"b"]]) == [make_row(1), make_row(9)]
    assert (store.watermark_us(HORSES), store.sequence()) == (None, sequence)


def test_a_mark_of_another_payload_is_a_conflict(store, make_row):
    """Nothing is written, and nothing of the first request is shown."""
    put(store, [b"a"], [make_row(1)], mark=Mark(b"request-1", b"digest", b"secret"))
    result = put(store, [b"a"], [make_row(2)], mark=Mark(b"request-1", b"other", b"mine"))
    assert (result.conflict, result.replayed, result.outcomes, result.note) == (True, False, b"", b"")
    assert read_rows(store, [HORSES], [[b"a"]]) == [make_row(1)]


def test_a_mark_works_within_a_call_and_without_rows(store, make_row):
    """Two requests of one id that meet in a group commit are written once; so is a request whose rows are all stale."""
    mark = Mark(b"k" * 2000, b"d")
    one, two = store.write([Write(HORSES, [b"a"], [make_row(t)], mark) for t in (1, 2)])
    assert (one.replayed, two.replayed, two.outcomes, two.sequence) == (False, True, one.outcomes, one.sequence)
    empty = Mark(b"empty", b"d")
    first = put(store, [], [], mark=empty)
    assert first.sequence == store.sequence()
    assert put(store, [], [], mark=empty).replayed


def test_a_mark_remembers_a_large_batch(store, make_row):
    """The outcomes of 100,000 rows come back as they were."""
    keys = [b"%d" % number for number in range(100_000)]
    row, mark = make_row(1), Mark(b"big", b"d", bytes(5000))
    put(store, keys[::3], [row] * len(keys[::3]))
    first = put(store, keys, [row] * len(keys), mark=mark)
    again = put(store, keys, [row] * len(keys), mark=mark)
    assert again.replayed
    assert again.note == bytes(5000)
    assert again.outcomes == first.outcomes == bytes([SKIPPED_STALE, WRITTEN, WRITTEN]) * 33_333 + b"\2"


def test_a_mark_is_forgotten_after_a_day(store, make_row, monkeypatch):
    """Up to 24 hours it holds, later the same request is a new one, which is remembered in its turn."""
    start_us = clock.now_us()
    mark = Mark(b"request-1", b"digest")
    monkeypatch.setattr(clock, "now_us", lambda: start_us)
    put(store, [b"a"], [make_row(1)], mark=mark)
    monkeypatch.setattr(clock, "now_us", lambda: start_us + MARK_KEPT_US)
    assert put(store, [b"a"], [make_row(2)], mark=mark).replayed
    monkeypatch.setattr(clock, "now_us", lambda: start_us + MARK_KEPT_US + 1)
    other = put(store, [b"a"], [make_row(3)], mark=Mark(b"request-1", b"other"))
    assert (other.replayed, other.conflict, other.outcomes) == (False, False, bytes([WRITTEN]))
    assert put(store, [b"a"], [make_row(4)], mark=Mark(b"request-1", b"other")).replayed


def test_the_oldest_marks_go_when_there_are_too_many(store, make_row, monkeypatch):
    """Only so many are kept, the latest."""
    for module in ("memory", "lmdb.mark", "redis.write"):
        monkeypatch.setattr(f"hotrow.stores.{module}.MARKS_KEPT", 10)
    for number in range(25):
        put(store, [], [], mark=Mark(b"%d" % number, b"d"))
    replayed = [put(store, [], [], mark=Mark(b"%d" % number, b"other")).conflict for number in range(15, 25)]
    assert all(replayed)
    assert not put(store, [], [], mark=Mark(b"14", b"other")).conflict


def test_the_greatest_watermark_stays(store, make_row):
    """It belongs to its view, and a write without one, or with a lower one, leaves it: runs may overlap."""
    put(store, [b"a"], [make_row(1)], watermark_us=-5)
    put(store, [], [], RIDERS, watermark_us=2**62)
    put(store, [b"a"], [make_row(2)])
    assert (store.watermark_us(HORSES), store.watermark_us(RIDERS)) == (-5, 2**62)
    sequence = store.sequence()
    put(store, [], [], watermark_us=-5)
    assert store.sequence() == sequence
    put(store, [], [], watermark_us=-6)
    put(store, [], [], RIDERS, watermark_us=2**62 - 1)
    assert (store.watermark_us(HORSES), store.watermark_us(RIDERS)) == (-5, 2**62)
    assert store.sequence() == sequence
    put(store, [], [], watermark_us=-4)
    put(store, [], [], RIDERS, watermark_us=2**62 + 1)
    assert (store.watermark_us(HORSES), store.watermark_us(RIDERS)) == (-4, 2**62 + 1)
    assert store.watermarks() == {HORSES: -4, RIDERS: 2**62 + 1}
    assert store.sequence() > sequence


def test_schemas_are_kept_once(store):
    """They add up; those known already are no change."""
    store.put_schemas({b"schema_1": b"[1]", b"schema_2": b"[2]"})
    sequence = store.sequence()
    store.put_schemas({b"schema_1": b"[1]"})
    store.put_schemas({})
    assert store.sequence() == sequence
    store.put_schemas({b"schema_3": b"[3]"})
    assert store.schemas() == {b"schema_1": b"[1]", b"schema_2": b"[2]", b"schema_3": b"[3]"}


def test_a_scan_is_complete_and_in_order(store, make_row):
    """All rows of all views or of one, however many, each once."""
    keys = [b"%05d" % number for number in range(2500)]
    for view in (RIDERS, HORSES):
        put(store, keys[::-1], [make_row(1, body=key) for key in keys[::-1]], view)
    put(store, [b"00001\0"], [make_row(1)])
    horses = [StoredRow(HORSES, key, make_row(1, body=key)) for key in keys]
    horses.insert(2, StoredRow(HORSES, b"00001\0", make_row(1)))
    riders = [StoredRow(RIDERS, key, make_row(1, body=key)) for key in keys]
    assert by_name(store.scan(HORSES)) == horses
    assert by_name(store.scan(RIDERS)) == riders
    assert by_name(store.scan()) == horses + riders
    assert list(store.scan(b"horses_\0")) == []


def test_a_scan_goes_on_while_rows_change(store, make_row):
    """What is there all the time is seen once, whatever is written or removed meanwhile."""
    keys = [b"%05d" % number for number in range(3000)]
    put(store, keys, [make_row(1)] * 3000)
    scan = store.scan()
    seen = [next(scan).key]
    store.remove([StoredRow(HORSES, key, make_row(1)) for key in keys[1::2]])
    put(store, [b"a", keys[0]], [make_row(2)] * 2)
    seen += [stored.key for stored in scan]
    assert set(keys[0::2]) <= set(seen)
    assert len(set(seen)) == len(seen)


def test_a_row_is_removed_only_as_given(store, make_row):
    """One that was written again, or is gone, is left alone."""
    put(store, [b"a", b"b", b"c"], [make_row(1)] * 3)
    rows = by_name(store.scan())
    put(store, [b"b"], [make_row(2)])
    sequence = store.sequence()
    assert store.remove(rows[:2]) == 1
    assert store.sequence() > sequence
    assert store.remove(rows[:2]) == 0
    assert store.remove([]) == 0
    assert read_rows(store, [HORSES], [[b"a", b"b", b"c"]]) == [ABSENT, make_row(2), make_row(1)]


def test_the_outbox_gives_back_what_was_put_in(store, make_row):
    """In the order of the commits, with rows or without them, and only behind the position."""
    put(store, [b"a"], [make_row(1)], outbox=[b"one", b"two"])
    sequence = store.sequence()
    written = put(store, [], [], outbox=[b"three" * 2000])
    assert written.sequence == store.sequence() > sequence
    put(store, [b"a"], [make_row(0)], outbox=[b""])
    entries = store.read_outbox(0)
    numbers = [entry.number for entry in entries]
    assert [entry.data for entry in entries] == [b"one", b"two", b"three" * 2000, b""]
    assert numbers == sorted(set(numbers))
    assert numbers[0] >= 1
    assert store.read_outbox(numbers[2]) == entries[3:]
    assert store.read_outbox(numbers[3]) == []
    assert store.info().outbox == 4
    assert store.verify() == []


def test_the_numbers_of_the_outbox_grow_when_nothing_is_left(store):
    """Entries go up to a number, those that are left keep theirs, and no number comes twice."""
    put(store, [], [], outbox=[b"1", b"2", b"3"])
    first, second, third = store.read_outbox(0)
    assert store.remove_outbox(second.number) == 2
    assert store.read_outbox(0) == [third]
    beyond = third.number + 1000
    assert (store.remove_outbox(beyond), store.remove_outbox(beyond), store.info().outbox) == (1, 0, 0)
    put(store, [], [], outbox=[b"4"])
    (fourth,) = store.read_outbox(0)
    assert fourth.number > third.number > second.number > first.number
    store.reserve_outbox(third.number)
    put(store, [], [], outbox=[b"5"])
    fifth = store.read_outbox(0)[-1]
    far = fifth.number + 10**12
    store.reserve_outbox(far)
    put(store, [], [], outbox=[b"6"])
    assert store.read_outbox(0) == [fourth, fifth, (far + 1, b"6")]
    store.remove_outbox(far + 1)
    put(store, [], [], outbox=[b"7"])
    assert store.read_outbox(0) == [(far + 2, b"7")]


def test_a_mark_keeps_entries_from_the_outbox(store):
    """Neither a replay nor a conflict appends anything."""
    put(store, [], [], mark=Mark(b"m", b"d"), outbox=[b"first"])
    assert put(store, [], [], mark=Mark(b"m", b"d"), outbox=[b"again"]).replayed
    assert put(store, [], [], mark=Mark(b"m", b"other"), outbox=[b"other"]).conflict
    assert [entry.data for entry in store.read_outbox(0)] == [b"first"]


def test_a_refused_write_appends_nothing(store):
    """The outbox is of the rows' transaction."""
    with pytest.raises(HotrowError):
        store.write([Write(HORSES, [], [], outbox=[b"entry"]), Write(b"short", [], [])])
    assert store.read_outbox(0) == []
    assert store.info().outbox == 0


def test_many_entries_are_read_and_removed_in_parts(store):
    """However many there are, a read returns some, and all come one after another."""
    for start in range(0, 5000, 500):
        put(store, [], [], outbox=[b"%d" % number for number in range(start, start + 500)])
    seen, parts = [], 0
    while entries := store.read_outbox(seen[-1].number if seen else 0):
        seen += entries
        parts += 1
    assert [entry.data for entry in seen] == [b"%d" % number for number in range(5000)]
    assert parts > 1
    assert store.remove_outbox(seen[-2].number) == 4999
    assert store.read_outbox(0) == seen[-1:]


def test_info_counts(store, make_row):
    """Rows and bytes of the live store, and who it is."""
    put(store, [b"%d" % number for number in range(100)], [make_row(1, body=bytes(1000))] * 100)
    info = store.info()
    assert (info.id, info.epoch, info.sequence, info.rows) == (store.id, store.epoch, store.sequence(), 100)
    assert info.used_bytes > 100_000
    assert info.type in {"memory", "lmdb", "redis", "valkey"}


def test_a_sound_store_verifies(store, make_row):
    """After writes, marks and removals there is nothing to find."""
    for number in range(50):
        put(store, [b"%d" % number], [make_row(1, body=bytes(number * 300))], mark=Mark(b"%d" % number, b"d"))
    store.remove(list(store.scan())[::2])
    assert store.verify() == []
    assert store.clear_stale_readers() == 0


def test_a_read_is_of_one_state(store, make_row):
    """Two keys that are always written together are never read apart, from threads that read meanwhile."""
    put(store, [b"a"], [make_row(0)])
    put(store, [b"a"], [make_row(0)], RIDERS)
    done = threading.Event()
    torn, read = [], itertools.count()
    looked = threading.Semaphore(0)

    def look():
        while not done.is_set():
            one, other = read_rows(store, [HORSES, RIDERS], [[b"a"], [b"a"]])
            next(read)
            looked.release()
            if one != other:
                torn.append((one, other))
            time.sleep(0)  # or the readers hand the interpreter's lock to one another, and the writer starves

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for time_us in range(1, 200):
            row = make_row(time_us)
            store.write([Write(HORSES, [b"a"], [row]), Write(RIDERS, [b"a"], [row])])
            assert read_rows(store, [RIDERS], [[b"a"]]) == [row]
            if time_us % 10 == 0:  # or all could be written before a reader has begun
                assert looked.acquire(timeout=30)
    finally:  # or the readers would go on, and hold up every test after this one
        done.set()
        for thread in threads:
            thread.join()
    assert torn == []
    assert next(read) > 10


def test_writers_of_one_process_take_turns(store, make_row):
    """Threads that write at once lose nothing, and no two commits have one sequence."""
    sequences = []

    def write(name):
        sequences.extend(put(store, [b"%d-%d" % (name, number)], [make_row(1)]).sequence for number in range(50))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.info().rows == 200
    assert len(set(sequences)) == 200


def by_name(rows):
    """Rows in the order of view id and key, whatever order the store has."""
    return sorted(rows, key=lambda stored: (stored.view_id, stored.key))


@pytest.mark.parametrize("there", [(), (0,), (1,), (777,), (999,), tuple(range(1000))])
def test_many_rows_are_compared_one_by_one(store, make_row, there):
    """Whichever of a thousand rows is there already, newer or older: the others are new, and each has its outcome."""
    keys = [b"%04d" % number for number in range(1000)]
    newer = {number for number in there if number % 2}
    before = [make_row(9 if number in newer else 1, body=b"before") for number in there]
    store.write([Write(HORSES, [keys[number] for number in there], before)])
    rows = [make_row(5, body=b"after")] * 1000
    (written,) = store.write([Write(HORSES, keys, rows)])
    assert list(written.outcomes) == [SKIPPED_STALE if number in newer else WRITTEN for number in range(1000)]
    found = read_rows(store, [HORSES], [keys])
    assert [row[32:-4] for row in found] == [b"before" if number in newer else b"after" for number in range(1000)]
