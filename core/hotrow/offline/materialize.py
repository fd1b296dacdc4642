"""Materialization: rows of a view's source, by event time, to the online store through the ingest worker.

The worker writes a row under compare-and-set, so that a newer pushed row stays, and so that any part of this may be
repeated or cut off. The watermark travels alone, after every other request of the view has been answered: a run that
is cut off leaves it where it was, and the next one starts from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotrow import clock
from hotrow.errors import Code, HotrowError, not_found
from hotrow.offline.delivery import Delivery, Submit
from hotrow.offline.open import open_source
from hotrow.offline.progress import Progress
from hotrow.offline.rows import Refusals, encode_batch, encode_no_rows
from hotrow.offline.source import Column, Interval, SourceColumns, SourceReader
from hotrow.offline.wire import Target, encode_request
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.source import KINDS
from hotrow.schema.view import FeatureView


@dataclass(frozen=True, slots=True)
class Source:
    """A view and its checked source."""

    view: FeatureView
    columns: SourceColumns
    reader: SourceReader


@dataclass(frozen=True, slots=True)
class Job:
    """One view to materialize; `watermark_us` is to be stored at its end, None leaves the stored one."""

    source: Source
    target: Target
    interval: Interval
    watermark_us: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one view. `read` rows were in the interval; `rejections` are (column, reason, rows, example)."""

    view: str
    interval: Interval
    read: int
    written: int
    stale: int
    duplicates: int
    rejected: int
    rejections: tuple["RejectedRows", ...]
    watermark_us: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows that were left out for one reason; `rows` is a lower bound where the worker rejected them."""

    column: str
    reason: str
    rows: int
    example: str = ""


def views_with_source(snapshot: Snapshot, names: Sequence[str]) -> list[FeatureView]:
    """The views named, or all that have a source; raises NOT_FOUND, and FAILED_PRECONDITION for one without."""
    for name in names:
        if name not in snapshot.views:
            raise not_found("feature view", name, snapshot.views)
        if snapshot.views[name].source is None:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"feature view {name!r} has no source: its rows are pushed; give it {KINDS}, or leave it out",
            )
    chosen = dict.fromkeys(names) or snapshot.views
    return [snapshot.views[name] for name in chosen if snapshot.views[name].source is not None]


def open_view(view: FeatureView, repo: Path) -> Source:
    """Check the view's source, whose path is relative to `repo`; raises HotrowError as `open_source` does."""
    source = view.source
    if source is None:
        raise HotrowError(Code.FAILED_PRECONDITION, f"{view.label} has no source")
    keys = [Column(key.name, key.type, key=True) for key in view.join_keys]
    fields = [Column(f.name, f.type, f.unit, optional=f.has_default) for f in view.fields]
    wanted = SourceColumns(view.name, (*keys, *fields), source.event_time, source.created_time)
    return Source(view, wanted, open_source(source, repo, wanted))


def watermark_after(interval: Interval, stored_us: int | None) -> int | None:
    """The watermark to store after `interval`, or None where the stored one is as far or further.

    Never in the future: rows that are still to come lie before an END there.
    """
    if interval.end_us is None:
        return None
    reached_us = min(interval.end_us, clock.now_us())
    return reached_us if stored_us is None or reached_us > stored_us else None


def run_job(job: Job, submit: Submit, progress: Progress) -> Report:
    """Materialize one view; raises HotrowError where its rows cannot be read or delivered."""
    started_s = clock.monotonic_s()
    delivery = Delivery(submit, on_wait=progress.wait)
    refusals = Refusals()
    read = 0
    progress.start(job.target.view, job.source.reader.rows(job.interval))
    try:
        for batch in job.source.reader.batches(job.interval):
            read += batch.rows.num_rows
            for encoded in encode_batch(batch, job.source.columns.event_time, refusals):
                delivery.send(encode_request(job.target, encoded.rows))
            progress.advance(batch.scanned)
        delivery.drain()
        if job.watermark_us is not None:
            no_rows = encode_no_rows(job.source.columns.columns)
            delivery.send(encode_request(job.target, no_rows, watermark_us=job.watermark_us))
            delivery.drain()
    finally:
        delivery.cancel()
        progress.finish()
    return _report(job, delivery, refusals, read, clock.monotonic_s() - started_s)


def _report(job: Job, delivery: Delivery, refusals: Refusals, read: int, seconds: float) -> Report:
    tally = delivery.tally
    left_out = [
        RejectedRows(column, reason, rows, refusals.examples[column, reason])
        for (column, reason), rows in refusals.counts.most_common()
    ]
    left_out += _by_worker(tally.rejections)
    return Report(
        view=job.target.view,
        interval=job.interval,
        read=read,
        written=tally.written,
        stale=tally.stale,
        duplicates=tally.duplicates,
        rejected=tally.rejected + refusals.rows,
        rejections=tuple(left_out),
        watermark_us=job.watermark_us,
        seconds=seconds,
    )


def _by_worker(rejections: Mapping[tuple[str, str], int]) -> list[RejectedRows]:
    ordered = sorted(rejections.items(), key=lambda item: -item[1])
    return [RejectedRows(field, reason, rows) for (field, reason), rows in ordered]
