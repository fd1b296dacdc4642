"""`hotrow historical`: a training set, from entity rows in a file and the sources of the views."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hotrow.cli import option, render
from hotrow.cli.arguments import takes
from hotrow.cli.read import asked_features
from hotrow.cli.value import time_us_option
from hotrow.cli.workspace import open_workspace
from hotrow.errors import invalid, not_found

if TYPE_CHECKING:
    from hotrow.offline.selection import Selection
    from hotrow.offline.training import TrainingPlan, ViewReport
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.historical import TrainingRequest
    from hotrow.repo.workspace import Workspace

_OPTIONS = {"as_known_at": "--as-known-at", "start": "--start", "end": "--end"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("historical")(historical)


@dataclass(frozen=True, slots=True)
class HistoricalArguments:
    """The arguments and options of `hotrow historical`."""

    entities: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|VIEW",
            help="Entity rows: Parquet, or CSV (*.csv); or a view, for all of its rows.",
        ),
    ]
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the training set is written, as Parquet.")
    ]
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FEATURES...",
            help="Features (view:feature), or a view for all of its features.",
            show_default=False,
        ),
    ] = None
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="The features of this service.")] = ""
    timestamp_column: Annotated[
        str, typer.Option("--timestamp-column", metavar="NAME", help="The column with the rows' event times.")
    ] = "event_timestamp"
    start: Annotated[str, typer.Option("--start", metavar="TIME", help="First event time of a view's rows.")] = ""
    end: Annotated[
        str, typer.Option("--end", metavar="TIME", help="First event time of a view's rows that is not taken, or now.")
    ] = ""
    as_known_at: Annotated[
        str, typer.Option("--as-known-at", metavar="TIME", help="Leave out source rows that were created later.")
    ] = ""
    row_times: Annotated[
        bool, typer.Option("--row-times", help="Also the event and created time of the rows that answer, by view.")
    ] = False
    repo: option.Repo = None
    snapshot: option.Ref = ""
    full_names: Annotated[
        bool, typer.Option("--full-names", help="Name columns view__feature. Done anyway where two are equal.")
    ] = False
    json: option.Json = False


@takes(HistoricalArguments)
def historical(arguments: HistoricalArguments) -> None:
    """Write a training set: entity rows with the features as they were at each row's event time.

    FILE has the join keys and a column of event times (no zone: UTC). Its rows and columns are kept, in order. A
    feature is null where no row of its source is at or before the event time and within ttl. Needs no server.

    \b
    Examples:
      hotrow historical rides.parquet --service driver_activity --output training.parquet
      hotrow historical rides.csv driver_hourly_stats:fare -o training.parquet --timestamp-column at
      hotrow historical driver_hourly_stats driver_hourly_stats -o training.parquet --start 2024-01-01 --end 2024-02-01
    """  # noqa: D301
    from hotrow.offline.entity_file import check_output, open_entity_file, write_training  # noqa: PLC0415
    from hotrow.offline.entity_rows import EntityColumns  # noqa: PLC0415
    from hotrow.offline.progress import open_progress  # noqa: PLC0415
    from hotrow.offline.training import keep_signature, plan_training  # noqa: PLC0415
    from hotrow.repo.historical import log_pushed  # noqa: PLC0415

    workspace = open_workspace(arguments.repo)
    snapshot = workspace.snapshot(arguments.snapshot)
    selection = _selection(arguments, snapshot)
    sources = {v.name: workspace.repo / v.source.path for v in snapshot.views.values() if v.source is not None}
    check_output(arguments.output, arguments.entities, sources)
    log_pushed(workspace, render.warn)
    request = _request(arguments, selection)
    plan = plan_training(selection, workspace.folders, request.join)
    with _entities(arguments, workspace, request) as path:
        columns = EntityColumns(str(path), selection.join_keys(), arguments.timestamp_column, selection.request)
        entities = open_entity_file(path, columns, [*plan.columns, *plan.time_columns])
        entities.check_rows()
        keep_signature(selection, workspace.registry)
        reports = plan.reports()
        try:
            rows = write_training(plan, entities, arguments.output, reports, open_progress())
        except KeyboardInterrupt:
            render.note(f"interrupted: nothing of {arguments.output} was written")
            raise
    _print(arguments, plan, reports, rows)


def _request(arguments: HistoricalArguments, selection: Selection) -> TrainingRequest:
    from hotrow.repo.historical import HistoricalOptions, training_request  # noqa: PLC0415

    options: HistoricalOptions = {"row_times": arguments.row_times}
    if arguments.as_known_at:
        options["as_known_at"] = arguments.as_known_at
    if arguments.start:
        options["start"] = arguments.start
    if arguments.end:
        options["end"] = arguments.end
    return training_request(
        selection, arguments.timestamp_column, options, lambda name, text: time_us_option(_OPTIONS[name], text)
    )


@contextlib.contextmanager
def _entities(arguments: HistoricalArguments, workspace: Workspace, request: TrainingRequest) -> Iterator[Path]:
    """The file of the entity rows: the one that is named, or for the time of the block one with the rows of a view."""
    from hotrow.repo.historical import rows_of_view  # noqa: PLC0415

    name = str(arguments.entities)
    if arguments.entities.exists() or name not in request.selection.snapshot.read_views:
        if arguments.start or arguments.end:
            raise invalid("--start and --end go with the name of a view in place of a file; leave them out")
        yield arguments.entities
        return
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = rows_of_view(workspace, name, request)
    with tempfile.TemporaryDirectory(prefix="hotrow-") as folder:
        path = Path(folder) / f"{name}.parquet"
        pq.write_table(rows, path)
        yield path


def _selection(arguments: HistoricalArguments, snapshot: Snapshot) -> Selection:
    from hotrow.offline.selection import select_features  # noqa: PLC0415

    given = arguments.what or []
    if arguments.service:
        if given:
            raise invalid(f"{given[0]} and --service: name features or a service, not both")
        if arguments.service not in snapshot.services:
            raise not_found("feature service", arguments.service, snapshot.services)
        given = [arguments.service]
    if not given:
        raise invalid("name the features: view:feature, a view, or --service NAME")
    asked = asked_features(given, snapshot)
    full_names = arguments.full_names or asked.ambiguous
    return select_features(snapshot, asked.service or list(asked.names), full_names=full_names)


def _print(arguments: HistoricalArguments, plan: TrainingPlan, reports: Mapping[str, ViewReport], rows: int) -> None:
    snapshot = plan.selection.snapshot.id
    if arguments.json:
        views = [
            {"view": r.view, "read": r.read, "found": r.found, "null": r.missing, "left_out": sum(r.left_out.values())}
            for r in reports.values()
        ]
        output = str(arguments.output)
        render.print_json(
            {"output": output, "rows": rows, "features": plan.columns, "snapshot": snapshot, "views": views}
        )
    else:
        render.print_table(
            ["view", "read", "found", "null", "left out", "seconds"],
            [
                [r.view, r.read, r.found, r.missing, sum(r.left_out.values()), f"{r.seconds:.1f}"]
                for r in reports.values()
            ],
        )
        print(
            f"wrote {arguments.output}: {rows:,} rows with {len(plan.columns)} features of snapshot "
            f"{render.short_id(snapshot)}"
        )
    for warning in plan.warnings(reports):
        render.warn(warning)
