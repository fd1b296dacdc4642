"""Materialization of one view, against a stand-in for the worker that does what the real one does: compare and set."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import Entity, FeatureView, Field, Float32, Int64, ParquetSource, String
from hotrow.clock import us_from_datetime
from hotrow.errors import Code, HotrowError
from hotrow.offline import materialize as materialize_module
from hotrow.offline.materialize import Job, run_job, watermark_after
from hotrow.offline.progress import SilentProgress
from hotrow.offline.source import Interval
from hotrow.offline.view_source import Folders, open_source_of, views_with_rows
from hotrow.offline.wire import Target
from hotrow.registry.snapshot import Snapshot
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply, MaterializeRowsRequest

DRIVER = Entity("driver", join_keys={"driver_id": Int64})


def _view(path="stats.parquet", **more):
    return FeatureView(
        "stats",
        entities=[DRIVER],
        schema=[Field("rate", Float32), Field("note", String, default=None)],
        source=ParquetSource(path, event_time="at", created_time="made"),
        **more,
    )


class Store:
    """Keeps the row of the highest (event time, created time) a key, and the watermark."""

    def __init__(self, fail_at=None):
        self.rows = {}
        self.watermark_us = None
        self.requests = []
        self.fail_at = fail_at

    def __call__(self, request):
        return Answer(self, request)

    def take(self, data):
        request = MaterializeRowsRequest.FromString(data)
        self.requests.append(request)
        if self.fail_at == len(self.requests):
            raise KeyboardInterrupt
        columns = {column.name: column for column in request.rows}
        assert columns, "the worker refuses a request without the view's columns"
        reply = MaterializeRowsReply()
        ids = columns["driver_id"].int64.values
        rates = columns["rate"].float32.values
        for i, key in enumerate(ids):
            version = (request.event_time_us[i], request.created_time_us[i])
            if key in self.rows and self.rows[key][0] >= version:
                reply.skipped_stale += 1
            else:
                self.rows[key] = (version, rates[i])
                reply.written += 1
        if request.HasField("watermark_us"):
            self.watermark_us = request.watermark_us
        return reply.SerializeToString()


class Answer:
    def __init__(self, store, request):
        self.store, self.request = store, request

    def result(self):
        return self.store.take(self.request)

    def cancel(self):
        pass


def _write(folder, times, ids=None):
    n = len(times)
    table = pa.table(
        {
            "driver_id": pa.array(ids or range(n), pa.int64()),
            "rate": pa.array([float(i) for i in range(n)]),
            "at": pa.array(times, pa.timestamp("us")),
            "made": pa.array([5] * n, pa.timestamp("us")),
        }
    )
    pq.write_table(table, folder / "stats.parquet")


def _run(folder, store, interval, *, moves=False):
    job = Job(open_source_of(_view(), folder), Target("p", "stats", "abc"), interval, store.watermark_us, moves=moves)
    return run_job(job, store, SilentProgress())


def test_rows_of_the_interval_arrive_with_their_versions(tmp_path):
    """START inclusive, END exclusive; the request names project, view and snapshot."""
    _write(tmp_path, [10, 20, 30])
    store = Store()
    report = _run(tmp_path, store, Interval(10, 30))
    assert store.rows == {0: ((10, 5), 0.0), 1: ((20, 5), 1.0)}
    assert (report.read, report.written, report.stale, report.rejected) == (2, 2, 0, 0)
    assert (store.requests[0].project, store.requests[0].view, store.requests[0].snapshot) == ("p", "stats", "abc")


def test_the_watermark_comes_last_and_alone(tmp_path):
    """Were it sent with rows, it could be stored while earlier rows are lost."""
    _write(tmp_path, [10])
    store = Store()
    _run(tmp_path, store, Interval(0, 50), moves=True)
    assert store.watermark_us == 10
    assert [r.HasField("watermark_us") for r in store.requests] == [False, True]
    assert len(store.requests[-1].event_time_us) == 0


def test_a_run_that_reads_nothing_leaves_the_watermark(tmp_path):
    """Rows of that stretch may still come: those of a source that lags are not passed by."""
    _write(tmp_path, [10])
    store = Store()
    report = _run(tmp_path, store, Interval(20, 50), moves=True)
    assert (report.read, store.rows, store.watermark_us, report.watermark_us) == (0, {}, None, None)


def test_the_watermark_is_the_newest_row_that_was_read(tmp_path):
    """A row that is left out counts, for it was read; a row without a time does not; a stored one is not lowered."""
    _write(tmp_path, [10, 40, None, 30, 70], ids=[1, None, 3, 4, 5])
    store = Store()
    assert _run(tmp_path, store, Interval(0, 50), moves=True).watermark_us == 40
    assert _run(tmp_path, store, Interval(0, 35), moves=True).watermark_us is None
    assert store.watermark_us == 40
    assert _run(tmp_path, store, Interval(), moves=True).watermark_us == 70


def test_a_second_run_changes_nothing(tmp_path):
    """All rows are stale then."""
    _write(tmp_path, [10, 20])
    store = Store()
    _run(tmp_path, store, Interval())
    before = dict(store.rows)
    report = _run(tmp_path, store, Interval())
    assert (report.written, report.stale) == (0, 2)
    assert store.rows == before


def test_a_newer_row_stays(tmp_path):
    """What was pushed after the source was written is not overwritten."""
    _write(tmp_path, [10, 20])
    store = Store()
    store.rows[1] = ((25, 0), 9.0)
    report = _run(tmp_path, store, Interval())
    assert store.rows[1] == ((25, 0), 9.0)
    assert (report.written, report.stale) == (1, 1)


def test_an_interrupted_run_leaves_the_watermark(tmp_path):
    """The next one starts from where the last whole one ended."""
    _write(tmp_path, [10, 20, 30])
    store = Store(fail_at=2)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path, store, Interval(), moves=True)
    assert store.watermark_us is None
    store.fail_at = None
    _run(tmp_path, store, Interval(), moves=True)
    assert len(store.rows) == 3
    assert store.watermark_us == 30


def test_rows_that_are_left_out_are_told(tmp_path):
    """By column and reason."""
    _write(tmp_path, [10, 20, 30], ids=[1, None, 3])
    report = _run(tmp_path, Store(), Interval())
    assert (report.read, report.written, report.rejected) == (3, 2, 1)
    assert [(r.column, r.rows) for r in report.rejections] == [("driver_id", 1)]


@pytest.mark.parametrize(
    ("newest", "stored", "expected"),
    [(50, None, 50), (50, 40, 50), (50, 50, None), (50, 60, None), (None, 40, None), (10**18, None, 1000)],
)
def test_the_watermark_goes_forward_and_never_beyond_now(monkeypatch, newest, stored, expected):
    """Loading an old stretch again does not move it back, and a row of the future would have all others passed by."""
    monkeypatch.setattr(materialize_module.clock, "now_us", lambda: 1000)
    assert watermark_after(newest, stored) == expected


def test_views_by_name_and_all(tmp_path):
    """All means all that have a source or logged rows; a name says which is meant and must fit."""
    nowhere = Folders(tmp_path, tmp_path / "log")
    pushed = FeatureView("clicks", entities=[DRIVER], schema=[Field("n", Int64)])
    view = _view()
    snapshot = Snapshot("p", entities={"driver": DRIVER}, views={"stats": view, "clicks": pushed})
    assert views_with_rows(snapshot, (), nowhere) == [view]
    assert views_with_rows(snapshot, ["stats", "stats"], nowhere) == [view]
    with pytest.raises(HotrowError, match="'clicks' has no source") as caught:
        views_with_rows(snapshot, ["clicks"], nowhere)
    assert caught.value.code is Code.FAILED_PRECONDITION
    with pytest.raises(HotrowError, match="unknown feature view 'stat'; did you mean stats"):
        views_with_rows(snapshot, ["stat"], nowhere)


def test_a_path_is_relative_to_the_repository(tmp_path):
    """Wherever the command was typed; an absolute path stays."""
    _write(tmp_path, [us_from_datetime(datetime(2024, 5, 1, tzinfo=UTC))])
    for path in ("stats.parquet", str(tmp_path / "stats.parquet")):
        (file,) = open_source_of(_view(path), tmp_path).reader.parts
        assert file.path == tmp_path / "stats.parquet"
    with pytest.raises(HotrowError, match="reads local files"):
        open_source_of(_view("s3://bucket/stats.parquet"), tmp_path)


class Steps:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.total, self.done = 0, []

    def start(self, name, total):
        self.total = total
        return self

    def advance(self, rows):
        self.done.append(sum(self.done[-1:]) + rows)

    def wait(self, error):
        raise error

    def finish(self):
        pass


def test_a_row_is_half_done_when_it_is_read(tmp_path):
    """So that time left is told of the sending too; rows that need not be sent are done with, whatever the reason."""
    _write(tmp_path, [None, 10, 20, 90, 30, 40], ids=[1, 2, 3, 4, 2, 5])
    steps, store = Steps(), Store()
    job = Job(open_source_of(_view(), tmp_path), Target("p", "stats", "abc"), Interval(0, 50))
    before = []

    def submit(request):
        before.append(steps.done[-1])
        return store(request)

    report = run_job(job, submit, steps)
    assert (report.read, report.written, report.superseded, report.rejected) == (5, 3, 1, 1)
    assert before == [4], "two that were left out, and half of the other four"
    assert steps.done[-1] == steps.total == 6


def test_a_row_that_no_request_holds_is_left_out(tmp_path):
    """It is told of with its column, and the other rows go on."""
    large = "x" * (64 << 20)
    table = pa.table(
        {
            "driver_id": pa.array([1, 2, 3]),
            "rate": pa.array([1.0, 2.0, 3.0]),
            "note": pa.array(["a", large, "c"]),
            "at": pa.array([10, 10, 10], pa.timestamp("us")),
            "made": pa.array([5, 5, 5], pa.timestamp("us")),
        }
    )
    pq.write_table(table, tmp_path / "stats.parquet")
    store = Store()
    report = _run(tmp_path, store, Interval(0, 50))
    assert sorted(store.rows) == [1, 3]
    assert (report.read, report.written, report.superseded, report.rejected) == (3, 2, 0, 1)
    (rejected,) = report.rejections
    assert (rejected.column, rejected.reason, rejected.rows) == ("note", "makes its row larger than 63 MiB", 1)
