"""From the sources of a repository's views to its online store: which rows, through which worker, and from where on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hotrow.clock import text_from_us
from hotrow.errors import Code, HotrowError, invalid
from hotrow.offline.checkpoint import Checkpoint
from hotrow.offline.late import LateRows
from hotrow.offline.materialize import Job, Report, run_job
from hotrow.offline.progress import Progress, SharedProgress
from hotrow.offline.row_log.part import has_log
from hotrow.offline.source import Interval
from hotrow.offline.view_source import Source, open_view, views_with_rows
from hotrow.offline.wire import Target
from hotrow.repo import link

if TYPE_CHECKING:
    from hotrow.offline.delivery import Submit
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.workspace import Workspace
    from hotrow.settings import Settings

_SERVED_S = 15.0
_FIRST_US = -(1 << 63)

IntervalOf = Callable[[str, int | None], Interval]
"""Given a view's name and where an incremental run starts (None: at the beginning), which event times are loaded."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for: these views, or all that have a source.

    `since_stored`: the interval depends on where loading stopped before, so that it is an error where that cannot be
    read. `dry_run`: compare with the store, and write nothing. `logged_only`: of all views, the log of pushed rows.
    `remote`: a worker of another store, on this machine, is meant.
    """

    interval_of: IntervalOf
    views: Sequence[str] = ()
    since_stored: bool = False
    dry_run: bool = False
    logged_only: bool = False
    remote: bool = False


def between(start_us: int, end_us: int) -> IntervalOf:
    """START <= event time < END; raises INVALID where nothing can lie between."""
    if start_us >= end_us:
        raise invalid(
            f"START {text_from_us(start_us)} is not before END {text_from_us(end_us)}: nothing can lie between them"
        )
    return lambda _view, _stored: Interval(start_us, end_us)


def until(end_us: int) -> IntervalOf:
    """From the newest row that was loaded before, else the beginning, to END: rows of one time may come one by one."""
    return lambda _view, start_us: Interval(start_us, end_us)


def open_sources(workspace: Workspace, snapshot: Snapshot, names: Sequence[str] = ()) -> list[Source]:
    """The sources of the views named, or of all that have one or are in the log of pushed rows, checked."""
    folders = workspace.folders
    return [open_view(snapshot, view, folders) for view in views_with_rows(snapshot, names, folders)]


def open_logs(workspace: Workspace, snapshot: Snapshot) -> list[Source]:
    """What the log has of each view that is in it."""
    folders = workspace.folders
    logged = [view for view in snapshot.views.values() if has_log(folders.log_of(snapshot, view))]
    return [open_view(snapshot, view, folders, logged_only=True) for view in logged]


def run_load(
    workspace: Workspace, snapshot: Snapshot, load: Load, progress: Progress, say: Callable[[str], None]
) -> list[Report]:
    """Have what was pushed logged, check every source, reach or start the ingest worker, and load the views, a few at a
    time.

    `say` is given warnings. Where the ingest worker is remote, the watermarks of its store cannot be read and are left
    as they are. Raises HotrowError; what was written then stays, and the same load goes on where this one stopped.
    """
    _check_served(workspace, snapshot)
    settings = link.quiet(workspace.settings)
    if not load.remote:
        link.check_own_worker(settings)
    # A store that is a server's can be read from here, wherever the worker is that writes it.
    remote = settings.online_store.embedded and link.worker_is_remote(settings)
    if remote:
        _without_watermarks(settings, say, needed=load.since_stored)
    link.flush_log(settings, say)
    sources = open_logs(workspace, snapshot) if load.logged_only else open_sources(workspace, snapshot, load.views)
    if not sources:
        if not load.logged_only:
            say("no feature view has a source or logged rows: there is nothing to materialize")
        return []
    if not remote:
        _wait_until_served(settings, snapshot)
    with link.ingest_link(settings, say) as submit:
        store = None if remote else _stored(settings, snapshot, sources, None if load.since_stored else say)
        jobs = [_job(source, snapshot, settings, load, store) for source in sources]
        for job in jobs:
            _say_begin(job, store, say)
        late = [] if store is None or load.dry_run else [_late_rows(job, snapshot, settings, store) for job in jobs]
        for job, rows in zip(jobs, late, strict=False):
            if load.since_stored:
                rows.look(job.interval.start_us, say)
        with _explained(snapshot, settings, remote=remote):
            reports = _run(jobs, submit, progress)
        for job, rows, report in zip(jobs, late, reports, strict=False):
            _note_late(job, rows, report, by_name=not load.since_stored)
        return reports


def _late_rows(job: Job, snapshot: Snapshot, settings: Settings, store: _Store) -> LateRows:
    view_id = snapshot.view_id(job.target.view).hex()
    path = settings.run_path / f"{job.target.view}-{view_id}.late"
    return LateRows(path, f"{view_id} {store.id} {store.epoch}", job.source)


def _note_late(job: Job, late: LateRows, report: Report, *, by_name: bool) -> None:
    start_us = _start_us(job.source, job.stored_us if report.watermark_us is None else report.watermark_us)
    if start_us is not None:
        reached_back = job.interval.start_us is None or job.interval.start_us < start_us
        late.note(start_us, all_read=by_name and reached_back)


def _start_us(source: Source, watermark_us: int | None) -> int | None:
    """Where an incremental run starts: at the newest row that was loaded, or as much before it as rows may be late."""
    own = source.view.source
    if watermark_us is None or own is None:
        return watermark_us
    return max(_FIRST_US, watermark_us - own.lateness_us)


@contextlib.contextmanager
def _explained(snapshot: Snapshot, settings: Settings, *, remote: bool) -> Iterator[None]:
    """A remote worker that reads another registry never sees the snapshot, and to pin it here would not help."""
    try:
        yield
    except HotrowError as error:
        if not remote or error.field != "snapshot":
            raise
        raise HotrowError(
            error.code,
            f"the ingest worker at {settings.ingest.address} does not serve snapshot {snapshot.id[:12]} of project "
            f"{snapshot.project!r}: have it read the registry of this repository, {settings.registry}",
            field="registry",
        ) from None


def _check_served(workspace: Workspace, snapshot: Snapshot) -> None:
    """No worker has any other snapshot, whether it runs or is started, and to wait for one would be in vain."""
    served = workspace.registry.refs(workspace.project).served()
    if snapshot.id not in served:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"snapshot {snapshot.id[:12]} is not served: it is none of the last heads, the branches and the pins; pin "
            "it with `hotrow registry pin`, or work on one of these",
        )


def _wait_until_served(settings: Settings, snapshot: Snapshot) -> None:
    """Workers that run take a moment to see what has just been applied."""
    from hotrow.supervisor.state import read_state, wait_served  # noqa: PLC0415

    if read_state(settings).ingest_socket() is not None:
        wait_served(settings, snapshot.id, _SERVED_S)


def _run(jobs: Sequence[Job], submit: Submit, progress: Progress) -> list[Report]:
    shared, turn = SharedProgress(progress), threading.Lock()
    with ThreadPoolExecutor(_threads(len(jobs))) as pool:
        try:
            return list(pool.map(lambda job: run_job(job, submit, shared, turn), jobs))
        except BaseException:
            shared.stop()  # an error, or Ctrl-C: the other threads end at their next step
            pool.shutdown(cancel_futures=True)
            raise


def _threads(jobs: int) -> int:
    return min(jobs, len(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True)
class _Store:
    """What the store that is written says of itself: its identity, and up to where each view was loaded."""

    id: str
    epoch: int
    watermarks: Mapping[str, int | None]


def _job(source: Source, snapshot: Snapshot, settings: Settings, load: Load, store: _Store | None) -> Job:
    view = source.view.name
    stored = None if store is None else store.watermarks[view]
    interval = load.interval_of(view, _start_us(source, stored))
    checkpoint = None
    if store is not None and not load.dry_run:
        view_id = snapshot.view_id(view).hex()
        work = hashlib.sha256(repr((view_id, snapshot.id, interval.start_us, store.id, store.epoch)).encode())
        checkpoint = Checkpoint(settings.run_path / f"{view}-{view_id}.checkpoint", work.hexdigest(), interval)
    return Job(
        source,
        Target(snapshot.project, view, snapshot.id),
        interval,
        stored,
        moves=store is not None and not load.dry_run,
        dry_run=load.dry_run,
        checkpoint=checkpoint,
    )


def _say_begin(job: Job, store: _Store | None, say: Callable[[str], None]) -> None:
    """What is left out, and where an earlier run is gone on with."""
    if job.checkpoint is not None and job.checkpoint.found:
        say(f"{job.target.view}: goes on where an earlier run stopped")
    stored = None if store is None else store.watermarks[job.target.view]
    start, end = job.interval.start_us, job.interval.end_us
    if stored is not None and start is not None and end is not None and end <= start:
        say(f"{job.target.view}: nothing is loaded: it was loaded up to {text_from_us(stored)} before")
    if stored is not None and start is not None and start > stored and not job.dry_run:
        say(
            f"{job.target.view}: rows from {text_from_us(stored)} to {text_from_us(start)} were not loaded, and "
            "materialize-incremental will not go back to them"
        )


def _stored(
    settings: Settings, snapshot: Snapshot, sources: Sequence[Source], say: Callable[[str], None] | None
) -> _Store | None:
    """None, said, where the store cannot be read; that is an error where nobody is there to say it to."""
    try:
        return read_watermarks(settings, snapshot, [source.view.name for source in sources])
    except HotrowError as error:
        if say is None:
            raise
        say(f"where loading stopped before cannot be read here, and is not changed: {error.message}")
        return None


def _without_watermarks(settings: Settings, say: Callable[[str], None], *, needed: bool) -> None:
    """A store that may lie here is not the remote worker's, and its watermarks would leave rows out."""
    what = (
        f"the ingest worker at {settings.ingest.address} is remote, and only its own store, which is not "
        f"{settings.online_store.path}, tells where loading stopped before"
    )
    if needed:
        remedy = "run `hotrow materialize-incremental` on its machine, or name both times: `hotrow materialize`"
        raise HotrowError(Code.FAILED_PRECONDITION, f"{what}; {remedy}")
    say(f"{what}; that is not changed")


def read_watermarks(settings: Settings, snapshot: Snapshot, views: Sequence[str]) -> _Store:
    """The event time up to which each view was loaded, and which store says so."""
    from hotrow.stores.open import open_store  # noqa: PLC0415

    store = open_store(settings.online_store, project=settings.project, writable=False, wait_s=2.0)
    try:
        watermarks = {name: store.watermark_us(snapshot.view_id(name)) for name in views}
        return _Store(store.id, store.epoch, watermarks)
    finally:
        store.close()
