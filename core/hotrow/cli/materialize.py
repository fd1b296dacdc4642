"""`hotrow materialize` and `hotrow materialize-incremental`: from the sources to the online store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hotrow.cli import option, render
from hotrow.cli.arguments import takes
from hotrow.cli.value import time_us_option
from hotrow.cli.workspace import open_workspace
from hotrow.clock import text_from_us

if TYPE_CHECKING:
    from hotrow.offline.materialize import Report
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.load import Load
    from hotrow.repo.workspace import Workspace

_DryRun = Annotated[bool, typer.Option("--dry-run", help="Compare with the store and write nothing.")]
_End = Annotated[str, typer.Argument(metavar="END", help="First event time that is not loaded any more, or now.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("materialize")(materialize)
    app.command("materialize-incremental")(materialize_incremental)


@dataclass(frozen=True, slots=True)
class MaterializeArguments:
    """The arguments and options of `hotrow materialize`."""

    start: Annotated[str, typer.Argument(metavar="START", help="First event time that is loaded.")]
    end: _End
    repo: option.Repo = None
    views: option.Views = None
    branch: option.Branch = ""
    dry_run: _DryRun = False
    remote: Annotated[
        bool,
        typer.Option("--remote", help="Write into the store of the worker at ingest.address, whichever it is."),
    ] = False
    json: option.Json = False


@takes(MaterializeArguments)
def materialize(arguments: MaterializeArguments) -> None:
    """Load rows with START <= event time < END from the views' sources into the online store.

    Works with a running `hotrow serve` and without one. Of each key the latest row is written, and replaces a stored
    one only if that is older, so this may be repeated, interrupted, and run while rows are pushed. The same command
    goes on where one was interrupted. Times are ISO 8601; without a zone they are UTC.

    \b
    Examples:
      hotrow materialize 2024-01-01 now
      hotrow materialize 2024-05-01T06:00 2024-05-01T12:00 --views driver_hourly_stats --dry-run
    """  # noqa: D301
    from hotrow.repo.load import Load, between  # noqa: PLC0415

    interval_of = between(time_us_option("START", arguments.start), time_us_option("END", arguments.end))
    load = Load(interval_of, option.names(arguments.views), dry_run=arguments.dry_run, remote=arguments.remote)
    _load(arguments.repo, arguments.branch, load, json=arguments.json)


def materialize_incremental(
    end: _End,
    *,
    repo: option.Repo = None,
    views: option.Views = None,
    branch: option.Branch = "",
    dry_run: _DryRun = False,
    json: option.Json = False,
) -> None:
    """Load what came since the last time: each view from the newest row that was loaded (else the beginning) up to END.

    Where it stopped is in the store, so this runs on the machine that has it.

    \b
    Examples:
      hotrow materialize-incremental now
    """  # noqa: D301
    from hotrow.repo.load import Load, until  # noqa: PLC0415

    interval_of = until(time_us_option("END", end))
    _load(repo, branch, Load(interval_of, option.names(views), since_stored=True, dry_run=dry_run), json=json)


def _load(repo: Path | None, branch: str, load: Load, *, json: bool) -> None:
    workspace = open_workspace(repo)
    try:
        reports = run(workspace, workspace.snapshot(branch), load)
    except KeyboardInterrupt:
        render.note("interrupted: what was written stays; run the same command again to go on")
        raise
    print_reports(reports, json=json)


def run(workspace: Workspace, snapshot: Snapshot, load: Load) -> list[Report]:
    """Load, with progress and warnings on stderr."""
    from hotrow import log  # noqa: PLC0415
    from hotrow.offline.progress import open_progress  # noqa: PLC0415
    from hotrow.repo.link import quiet  # noqa: PLC0415
    from hotrow.repo.load import run_load  # noqa: PLC0415

    settings = quiet(workspace.settings)
    log.configure_log(level=settings.log.level, json=settings.log.json)
    return run_load(workspace, snapshot, load, open_progress(), render.warn)


def print_reports(reports: Sequence[Report], *, json: bool) -> None:
    """What became of each view, and why rows were left out."""
    if json:
        render.print_json([report_document(report) for report in reports])
        return
    if not reports:
        return
    written = "would write" if reports[0].dry_run else "written"
    render.print_table(
        ["view", "read", written, "stale", "superseded", "rejected", "seconds"],
        [[r.view, r.read, r.written, r.stale, r.superseded, r.rejected, f"{r.seconds:.1f}"] for r in reports],
    )
    for report in reports:
        for wrong in report.rejections:
            example = f", such as {wrong.example}" if wrong.example else ""
            render.warn(f"{report.view}: {wrong.rows} rows left out: {wrong.column} {wrong.reason}{example}")
        for one in report.transform_errors:
            render.warn(
                f"{report.view}: transform {one.transform!r} raises for {one.rows} rows, which have null for its "
                f"outputs; the first: {one.reason}"
            )


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
        document[name] = None if time_us is None else text_from_us(time_us)
    return document
