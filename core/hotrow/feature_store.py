"""`FeatureStore`: the entry for notebooks and pipelines."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from hotrow.registry.registry import Registry
    from hotrow.registry.snapshot import Snapshot
    from hotrow.schema.service import FeatureService
    from hotrow.settings import Settings

Frame = TypeVar("Frame")


class FeatureStore:
    """A feature repository: the folder with `hotrow.toml`.

    Definitions are those that were applied to the registry which `hotrow.toml` names, the Python files are not run.
    `snapshot` is a snapshot id (or 8 characters of one and more), a branch or a pin; empty is the head, whatever it is
    at the time of a call. Needs `hotrow[server]`. Raises HotrowError NOT_FOUND where there is no `hotrow.toml`, INVALID
    for settings that are wrong.
    """

    def __init__(self, repo: str | Path = ".", *, snapshot: str = "") -> None:
        from hotrow.settings import load_settings  # noqa: PLC0415 - `import hotrow` stays light, here and below

        self.repo = Path(repo).absolute()
        self._settings: Settings = load_settings(self.repo)
        self._ref = snapshot

    @property
    def project(self) -> str:
        """The project's name."""
        return self._settings.project

    def snapshot(self) -> Snapshot:
        """The definitions as they are applied now; raises NOT_FOUND, FAILED_PRECONDITION before the first apply."""
        registry = self._registry()
        return registry.snapshot(registry.resolve(self.project, self._ref))

    def _registry(self) -> Registry:
        from hotrow.registry.open import open_registry  # noqa: PLC0415

        return open_registry(self._settings.registry)

    def get_historical_features(
        self,
        entity_df: Frame,
        features: Sequence[str] | FeatureService | str,
        *,
        timestamp_column: str = "event_timestamp",
        full_names: bool = False,
    ) -> Frame:
        """The entity frame with the features as they were at the event time of each of its rows.

        `entity_df` is a pandas or Polars DataFrame or a pyarrow Table with the join keys, a column of event times and
        the columns that transforms take of a caller (request data);
        the result is of the same kind, with the same rows in the same order, and the features on the right. `features`
        are references ("view:feature"), a FeatureService, or its name; a column is named by its feature, or
        `view__feature` with `full_names`. A feature is null where no row of its source is at or before the event time
        and within the view's ttl. docs/training-sets.md has the rules.

        Units are in the metadata of the Arrow fields (`unit`), the snapshot in that of the schema; of a pandas frame
        both are in `attrs`. Warns of source rows that were left out.

        Raises HotrowError: NOT_FOUND for unknown names and missing files, INVALID for a frame, a selection or a file
        that is wrong, FAILED_PRECONDITION for a view without a source.
        """
        from hotrow.offline.entity_rows import EntityColumns  # noqa: PLC0415
        from hotrow.offline.frame import open_frame  # noqa: PLC0415
        from hotrow.offline.progress import SilentProgress  # noqa: PLC0415
        from hotrow.offline.selection import select_features  # noqa: PLC0415
        from hotrow.offline.training import join_table, keep_signature, plan_training  # noqa: PLC0415

        selection = select_features(self.snapshot(), features, full_names=full_names)
        frame = open_frame(entity_df)
        columns = EntityColumns("the entity frame", selection.join_keys(), timestamp_column, selection.request)
        columns.check_names(frame.names, [feature.column for feature in selection.features])
        table = frame.table(columns.names)
        columns.check_types(table.schema)
        rows = columns.read(table)
        plan = plan_training(selection, self.repo)
        keep_signature(selection, self._registry())
        reports = plan.reports()
        joined = join_table(plan, rows, reports, SilentProgress())
        for warning in plan.warnings(reports):
            warnings.warn(warning, stacklevel=2)
        result: Frame = frame.attach(joined)
        return result
