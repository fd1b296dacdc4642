"""`hotrow materialize` and `hotrow materialize-incremental`: from the sources to the online store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import link, option, render
from hotrow.cli.value import time_us_option
from hotrow.cli.workspace import Workspace, open_workspace
from hotrow.errors import Code, HotrowError, invalid

if TYPE_CHECKING:
    from hotrow.offline.delivery import Submit
    from hotrow.offline.materialize import Report, Source
    from hotrow.offline.source import Interval
    from hotrow.registry.snapshot import Snapshot
    from hotrow.settings import Settings

_Views = Annotated[
    list[str] | None,
    typer.Option("--views", metavar="NAME", help="Only this view; repeat it, or separate with commas. Default: all."),
]
_End = Annotated[str, typer.Argument(metavar="END", help="First event time that is not loaded any more, or now.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("materialize")(materialize)
    app.command("materialize-incremental")(materialize_incremental)


def materialize(
    start: Annotated[str, typer.Argument(metavar="START", help="First event time that is loaded.")],
    end: _End,
    *,
    repo: option.Repo = None,
    views: _Views = None,
    branch: option.Branch = "",
    json: option.Json = False,
) -> None:
    """Load rows with START <= event time < END from the views' sources into the online store.

    Works with a running `hotrow serve` and without one. A stored row is replaced by a newer one only, so this may
    be repeated, interrupted, and run while rows are pushed. Times are ISO 8601; without a zone they are UTC.

    \b
    Examples:
      hotrow materialize 2024-01-01 now
      hotrow materialize 2024-05-01T06:00 2024-05-01T12:00 --views driver_hourly_stats
    """  # noqa: D301
    from hotrow.offline.source import Interval  # noqa: PLC0415

    start_us, end_us = time_us_option("START", start), time_us_option("END", end)
    if start_us >= end_us:
        raise invalid(f"START {start} is not before END {end}: nothing can lie between them")
    interval = Interval(start_us, end_us)
    reports = run(open_workspace(repo), branch, _names(views), lambda _name, _stored: interval)
    print_reports(reports, json=json)


def materialize_incremental(
    end: _End,
    *,
    repo: option.Repo = None,
    views: _Views = None,
    branch: option.Branch = "",
    json: option.Json = False,
) -> None:
    """Load what came since the last time: for each view from where it stopped (else the beginning) up to END.

    Where it stopped is in the store, so this runs on the machine that has it.

    \b
    Examples:
      hotrow materialize-incremental now
    """  # noqa: D301
    from hotrow.offline.source import Interval  # noqa: PLC0415

    end_us = time_us_option("END", end)
    workspace = open_workspace(repo)
    reports = run(workspace, branch, _names(views), lambda _name, stored: Interval(stored, end_us), since_stored=True)
    print_reports(reports, json=json)


def _names(views: Sequence[str] | None) -> list[str]:
    return [name for given in views or () for name in given.split(",") if name]


def run(
    workspace: Workspace,
    branch: str,
    names: Sequence[str],
    interval_of: Callable[[str, int | None], Interval],
    *,
    since_stored: bool = False,
) -> list[Report]:
    """Check every source, reach or start the ingest worker, and load one view after another.

    `interval_of` is given a view's name and its stored watermark (None: there is none yet). Where the ingest worker
    is remote, the watermarks of its store cannot be read and are left as they are; `since_stored`: that is an error.
    """
    from hotrow import log  # noqa: PLC0415

    snapshot = workspace.snapshot(branch)
    sources = open_sources(workspace, snapshot, names)
    if not sources:
        render.note("no feature view has a source: there is nothing to materialize")
        return []
    settings = quiet(workspace.settings)
    remote = link.worker_is_remote(settings)
    if remote:
        _without_watermarks(settings, needed=since_stored)
    log.configure_log(level=settings.log.level, json=settings.log.json)
    with link.ingest_link(settings) as submit:
        try:
            stored = {} if remote else _stored(settings, snapshot, sources, needed=since_stored)
            pieces = [
                Piece(source, interval_of(source.view.name, stored.get(source.view.name)), stored) for source in sources
            ]
            return [_load(piece, snapshot, submit) for piece in pieces]
        except KeyboardInterrupt:
            render.note("interrupted: what was written stays; run the same command again to go on")
            raise


def open_sources(workspace: Workspace, snapshot: Snapshot, names: Sequence[str] = ()) -> list[Source]:
    """The sources of the views named, or of all that have one, checked."""
    from hotrow.offline.materialize import open_view, views_with_source  # noqa: PLC0415

    return [open_view(view, workspace.repo) for view in views_with_source(snapshot, names)]


@dataclass(frozen=True, slots=True)
class Piece:
    """A view to load: its source, which event times, and the stored watermarks of those views where they are known."""

    source: Source
    interval: Interval
    watermarks: Mapping[str, int | None]


def _load(piece: Piece, snapshot: Snapshot, submit: Submit) -> Report:
    from hotrow.offline.materialize import Job, run_job, watermark_after  # noqa: PLC0415
    from hotrow.offline.progress import open_progress  # noqa: PLC0415
    from hotrow.offline.wire import Target  # noqa: PLC0415

    source, interval = piece.source, piece.interval
    stored = piece.watermarks.get(source.view.name)
    if stored is not None and interval.start_us is not None and interval.start_us > stored:
        render.warn(
            f"{source.view.name}: rows from {render.time_us_text(stored)} to {render.time_us_text(interval.start_us)} "
            "were not loaded, and materialize-incremental will not go back to them"
        )
    target = Target(snapshot.project, source.view.name, snapshot.id)
    reached_us = watermark_after(interval, stored) if source.view.name in piece.watermarks else None
    job = Job(source, target, interval, reached_us)
    return run_job(job, submit, open_progress())


def quiet(settings: Settings) -> Settings:
    """The settings with a log of warnings only: a worker that is started for one command has no news."""
    import msgspec  # noqa: PLC0415

    level = settings.log.level if settings.log.level == "error" else "warning"
    return msgspec.structs.replace(settings, log=msgspec.structs.replace(settings.log, level=level))


def _stored(
    settings: Settings, snapshot: Snapshot, sources: Sequence[Source], *, needed: bool
) -> Mapping[str, int | None]:
    try:
        return read_watermarks(settings, snapshot, [source.view.name for source in sources])
    except HotrowError as error:
        if needed:
            raise
        render.warn(f"where loading stopped before cannot be read here, and is not changed: {error.message}")
        return {}


def _without_watermarks(settings: Settings, *, needed: bool) -> None:
    """A store that may lie here is not the remote worker's, and its watermarks would leave rows out."""
    what = (
        f"the ingest worker at {settings.ingest.address} is remote, and only its own store, which is not "
        f"{settings.online_store.path}, tells where loading stopped before"
    )
    if needed:
        remedy = "run `hotrow materialize-incremental` on its machine, or name both times: `hotrow materialize`"
        raise HotrowError(Code.FAILED_PRECONDITION, f"{what}; {remedy}")
    render.warn(f"{what}; that is not changed")


def read_watermarks(settings: Settings, snapshot: Snapshot, views: Sequence[str]) -> dict[str, int | None]:
    """The event time up to which each view was loaded."""
    from hotrow.stores.open import open_store  # noqa: PLC0415

    store = open_store(settings.online_store, writable=False, wait_s=2.0)
    try:
        return {name: store.watermark_us(snapshot.view_id(name)) for name in views}
    finally:
        store.close()


def print_reports(reports: Sequence[Report], *, json: bool) -> None:
    """What became of each view, and why rows were left out."""
    if json:
        render.print_json([report_document(report) for report in reports])
        return
    if not reports:
        return
    heads = ["view", "read", "written", "stale", "duplicates", "rejected", "seconds"]
    render.print_table(
        heads,
        [[r.view, r.read, r.written, r.stale, r.duplicates, r.rejected, f"{r.seconds:.1f}"] for r in reports],
    )
    for report in reports:
        for wrong in report.rejections:
            example = f", such as {wrong.example}" if wrong.example else ""
            render.warn(f"{report.view}: {wrong.rows} rows left out: {wrong.column} {wrong.reason}{example}")


def report_document(report: Report) -> dict[str, Any]:
    """A report as JSON, times in ISO 8601."""
    document = asdict(report)
    interval = document.pop("interval")
    watermark_us = document.pop("watermark_us")
    for name, time_us in (
        ("start", interval["start_us"]),
        ("end", interval["end_us"]),
        ("watermark", watermark_us),
    ):
        document[name] = None if time_us is None else render.time_us_text(time_us)
    return document
