"""`FeatureStore`: the entry for notebooks and pipelines."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from hotrow.feast import METHODS, called, explains_keywords

if TYPE_CHECKING:
    from hotrow_client import PushOptions, PushReply, ReadOptions, Reply

    from hotrow.offline.materialize import Report
    from hotrow.registry.snapshot import Snapshot
    from hotrow.repo.draft import ApplyOptions
    from hotrow.repo.historical import HistoricalOptions
    from hotrow.repo.load import Load
    from hotrow.repo.online import Online
    from hotrow.repo.workspace import Workspace
    from hotrow.schema.definition import Definition
    from hotrow.schema.entity import Entity
    from hotrow.schema.push_source import PushSource
    from hotrow.schema.request_source import RequestSource
    from hotrow.schema.service import FeatureService
    from hotrow.schema.transform import Transform
    from hotrow.schema.view import FeatureView

Frame = TypeVar("Frame")
Time = datetime | str | int
"""A datetime or an ISO 8601 text (without a zone: UTC), "now", or microseconds since 1970, of NumPy or pandas too."""


@explains_keywords
class FeatureStore:
    """A feature repository: the folder with `hotrow.toml`, or that file.

    Definitions are those that were applied to the registry which `hotrow.toml` names; its Python files are run by
    `apply` alone. `snapshot` is a snapshot id (or 8 characters of one and more), `head@N`, a branch or a pin; empty is
    the head, whatever it is at the time of a call. A store may be pickled, and so be handed from task to task of a
    pipeline. Needs `hotrow[server]`. Raises HotrowError NOT_FOUND where there is no `hotrow.toml`, INVALID for settings
    that are wrong; its methods raise FAILED_PRECONDITION before the first apply.
    """

    def __init__(self, repo: str | Path = ".", *, snapshot: str = "") -> None:
        from hotrow.repo.workspace import Workspace  # noqa: PLC0415 - `import hotrow` stays light, here and below

        path = Path(repo).absolute()
        self.repo = path.parent if path.is_file() else path
        self._ref = snapshot
        self._workspace: Workspace = Workspace(self.repo)
        self._workspace.settings  # noqa: B018 - what is wrong with them is said now
        self._online: Online | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.repo, self._ref)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"'FeatureStore' object has no attribute {name!r}{called(name, METHODS)}")

    def __repr__(self) -> str:
        at = f", snapshot={self._ref!r}" if self._ref else ""
        return f"FeatureStore({str(self.repo)!r}{at})"

    @property
    def project(self) -> str:
        """The project's name."""
        return self._workspace.project

    @property
    def branch(self) -> str:
        """The branch that this store is on; empty for the head."""
        return self.snapshot().namespace

    def snapshot(self) -> Snapshot:
        """The definitions as they are applied now; raises NOT_FOUND, FAILED_PRECONDITION before the first apply."""
        return self._workspace.snapshot(self._ref)

    def list_entities(self) -> list[Entity]:
        """The entities, by name, as the other lists are."""
        return list(self.snapshot().entities.values())

    def list_feature_views(self) -> list[FeatureView]:
        """The feature views."""
        return list(self.snapshot().views.values())

    def list_feature_services(self) -> list[FeatureService]:
        """The feature services."""
        return list(self.snapshot().services.values())

    def list_transforms(self) -> list[Transform]:
        """The transforms, fitted encoders among them."""
        return list(self.snapshot().transforms.values())

    def list_request_sources(self) -> list[RequestSource]:
        """What transforms take of a caller."""
        return list(self.snapshot().request_sources.values())

    def list_push_sources(self) -> list[PushSource]:
        """The push sources."""
        return list(self.snapshot().push_sources.values())

    def apply(
        self,
        definitions: Iterable[Definition | Callable[..., Any]] | None = None,
        **options: Unpack[ApplyOptions],
    ) -> FeatureStore:
        """Make a new snapshot the head, or the branch's where this store is on one, and return a store that is on it.

        `definitions`, functions with `@transform` among them, are added to this store's snapshot, or take the place of
        those of the same kind and name; with None the snapshot is that of the repository's Python files, as
        `hotrow apply` makes it, and raises where these lack what is applied, unless `allow_removals`. The other options
        are `author`, `replace=["view"]` and `offline`: see docs/definitions.md.

        Raises INVALID for definitions that are wrong, or that new and changed sources do not have the columns for,
        NOT_FOUND for sources that are missing, FAILED_PRECONDITION for a change that stored rows do not fit, CONFLICT
        where the head, or the branch, is no longer the snapshot of this store.
        """
        from hotrow.repo.draft import draft_of_files, draft_of_objects  # noqa: PLC0415

        workspace = self._workspace
        empty = not self._ref and workspace.registry.head(workspace.project) is None
        on = None if empty else self.snapshot()
        if definitions is not None:
            draft = draft_of_objects(workspace, definitions, on, options)
        else:
            draft = draft_of_files(workspace, "" if on is None else on.namespace, options)
        removals = options.get("allow_removals", False)
        applied = draft.apply(workspace, options.get("author", ""), allow_removals=removals)
        return FeatureStore(self.repo, snapshot=applied)

    def on_branch(self, name: str, *, author: str = "") -> FeatureStore:
        """Make a branch of this store's definitions, with rows of its own, and return a store that is on it.

        What is applied and materialized there is seen by no one else, and another's `publish` does not disturb it.
        Raises CONFLICT where there is a branch of that name with other definitions.
        """
        from hotrow.repo.draft import new_branch  # noqa: PLC0415

        return FeatureStore(self.repo, snapshot=new_branch(self._workspace, self.snapshot(), name, author))

    def publish(self, *, author: str = "") -> FeatureStore:
        """Make the definitions of this store's branch the head, and return a store that is on that.

        The rows of the branch stay its own: materialize again. Raises FAILED_PRECONDITION for a store that is on no
        branch, CONFLICT where the head moved since the branch was made, saying to what and by whom.
        """
        from hotrow.repo.draft import publish_branch  # noqa: PLC0415

        return FeatureStore(self.repo, snapshot=publish_branch(self._workspace, self.snapshot(), author))

    def rollback(self, snapshot: str = "head@1", *, author: str = "") -> FeatureStore:
        """Make an earlier snapshot the head again, and return a store that is on it.

        `snapshot` is an id, a pin, or `head@N`, the head N moves ago: by default the one before. Raises
        FAILED_PRECONDITION for a store that is on a branch and where stored rows do not fit, NOT_FOUND for a snapshot
        that never was the head, CONFLICT where the head is no longer the snapshot of this store.
        """
        from hotrow.repo.draft import roll_back  # noqa: PLC0415

        return FeatureStore(self.repo, snapshot=roll_back(self._workspace, self.snapshot(), snapshot, author))

    def remove_branch(self, *, author: str = "") -> None:
        """Take this store's branch away; its snapshots stay in the registry, and its rows until `hotrow store gc`.

        Raises FAILED_PRECONDITION for a store that is on no branch, NOT_FOUND where it is gone already.
        """
        from hotrow.repo.draft import remove_branch  # noqa: PLC0415

        remove_branch(self._workspace, self.snapshot(), author)

    def get_historical_features(
        self,
        entity_df: Frame,
        features: Sequence[str] | FeatureService | str,
        *,
        timestamp_column: str = "event_timestamp",
        full_names: bool = False,
        **options: Unpack[HistoricalOptions],
    ) -> Frame:
        """The entity frame with the features as they were at the event time of each of its rows.

        `entity_df` is a pandas or Polars DataFrame or a pyarrow Table with the join keys, a column of event times and
        the columns that transforms take of a caller (request data); the result is of the same kind, with the same rows
        in the same order, and the features on the right. `features` are references ("view:feature"), a FeatureService,
        or its name; a column is named by its feature, or `view__feature` with `full_names`. A feature is null where no
        row of its source is at or before the event time and within the view's ttl. docs/training-sets.md has the rules.
        The name of a view in place of a frame stands for all of its rows, from `start` to before `end`; the result is
        then a pyarrow Table. `as_known_at` leaves out what was created later, `row_times` adds the times of the rows
        that answer: see `hotrow.repo.historical.HistoricalOptions`.

        Units are in the metadata of the Arrow fields (`unit`), the snapshot in that of the schema; of a pandas frame
        both are in `attrs`. Warns of source rows that were left out.

        Raises HotrowError: NOT_FOUND for unknown names and missing files, INVALID for a frame, a selection or a file
        that is wrong, FAILED_PRECONDITION for a view that has no source and no logged rows.
        """
        from hotrow.offline.selection import select_features  # noqa: PLC0415
        from hotrow.repo.historical import join_frame, training_request  # noqa: PLC0415
        from hotrow.repo.time import time_us  # noqa: PLC0415

        selection = select_features(self.snapshot(), features, full_names=full_names)
        request = training_request(selection, timestamp_column, options, time_us)
        joined: Frame = join_frame(self._workspace, entity_df, request, _warn)
        return joined

    def get_online_features(
        self,
        features: Sequence[str] | FeatureService | str,
        entity_rows: Any = None,
        **options: Unpack[ReadOptions],
    ) -> Reply:
        """Features of entities as the server answers them now; the reply is that of `hotrow_client.Client.read`.

        `features` are as for `get_historical_features`; `entity_rows` is {join key: values}, a list of
        {join key: value}, or a frame. A server has to run: `hotrow serve`, or `serving`. Of a store on a snapshot the
        call waits until the server serves it. A model service takes `hotrow_client`, which needs none of this.
        """
        return self._to_server().read(features, entity_rows, options)

    def push(
        self, push_source: str = "", rows: Any = (), *, view: str = "", **options: Unpack[PushOptions]
    ) -> PushReply:
        """Write rows by a push source, or to a view, through the server; see `hotrow_client.Client.push`."""
        return self._to_server().push(push_source, rows, view, options)

    @contextlib.contextmanager
    def serving(self, *, workers: int | None = None) -> Iterator[Self]:
        """A server on the store for the time of the block: the one that runs, or one that is started, at the addresses
        in `hotrow.toml`. Of a server that is started the end of the block drains it.
        """
        from hotrow.repo.online import serving  # noqa: PLC0415

        with serving(self._workspace, self.snapshot(), workers):
            yield self

    def materialize(
        self, start: Time, end: Time, *, views: Sequence[str] = (), dry_run: bool = False, remote: bool = False
    ) -> list[Report]:
        """Load rows with start <= event time < end from the views' sources into the online store.

        Of `views`, or of all that have a source or logged rows. Of each key the latest row is written, where the store
        has no later one. Works with a running server and without one; progress goes to stderr. With `dry_run` rows are
        compared and nothing is written. `remote` says that a worker on this machine that writes another store is meant,
        which is an error otherwise. Raises HotrowError; what was written then stays, and the same call goes on from
        there.
        """
        from hotrow.repo.load import Load, between  # noqa: PLC0415
        from hotrow.repo.time import time_us  # noqa: PLC0415

        interval_of = between(time_us("start", start), time_us("end", end))
        return self._load(Load(interval_of, _names(views), dry_run=dry_run, remote=remote))

    def materialize_incremental(
        self, end: Time = "now", *, views: Sequence[str] = (), dry_run: bool = False
    ) -> list[Report]:
        """As `materialize`, from the newest row of each view that was loaded before, else from the beginning."""
        from hotrow.repo.load import Load, until  # noqa: PLC0415
        from hotrow.repo.time import time_us  # noqa: PLC0415

        return self._load(Load(until(time_us("end", end)), _names(views), since_stored=True, dry_run=dry_run))

    def _load(self, load: Load) -> list[Report]:
        from hotrow.log import configure_library_log  # noqa: PLC0415
        from hotrow.offline.progress import open_progress  # noqa: PLC0415
        from hotrow.repo.load import run_load  # noqa: PLC0415

        configure_library_log()
        return run_load(self._workspace, self.snapshot(), load, open_progress(), _warn)

    def _to_server(self) -> Online:
        from hotrow.repo.online import Online  # noqa: PLC0415

        if self._online is None:
            self._online = Online(self._workspace)
        self._online.wait_for(self.snapshot(), pinned=bool(self._ref))
        return self._online


def _restored(repo: Path, ref: str) -> FeatureStore:
    return FeatureStore(repo, snapshot=ref)


def _names(views: Sequence[str]) -> tuple[str, ...]:
    return (views,) if isinstance(views, str) else tuple(views)


def _warn(message: str) -> None:
    """Warn at the line that called a method of this file, however deep below that the warning arises."""
    frame, level = sys._getframe(1), 2  # noqa: SLF001 - warnings counts frames, and nothing else tells how many
    for here in (False, True):
        while frame.f_back is not None and (frame.f_code.co_filename == __file__) is here:
            frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
