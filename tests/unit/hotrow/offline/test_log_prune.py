"""The log pruned: of what was before a moment readers have all or nothing, whoever dies, and no row comes twice."""

import pytest
from hotrow.codec.logged import describe_view, encode_entries
from hotrow.errors import Code, HotrowError
from hotrow.offline.row_log import merge as log_merge
from hotrow.offline.row_log import part as log_part
from hotrow.offline.row_log.folder import (
    CREATED_TIME,
    EVENT_TIME,
    LoggedView,
    file_name,
    last_number,
    logged_views,
    pruned_marks,
)
from hotrow.offline.row_log.part import has_log, open_log
from hotrow.offline.row_log.prune import plan_prune
from hotrow.offline.row_log.writer import LogWriter
from hotrow.offline.source import Column, Interval, SourceColumns
from hotrow.stores.port import Write
from hotrow.types import Int64
from reference.key import encode_key
from reference.row import encode_row, encode_tombstone
from support.pushlog import DAY_US, OTHER_ID, VIEW, VIEW_ID, CrashError, Filled, crash_at, files_of

WANTED = SourceColumns("stats", (Column("id", Int64, key=True), Column("x", Int64)), EVENT_TIME, CREATED_TIME)
FIELDS = {field.name: field.type.wire_name for field in VIEW.fields}


class Log:
    """A log that is written by hand, a push a file."""

    def __init__(self, folder):
        self.path = folder
        self.store = Filled()
        self.view = LoggedView("stats", VIEW_ID, folder / f"stats-{VIEW_ID.hex()}")
        self._created_us = DAY_US
        self._writer = None

    def append(self, *rows, day=0):
        """Rows of id and event time, deleted where it says so, in the outbox; a row's x is 10 times its event time."""
        encoded = []
        for _, event_us, *deleted in rows:
            self._created_us += 1
            times = {"event_us": event_us, "created_us": self._created_us + day * DAY_US}
            if deleted:
                encoded.append(encode_tombstone(fingerprint=VIEW.fingerprint, **times))
            else:
                encoded.append(encode_row(FIELDS, {"x": 10 * event_us}, fingerprint=VIEW.fingerprint, **times))
        keys = [encode_key([("int64", row[0])]) for row in rows]
        entries = encode_entries(VIEW_ID, describe_view(VIEW), keys, encoded)
        self.store.write([Write(VIEW_ID, [], [], outbox=entries)])

    def push(self, *rows, day=0):
        self.append(*rows, day=day)
        self.writer().drain()

    def writer(self, **options):
        if self._writer is None or options:
            self.close()
            self._writer = LogWriter(self.path, self.store, **options)
        return self._writer

    def close(self):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def prune(self, before_us, **options):
        made = plan_prune(self.view, before_us)
        made.run(**options)
        return made

    def read(self):
        """The ids, event times and deletions that a reader has."""
        return sorted(row for part in open_log(self.view.folder, WANTED) for row in rows_of(part))

    def files(self):
        """How many there are, complete or not."""
        return len([name for name in files_of(self.path) if name.endswith(".parquet")])


def rows_of(part):
    for batch in part.batches(Interval(), part.columns):
        deleted = [False] * batch.rows.num_rows if batch.deleted is None else batch.deleted.tolist()
        yield from zip(batch.rows.column("id").to_pylist(), batch.event_time_us.tolist(), deleted, strict=True)


@pytest.fixture
def log(tmp_path):
    made = Log(tmp_path / "log")
    yield made
    made.close()


@pytest.fixture
def history(log):
    """Four files: two of before 50 alone, one with rows on both sides of it, one of later alone."""
    log.push((1, 10), (2, 20))
    log.push((1, 5), (3, 70))
    log.push((1, 30, "deleted"), (2, 49))
    log.push((1, 50), (2, 60))
    return log


LATER = [(1, 50, False), (2, 60, False), (3, 70, False)]


def test_files_of_before_alone_go_and_no_reader_has_a_row_of_before(history):
    """Not those that lie in a file with later rows either: their successors, and their deletions, have gone."""
    made = history.prune(50)
    assert (len(made.deleted), len(made.kept)) == (2, 1)
    assert history.files() == 2
    assert history.read() == LATER
    assert sum(made.deleted.values()) > 0


def test_a_plan_changes_nothing(history):
    """And says what the run does."""
    before = files_of(history.path)
    rows = history.read()
    made = plan_prune(history.view, 50)
    assert (len(made.deleted), len(made.kept)) == (2, 1)
    assert files_of(history.path) == before
    assert history.read() == rows


def test_nothing_of_before_leaves_no_mark(history):
    """Nor does a run on what has been pruned change anything."""
    assert history.prune(5).mark is None
    assert pruned_marks(history.view.folder) == []
    history.prune(50)
    before = files_of(history.path)
    again = history.prune(50)
    assert not again.deleted
    assert files_of(history.path) == before


def test_rows_that_are_pushed_afterwards_count(history):
    """However old: a backfill is no row of then. A later prune takes them too."""
    history.prune(50)
    history.push((1, 3), (4, -7))
    assert history.read() == [(1, 3, False), (1, 50, False), (2, 60, False), (3, 70, False), (4, -7, False)]
    history.prune(0)
    assert history.read() == [(1, 3, False), *LATER]
    history.prune(4)
    assert history.read() == LATER


@pytest.mark.parametrize("place", ["prune_marked", "prune_deleted"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_crash_leaves_nothing_half(history, place, count):
    """From the mark on all is gone for readers, and the next run deletes what the first has not."""
    if (place, count) == ("prune_marked", 2):
        count = 1
        history.prune(20)
    with pytest.raises(CrashError):
        history.prune(50, reached=crash_at(place, count))
    assert history.read() == LATER
    history.push((1, 80))
    assert history.read() == [(1, 50, False), (1, 80, False), *LATER[1:]]
    history.prune(50)
    assert history.files() == 3


@pytest.mark.parametrize("place", ["log_written", "log_renamed"])
def test_an_entry_that_was_pruned_is_not_logged_again(log, place):
    """Though its file has gone, and the process that wrote it died before it took the entry out of the outbox."""
    log.append((1, 10), (2, 20))
    with pytest.raises(CrashError):
        log.writer(reached=crash_at(place, 1)).drain()
    log.close()
    logged = place == "log_renamed"
    assert bool(log.prune(50).deleted) == logged
    assert log.store.info().outbox == 1
    log.push((3, 30))
    assert log.store.info().outbox == 0
    assert log.read() == ([(3, 30, False)] if logged else [(1, 10, False), (2, 20, False), (3, 30, False)])
    (file,) = log.view.folder.rglob("*.parquet")
    assert file.name == file_name(2 if logged else 1, 2)


def test_a_view_whose_files_have_all_gone_keeps_its_numbers(log):
    """A store that takes the place of a lost one goes on behind them; and there is no log to read."""
    log.push((1, 10))
    log.push((1, 20))
    log.prune(50)
    assert log.files() == 0
    assert not has_log(log.view.folder)
    assert log.read() == []
    assert last_number(log.path) == last_number(log.path, VIEW_ID) == 2
    assert last_number(log.path, OTHER_ID) == 0
    log.close()
    log.store = Filled()
    log.store.reserve_outbox(last_number(log.path))
    log.push((1, 60))
    assert log.read() == [(1, 60, False)]
    assert logged_views(log.path) == [log.view]


def test_folders_of_days_go_with_their_last_file(log):
    """But for that of the last day, into which a row may come at this moment."""
    log.push((1, 10))
    log.push((1, 20), day=1)
    log.push((1, 30), day=2)
    log.push((1, 70), (1, 40), day=2)
    log.prune(50)
    assert [path.name for path in sorted(log.view.folder.glob("date=*"))] == ["date=1970-01-04"]
    log.prune(100)
    assert [path.name for path in sorted(log.view.folder.glob("date=*"))] == ["date=1970-01-04"]
    assert log.read() == []


def test_marks_do_not_pile_up(log):
    """A prune a day is two files, and not one a day."""
    for day in range(20):
        log.push((1, day), day=day)
        log.prune(day)
        assert len(pruned_marks(log.view.folder)) <= 2
        assert log.read() == [(1, day, False)]


def test_a_merge_under_way_brings_nothing_back(log):
    """Whose file gets its name when those it was made of are pruned. The next prune deletes it."""
    for number in range(16):
        log.push((number, number))
    log.writer(reached=lambda place: log.prune(8) if place == "merge_written" else None).merge(lambda: False)
    later = [(number, number, False) for number in range(8, 16)]
    assert log.read() == later
    assert log.files() == 9
    log.prune(16)
    assert log.read() == []
    assert log.files() == 0
    log.writer().merge(lambda: False)
    assert log.read() == []


@pytest.mark.parametrize("before_us", [3, 16])
def test_files_that_go_under_a_merge_are_no_failure(log, monkeypatch, before_us):
    """It is tried again, with those that are there."""
    for number in range(20):
        log.push((number, number))
    read_schema = log_merge.pq.read_schema

    def pruned_meanwhile(path):
        monkeypatch.setattr(log_merge.pq, "read_schema", read_schema)
        log.prune(before_us)
        return read_schema(path)

    monkeypatch.setattr(log_merge.pq, "read_schema", pruned_meanwhile)
    later = [(number, number, False) for number in range(before_us, 20)]
    log.writer().merge(lambda: False)
    assert log.files() == 20 - before_us
    assert log.read() == later
    log.writer().merge(lambda: False)
    assert log.files() == 20 - before_us + (before_us == 3)
    assert log.read() == later


def test_a_reader_under_way_has_all_or_an_error(history):
    """Which says that the work is to be begun again."""
    parts = open_log(history.view.folder, WANTED)
    first = list(rows_of(parts[0]))
    history.prune(50)
    assert first == [(1, 10, False), (2, 20, False)]
    assert list(rows_of(parts[1])) == [(1, 5, False), (3, 70, False)]  # as they were when it began
    with pytest.raises(HotrowError, match="has changed since the work began; run it again"):
        list(rows_of(parts[2]))
    assert parts[0].changed()


def test_a_reader_that_lists_what_is_left_knows_why(history, monkeypatch):
    """When it looks for files the others have gone; so it looks for marks afterwards."""
    day_folders = log_part.day_folders

    def pruned_before(folder):
        history.prune(50)
        return day_folders(folder)

    monkeypatch.setattr(log_part, "day_folders", pruned_before)
    assert history.read() == LATER


@pytest.mark.parametrize("opened", range(5))
def test_a_reader_that_begins_meanwhile_has_none(history, monkeypatch, opened):
    """However many files it has opened by then: the names that it goes by are older than the mark."""
    left = opened

    def open_parquet(path, wanted):
        nonlocal left
        if left == 0:
            history.prune(50)
        left -= 1
        return open_(path, wanted)

    open_ = log_part.open_parquet
    monkeypatch.setattr(log_part, "open_parquet", open_parquet)
    parts = open_log(history.view.folder, WANTED)
    if opened == 4:  # all of them
        history.prune(50)
        parts = open_log(history.view.folder, WANTED)
    elif opened == 3:  # the one of both sides and the two of before: the last of these is found missing when it is read
        with pytest.raises(HotrowError, match="run it again"):
            [list(rows_of(part)) for part in parts]
        parts = open_log(history.view.folder, WANTED)
    assert sorted(row for part in parts for row in rows_of(part)) == LATER


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_pruned(history):
    """For what is in it nobody knows."""
    damaged = next(history.view.folder.rglob("*.parquet"))
    damaged.write_bytes(b"PAR1 and no more")
    with pytest.raises(HotrowError, match="is no readable Parquet") as caught:
        history.prune(50)
    assert str(damaged) in caught.value.message
    assert caught.value.code is Code.INVALID
    assert pruned_marks(history.view.folder) == []
