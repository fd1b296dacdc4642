"""A run that was cut off is gone on with: what is read again, and what is not."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import Entity, FeatureView, Field, Float64, Int64, ParquetSource
from hotrow.errors import Code, HotrowError
from hotrow.offline.checkpoint import Checkpoint
from hotrow.offline.materialize import Job, run_job
from hotrow.offline.progress import SilentProgress
from hotrow.offline.source import Interval
from hotrow.offline.view_source import open_source_of
from hotrow.offline.wire import Target
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply, MaterializeRowsRequest

FILES, ROWS = 5, 10
VIEW = FeatureView(
    "stats",
    entities=[Entity("driver", join_keys={"driver_id": Int64})],
    schema=[Field("x", Float64)],
    source=ParquetSource("stats", event_time="at"),
)


class Worker:
    """Answers requests, and from the `fails_at`th on with an error that does not pass."""

    def __init__(self, fails_at=None):
        self.keys = []
        self.watermark_us = None
        self._left = fails_at

    def __call__(self, request):
        return Answer(self, MaterializeRowsRequest.FromString(request))

    def take(self, request):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise HotrowError(Code.EXHAUSTED, "the disk is full")
        self.keys += next(iter(request.rows)).int64.values
        if request.HasField("watermark_us"):
            self.watermark_us = request.watermark_us
        return MaterializeRowsReply(written=len(request.event_time_us)).SerializeToString()


class Answer:
    def __init__(self, worker, request):
        self._worker, self._request = worker, request

    def result(self):
        return self._worker.take(self._request)

    def cancel(self):
        pass


def _write(folder, file, first_us):
    keys = range(file * ROWS, file * ROWS + ROWS)
    times = pa.array([first_us + key for key in keys], pa.timestamp("us", tz="UTC"))
    (folder / "stats").mkdir(exist_ok=True)
    table = pa.table({"driver_id": pa.array(keys), "x": pa.array([0.5] * ROWS), "at": times})
    pq.write_table(table, folder / "stats" / f"{file}.parquet")


@pytest.fixture
def folder(tmp_path):
    """Five files of ten rows."""
    for file in range(FILES):
        _write(tmp_path, file, 0)
    return tmp_path


def _run(folder, worker, end_us=1000, work="w"):
    interval = Interval(0, end_us)
    checkpoint = Checkpoint(folder / "run" / "stats.checkpoint", work, interval)
    job = Job(
        open_source_of(VIEW, folder), Target("p", "stats", "s"), interval, moves=True, checkpoint=checkpoint, memory=0
    )
    return run_job(job, worker, SilentProgress())


def _cut_off(folder, requests):
    worker = Worker(fails_at=requests)
    with pytest.raises(HotrowError, match="the disk is full"):
        _run(folder, worker)
    assert worker.watermark_us is None
    return set(worker.keys)


@pytest.mark.parametrize("requests", range(FILES))
def test_only_what_is_left_is_read(folder, requests):
    """Every row has arrived in the end, files that were done are not read again, and then nothing is kept."""
    written = _cut_off(folder, requests)
    worker = Worker()
    report = _run(folder, worker)
    assert written | set(worker.keys) == set(range(FILES * ROWS))
    # Memory for a file at a time: a file is noted when the next one fills it.
    assert report.read == (FILES - max(0, requests - 1)) * ROWS
    assert worker.watermark_us == FILES * ROWS - 1
    assert not list((folder / "run").iterdir())
    assert _run(folder, Worker()).read == FILES * ROWS


def test_what_came_between_the_ends_is_read(folder):
    """The next run goes up to a later time: of files that were done it reads what lies after the end of then."""
    rows = pa.concat_tables([pq.read_table(folder / "stats" / "0.parquet"), _late_row()])
    pq.write_table(rows, folder / "stats" / "0.parquet")
    _cut_off(folder, 4)
    worker = Worker()
    assert _run(folder, worker, end_us=2000).read == 1 + 2 * ROWS
    assert 777 in worker.keys
    assert worker.watermark_us == 1500


def _late_row():
    return pa.table({"driver_id": pa.array([777]), "x": pa.array([0.5]), "at": _times([1500])})


def _times(times_us):
    return pa.array(times_us, pa.timestamp("us", tz="UTC"))


def test_a_file_that_changed_is_read_again(folder):
    """And one that is new."""
    _cut_off(folder, 4)
    _write(folder, 0, 5)
    _write(folder, FILES, 0)
    worker = Worker()
    assert _run(folder, worker).read == (1 + 2 + 1) * ROWS
    assert set(range(ROWS)) | set(range(FILES * ROWS, FILES * ROWS + ROWS)) <= set(worker.keys)


def test_a_file_that_changes_after_it_was_read_is_read_again(folder):
    """What is noted as done is the file as it was read, not as it is when its rows have been written."""

    class Rewriting(Worker):
        def take(self, request):
            reply = super().take(request)
            if len(self.keys) == ROWS:  # the first file's rows are here, and it is not noted yet
                pq.write_table(_late_row().set_column(2, "at", _times([5])), folder / "stats" / "0.parquet")
            return reply

    with pytest.raises(HotrowError, match="the disk is full"):
        _run(folder, Rewriting(fails_at=4))
    worker = Worker()
    _run(folder, worker)
    assert 777 in worker.keys


def test_a_file_that_changes_while_others_are_read_ends_the_run(folder):
    """Its row groups are not where they were when it was checked."""

    class Rewriting(Worker):
        def take(self, request):
            if not self.keys:
                _write(folder, FILES - 1, 5)
            return super().take(request)

    worker = Rewriting()
    with pytest.raises(HotrowError, match=r"4\.parquet has changed since the work began; run it again") as caught:
        _run(folder, worker)
    assert caught.value.code is Code.INVALID
    assert worker.watermark_us is None


def test_other_work_starts_from_the_beginning(folder):
    """Another snapshot, another store, another start."""
    _cut_off(folder, 4)
    assert _run(folder, Worker(), work="another").read == FILES * ROWS


def test_a_checkpoint_that_cannot_be_read_or_kept_is_none(folder):
    """It saves work; without one there is more of it."""
    (folder / "run").mkdir()
    (folder / "run" / "stats.checkpoint").write_bytes(b"\xffnonsense")
    assert _run(folder, Worker()).read == FILES * ROWS
    for path in (folder / "run").iterdir():
        path.unlink()
    (folder / "run").rmdir()
    (folder / "run").write_text("a file where the folder would be")
    _cut_off(folder, 4)
    assert _run(folder, Worker()).read == FILES * ROWS
