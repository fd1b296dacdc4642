"""Training sets of frames, for `FeatureStore`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from hotrow.errors import HotrowError, invalid
from hotrow.offline.entity_rows import EntityColumns
from hotrow.offline.frame import open_frame
from hotrow.offline.progress import SilentProgress
from hotrow.offline.source import Interval
from hotrow.offline.training import join_table, keep_signature, plan_training
from hotrow.offline.view_join import JoinOptions
from hotrow.offline.view_rows import view_rows
from hotrow.offline.view_source import open_view
from hotrow.repo import link

if TYPE_CHECKING:
    import pyarrow as pa

    from hotrow.offline.selection import Selection
    from hotrow.repo.workspace import Workspace


def log_pushed(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Have what was pushed logged, for work that reads the log and needs no server; says where that cannot be."""
    try:
        link.flush_log(link.quiet(workspace.settings), say)
    except HotrowError as error:
        say(f"rows that were pushed in the last seconds may be missing: {error.message}")


class HistoricalOptions(TypedDict, total=False):
    """Options of `FeatureStore.get_historical_features`. A time is a datetime, an ISO 8601 text or microseconds.

    `as_known_at`: rows of a source that were created later are not seen, so that a set comes out again as it was made
    then. `row_times`: the columns `<view>__event_time` and `<view>__created_time` say which row answered. `start` and
    `end`, with the name of a view in place of an entity frame: which of its rows, start <= event time < end.
    """

    as_known_at: datetime | str | int
    row_times: bool
    start: datetime | str | int
    end: datetime | str | int


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is asked for: features, of the rows of an interval where the entity rows are those of a view."""

    selection: Selection
    timestamp_column: str
    join: JoinOptions
    interval: Interval


def training_request(
    selection: Selection, timestamp_column: str, options: HistoricalOptions, us_of: Callable[[str, Any], int]
) -> TrainingRequest:
    """The request of these options; raises INVALID for a time that is none, or TypeError for an unknown option."""
    unknown = ", ".join(options.keys() - HistoricalOptions.__annotations__.keys())
    if unknown:
        raise TypeError(f"there is no option {unknown}; options: {', '.join(HistoricalOptions.__annotations__)}")
    given: dict[str, Any] = dict(options)
    row_times = bool(given.pop("row_times", False))
    times = {name: us_of(name, time) for name, time in given.items() if time is not None}
    join = JoinOptions(times.get("as_known_at"), row_times)
    return TrainingRequest(selection, timestamp_column, join, Interval(times.get("start"), times.get("end")))


def join_frame(workspace: Workspace, entity_df: Any, request: TrainingRequest, say: Callable[[str], None]) -> Any:
    """The frame with the features on its right, of the kind that it is; `say` is given warnings.

    Raises HotrowError as `FeatureStore.get_historical_features` does, before any work starts.
    """
    selection = request.selection
    if isinstance(entity_df, str):
        log_pushed(workspace, say)
        entity_df = rows_of_view(workspace, entity_df, request)
    elif request.interval != Interval():
        raise invalid("start and end go with the name of a view, whose rows are then taken; leave them out")
    frame = open_frame(entity_df)
    columns = EntityColumns("the entity frame", selection.join_keys(), request.timestamp_column, selection.request)
    columns.check_names(frame.names, [feature.column for feature in selection.features])
    table = frame.table(columns.names)
    columns.check_types(table.schema)
    rows = columns.read(table)
    log_pushed(workspace, say)
    plan = plan_training(selection, workspace.folders, request.join)
    columns.check_names(frame.names, [*plan.columns, *plan.time_columns])
    keep_signature(selection, workspace.registry)
    reports = plan.reports()
    joined = join_table(plan, rows, reports, SilentProgress())
    for warning in plan.warnings(reports):
        say(warning)
    return frame.attach(joined)


def rows_of_view(workspace: Workspace, name: str, request: TrainingRequest) -> pa.Table:
    """The join keys and event times of a view's rows; raises NOT_FOUND, and as `open_view` does."""
    snapshot = request.selection.snapshot
    view = snapshot.stored_view(name)
    source = open_view(snapshot, view, workspace.folders)
    return view_rows(source, request.interval, request.timestamp_column, request.join.known_us)
