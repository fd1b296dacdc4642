"""Materialization: rows of a view's source, by event time, to the online store through the ingest worker.

Of each key only the latest row is sent, as far as those fit into memory. The worker writes a row under
compare-and-set, so that a newer pushed row stays, and so that any part of this may be repeated or cut off. The
watermark travels alone, after every other request of the view has been answered: a run that is cut off leaves it where
it was, and the next one starts from there, but for the parts of the source that a checkpoint says are done.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from hotrow import clock
from hotrow.offline.checkpoint import Checkpoint
from hotrow.offline.conversion import convert
from hotrow.offline.delivery import Delivery, Submit
from hotrow.offline.latest import LatestRows
from hotrow.offline.progress import Piece, Progress, TwoSteps
from hotrow.offline.rows import Refusals, deciding_columns, encode_batch, encode_no_rows, filtered, kept_rows
from hotrow.offline.source import BLOCK, Interval, SourceBatch, SourcePart
from hotrow.offline.split import describe_row
from hotrow.offline.view_source import Source
from hotrow.offline.wire import Target, encode_request

MEMORY = 416 << 20
"""Bytes of rows that a run of one view holds: half to find the latest of each key, while the other half is sent. What
does not fit is sent in several passes over the keys, each of which writes pages of the store anew: 2,000,000 rows of
104 bytes took 0.9 us a row of the worker in four, and 0.4 in one."""


@dataclass(frozen=True, slots=True)
class Job:
    """One view to materialize.

    At its end the newest event time that was read is stored as the view's watermark, where it `moves` that and it is
    newer than `stored_us` (None: none is stored). `dry_run`: the worker compares, and nothing is written. `checkpoint`
    is where it notes how far it has come. It holds about `memory` bytes of rows.
    """

    source: Source
    target: Target
    interval: Interval
    stored_us: int | None = None
    moves: bool = False
    dry_run: bool = False
    checkpoint: Checkpoint | None = None
    memory: int = MEMORY


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one view.

    `read` rows were in the interval; of these `rejected` could not be written, for the reasons in `rejections`,
    `superseded` have a later one of their key beside them, `stale` one in the store, and `written` were written, or
    would have been in a dry run. `watermark_us` is the one stored at the end, None: it was left as it was. Rows in
    `transform_errors` were written, with null for what a transform that runs at push would have made of them.
    """

    view: str
    interval: Interval
    read: int
    written: int
    stale: int
    superseded: int
    rejected: int
    rejections: tuple["RejectedRows", ...]
    watermark_us: int | None
    seconds: float
    dry_run: bool = False
    transform_errors: tuple["RaisedRows", ...] = ()


@dataclass(frozen=True, slots=True)
class RaisedRows:
    """Rows for which a transform raised; `reason` has the exception, its line and the inputs of the first."""

    transform: str
    rows: int
    reason: str


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows that were left out for one reason; `rows` is a lower bound where the worker rejected them."""

    column: str
    reason: str
    rows: int
    example: str = ""


def watermark_after(newest_us: int | None, stored_us: int | None) -> int | None:
    """The watermark to store after rows up to `newest_us` (None: no row) were read, or None to leave the stored one.

    Never in the future: a row that says so would have all others passed by.
    """
    if newest_us is None:
        return None
    reached_us = min(newest_us, clock.now_us())
    return reached_us if stored_us is None or reached_us > stored_us else None


def run_job(job: Job, submit: Submit, progress: Progress, turn: AbstractContextManager[bool] | None = None) -> Report:
    """Materialize one view; raises HotrowError where its rows cannot be read or delivered.

    `turn` is that of `Delivery`, of all jobs that go to one worker.
    """
    started_s = clock.monotonic_s()
    left = job.checkpoint.left(job.source.reader.parts) if job.checkpoint else _all_parts(job)
    piece = progress.start(job.target.view, sum(part.rows(interval) for part, interval in left))
    with ThreadPoolExecutor(1) as sender:
        view = job.source.view
        describe = lambda request: f"the row of view {view.name} with {describe_row(request, view)}"  # noqa: E731
        run = _Run(job, Delivery(submit, on_wait=piece.wait, turn=turn, describe=describe), piece, sender)
        try:
            run.load(left)
        finally:
            run.stop()
            piece.finish()
    return run.report(clock.monotonic_s() - started_s)


def _all_parts(job: Job) -> list[tuple[SourcePart, Interval]]:
    return [(part, job.interval) for part in job.source.reader.parts]


class _Run:
    """One view on its way to the worker: this thread reads, and the sender's sends what was read before."""

    def __init__(self, job: Job, delivery: Delivery, piece: Piece, sender: ThreadPoolExecutor) -> None:
        self.delivery = delivery
        self._job = job
        self._progress = TwoSteps(piece)
        self._sender = sender
        self._sending: Future[None] | None = None
        self._stopped = False
        self._refusals, self._unsendable = Refusals(), Refusals()  # of this thread, and of the sender's
        self._latest = LatestRows(job.source.view, job.memory // 2)
        self._read = self._held = self._superseded = 0
        self._own = {id(part) for part in job.source.own_parts}
        self._newest_us = job.checkpoint.newest_us if job.checkpoint else None
        self.watermark_us: int | None = None

    def load(self, left: Sequence[tuple[SourcePart, Interval]]) -> None:
        """Send what is left to read, and then the watermark."""
        job = self._job
        ahead = {id(part) for part, _ in left}
        done = [part for part in job.source.reader.parts if id(part) not in ahead]
        for part, interval in left:
            for batch in part.batches(interval, part.columns, BLOCK):
                self._take(batch)
                if id(part) in self._own:
                    self._see(batch)
                if self._latest.full:
                    self._send(tuple(done))
            done.append(part)
        self._send(())
        self._settle()
        watermark_us = watermark_after(self._newest_us, job.stored_us) if job.moves else None
        if watermark_us is not None:
            no_rows = encode_no_rows(job.source.columns.columns)
            self.delivery.send(encode_request(job.target, no_rows, watermark_us=watermark_us))
            self.delivery.drain()
        self.watermark_us = watermark_us
        if job.checkpoint:
            job.checkpoint.remove()

    def _see(self, batch: SourceBatch) -> None:
        times_us = batch.event_time_us[~batch.timeless]
        if len(times_us):
            newest_us = int(times_us.max())
            self._newest_us = newest_us if self._newest_us is None else max(newest_us, self._newest_us)

    def _take(self, batch: SourceBatch) -> None:
        self._read += batch.rows.num_rows
        checked = deciding_columns(batch.rows.schema, batch.columns)
        converted = [convert(batch.rows.column(column.name), column.type) for column in checked]
        event_time = self._job.source.columns.event_time
        kept = kept_rows(replace(batch, columns=checked), converted, event_time, self._refusals)
        if not kept.all():
            batch = filtered(batch, kept)
        self._held += batch.rows.num_rows
        if batch.rows.num_rows:
            self._latest.add(batch)
        self._progress.advance(2 * batch.scanned - batch.rows.num_rows)  # those that are not held are done with

    def _send(self, done: tuple[SourcePart, ...]) -> None:
        """Have what is held sent, after what is being sent; with it all rows of the parts `done` are."""
        batches = self._latest.take()
        self._settle()
        self._sending = self._sender.submit(self._send_all, batches, self._held, (done, self._newest_us))
        self._held = 0

    def stop(self) -> None:
        """Send nothing more, and wait for nothing that was sent."""
        self._stopped = True
        if self._sending is not None:
            wait([self._sending])
        self.delivery.cancel()

    def _settle(self) -> None:
        if self._sending is not None:
            self._sending.result()

    def _send_all(
        self, batches: Iterator[SourceBatch], held: int, upto: tuple[tuple[SourcePart, ...], int | None]
    ) -> None:
        """Send batches that have the latest of the rows that were held; then the parts of `upto` are done."""
        job, (done, newest_us) = self._job, upto
        for batch in batches:
            held -= batch.rows.num_rows
            for encoded in encode_batch(batch, job.source.columns.event_time, self._unsendable):
                request = encode_request(job.target, encoded.rows, deleted=encoded.deleted, dry_run=job.dry_run)
                self.delivery.send(request)
                if self._stopped:
                    return
            self._progress.advance(batch.rows.num_rows)  # where somebody has stopped the work, this says so
        self._superseded += held
        self._progress.advance(held)
        self.delivery.drain()
        if job.checkpoint and done:
            job.checkpoint.save(done, newest_us)

    def report(self, seconds: float) -> Report:
        """What became of the rows."""
        job, tally = self._job, self.delivery.tally
        refused = (self._refusals, self._unsendable)
        left_out = [
            RejectedRows(column, reason, rows, refusals.examples[column, reason])
            for refusals in refused
            for (column, reason), rows in refusals.counts.most_common()
        ]
        left_out += _by_worker(tally.rejections)
        return Report(
            view=job.target.view,
            interval=job.interval,
            read=self._read,
            written=tally.written,
            stale=tally.stale,
            superseded=self._superseded + tally.duplicates,
            rejected=tally.rejected + sum(refusals.rows for refusals in refused),
            rejections=tuple(left_out),
            watermark_us=self.watermark_us,
            seconds=seconds,
            dry_run=job.dry_run,
            transform_errors=tuple(RaisedRows(name, rows, reason) for name, (rows, reason) in tally.raised.items()),
        )


def _by_worker(rejections: Mapping[tuple[str, str], int]) -> list[RejectedRows]:
    ordered = sorted(rejections.items(), key=lambda item: -item[1])
    return [RejectedRows(field, reason, rows) for (field, reason), rows in ordered]
