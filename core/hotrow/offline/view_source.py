"""All rows of a view: its source, and the log of pushed rows behind it, checked before any work starts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hotrow.errors import Code, HotrowError
from hotrow.offline.open import check_source, open_source
from hotrow.offline.row_log.folder import CREATED_TIME, EVENT_TIME, view_folder
from hotrow.offline.row_log.part import LogPart, has_log, open_log
from hotrow.offline.source import Column, SourceColumns, SourcePart, SourceReader
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.source import KINDS
from hotrow.schema.view import FeatureView

_NOT_YET = (
    "definitions of sources that are not there yet, or not on this machine, are applied with --offline, in Python with "
    "offline=True"
)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where rows are: the repository, to which the paths of sources are relative, and the log of pushed rows."""

    repo: Path
    log: Path

    def log_of(self, snapshot: Snapshot, view: FeatureView) -> Path:
        """The folder of a view in the log."""
        return view_folder(self.log, view.name, snapshot.view_id(view.name))


@dataclass(frozen=True, slots=True)
class Source:
    """A view and its checked source, the log of pushed rows behind it."""

    view: FeatureView
    columns: SourceColumns
    reader: SourceReader

    @property
    def own_parts(self) -> tuple[SourcePart, ...]:
        """The parts whose newest row says how far the view was loaded: those of its source, and not of the log.

        Pushed rows are newer than those that a source gets some time later. A view without a source has the log alone.
        """
        if self.view.source is None:
            return self.reader.parts
        return tuple(part for part in self.reader.parts if not isinstance(part, LogPart))


def views_with_rows(snapshot: Snapshot, names: Sequence[str], folders: Folders) -> list[FeatureView]:
    """The views named, or all that have a source or are in the log of pushed rows.

    Raises NOT_FOUND, and FAILED_PRECONDITION for one that is named and has neither.
    """
    for name in names:
        snapshot.stored_view(name)
    chosen = [snapshot.views[name] for name in (dict.fromkeys(names) or snapshot.views)]
    found = [view for view in chosen if view.source is not None or has_log(folders.log_of(snapshot, view))]
    if names and len(found) < len(chosen):
        raise _no_rows(next(view for view in chosen if view not in found))
    return found


def open_source_of(view: FeatureView, repo: Path) -> Source:
    """Check the view's source, whose path is relative to `repo`, without the log; raises HotrowError as `open_source`
    does, FAILED_PRECONDITION for a view without one.
    """
    source = view.source
    if source is None:
        raise _no_rows(view)
    wanted = _wanted(view, source.event_time, source.created_time)
    return Source(view, wanted, open_source(source, repo, wanted))


def check_sources(views: Iterable[FeatureView], repo: Path) -> None:
    """Check the schemas of all sources of these views, without reading a row.

    Raises INVALID, or NOT_FOUND where that is all, with a line for each problem of each source.
    """
    problems: list[HotrowError] = []
    for view in views:
        if view.source is not None:
            try:
                check_source(view.source, repo, _wanted(view, view.source.event_time, view.source.created_time))
            except HotrowError as error:
                problems.append(error)
    if problems:
        code = Code.NOT_FOUND if all(one.code is Code.NOT_FOUND for one in problems) else Code.INVALID
        raise HotrowError(code, "\n".join([*(one.message for one in problems), _NOT_YET]))


def open_view(snapshot: Snapshot, view: FeatureView, folders: Folders, *, logged_only: bool = False) -> Source:
    """Check the view's source, and open what the log has of it; raises HotrowError as `open_source` does.

    With `logged_only` the source is left out. Raises FAILED_PRECONDITION for a view that has neither.
    """
    log = folders.log_of(snapshot, view)
    if view.source is not None and not logged_only:
        alone = open_source_of(view, folders.repo)
        parts = (*alone.reader.parts, *open_log(log, alone.columns))
        return replace(alone, reader=replace(alone.reader, parts=parts))
    wanted = _wanted(view, EVENT_TIME, CREATED_TIME)
    logged = open_log(log, wanted)
    if not logged:
        raise _no_rows(view)
    return Source(view, wanted, SourceReader(logged, bytes))


def _wanted(view: FeatureView, event_time: str, created_time: str) -> SourceColumns:
    keys = [Column(key.name, key.type, key=True) for key in view.join_keys]
    fields = [Column(f.name, f.type, f.unit, optional=f.has_default) for f in view.fields]
    return SourceColumns(view.name, (*keys, *fields), event_time, created_time)


def _no_rows(view: FeatureView) -> HotrowError:
    return HotrowError(
        Code.FAILED_PRECONDITION,
        f"{view.label} has no source, and no pushed row of it is in the log; give it {KINDS}, push to BOTH or OFFLINE, "
        "or leave it out",
    )
