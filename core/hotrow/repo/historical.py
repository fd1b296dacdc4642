"""Training sets of frames, for `FeatureStore`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from hotrow.errors import HotrowError
from hotrow.offline.entity_rows import EntityColumns
from hotrow.offline.frame import open_frame
from hotrow.offline.progress import SilentProgress
from hotrow.offline.training import join_table, keep_signature, plan_training
from hotrow.repo import link

if TYPE_CHECKING:
    from hotrow.offline.selection import Selection
    from hotrow.repo.workspace import Workspace

Frame = TypeVar("Frame")


def log_pushed(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Have what was pushed logged, for work that reads the log and needs no server; says where that cannot be."""
    try:
        link.flush_log(link.quiet(workspace.settings), say)
    except HotrowError as error:
        say(f"rows that were pushed in the last seconds may be missing: {error.message}")


def join_frame(
    workspace: Workspace,
    selection: Selection,
    entity_df: Frame,
    timestamp_column: str,
    say: Callable[[str], None],
) -> Frame:
    """The frame with the features on its right, of the kind that it is; `say` is given warnings.

    Raises HotrowError as `FeatureStore.get_historical_features` does, before any work starts.
    """
    frame = open_frame(entity_df)
    columns = EntityColumns("the entity frame", selection.join_keys(), timestamp_column, selection.request)
    columns.check_names(frame.names, [feature.column for feature in selection.features])
    table = frame.table(columns.names)
    columns.check_types(table.schema)
    rows = columns.read(table)
    log_pushed(workspace, say)
    plan = plan_training(selection, workspace.folders)
    keep_signature(selection, workspace.registry)
    reports = plan.reports()
    joined = join_table(plan, rows, reports, SilentProgress())
    for warning in plan.warnings(reports):
        say(warning)
    result: Frame = frame.attach(joined)
    return result
