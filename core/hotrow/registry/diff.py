"""The difference between two snapshots, and whether rows that are stored can still be read afterwards."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hotrow.errors import Code, HotrowError
from hotrow.registry.detail import added_details, changed_details
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.definition import Definition
from hotrow.schema.field import Field
from hotrow.schema.service import FeatureRef
from hotrow.schema.transform import Transform
from hotrow.schema.view import FeatureView

Action = Literal["added", "changed", "removed"]

_NO_ROWS = "no row is stored that this does not fit"
_KINDS = ("entity", "feature view", "joined view", "request source", "transform", "push source", "feature service")


@dataclass(frozen=True, slots=True)
class Change:
    """One definition that differs; `details` are lines to read, such as "field fare: unit SEK -> USD".

    `compatible` is False when rows stored before the change would be read wrongly or not be found after it; `faults`
    are then the details that say so, and `view` is the one whose rows they are.
    """

    action: Action
    kind: str
    name: str
    details: tuple[str, ...] = ()
    compatible: bool = True
    faults: tuple[str, ...] = ()
    view: str = dataclasses.field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply would change, kind by kind, each in the order of their names."""

    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def compatible(self) -> bool:
        """Whether it may be applied."""
        return all(change.compatible for change in self.changes)

    def require_compatible(self) -> None:
        """Raise FAILED_PRECONDITION, naming every change at fault and the remedy, unless the plan is compatible."""
        wrong = [change for change in self.changes if not change.compatible]
        if wrong:
            shown = "; ".join(f"{change.kind} {change.name!r}: {', '.join(change.faults)}" for change in wrong)
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"rows that are stored do not fit this: {shown}; leave the view as it was, give the changed one a new "
                "name, or have its rows no longer read: "
                f"`hotrow apply {' '.join(f'--replace {name}' for name in self.unfit_views)}`",
            )

    @property
    def removed(self) -> tuple[str, ...]:
        """What goes, kind and name of each."""
        return tuple(f"{change.kind} {change.name!r}" for change in self.changes if change.action == "removed")

    @property
    def unfit_views(self) -> tuple[str, ...]:
        """The views that have, or may have, rows that do not fit, by name."""
        return tuple(sorted({change.view for change in self.changes if not change.compatible}))

    def excused(self, unfit: Callable[[str], str]) -> "Plan":
        """The plan without the faults of views for which `unfit` finds no row; for others it says why."""
        reasons = {view: unfit(view) for view in self.unfit_views}
        return replace(self, changes=tuple(_excused(change, reasons.get(change.view, "")) for change in self.changes))


def diff(old: Snapshot | None, new: Snapshot, past: Iterable[Snapshot] = ()) -> Plan:
    """What `new` changes of `old` (None: there was nothing). Projects and namespaces are not compared.

    `past` are earlier snapshots of the same namespace, from which a store may still hold rows: a field that is added
    and was there once with another type or unit is not compatible. They are asked for only if a field is added.
    """
    before, after = _definitions(old), _definitions(new)
    changes = [change for kind in _KINDS for change in _kind_changes(kind, before[kind], after[kind])]
    added = _added_fields(old, new)
    conflicts = _past_conflicts(new, added, past) if added else {}
    return Plan(
        changes=tuple(_with_conflicts(change, after, conflicts) for change in changes),
        warnings=(*(() if old is None else _stopped_pushes(old, new)), *_equal_names(old, new)),
    )


def _excused(change: Change, reason: str) -> Change:
    if change.compatible:
        return change
    if reason:
        return replace(change, faults=(*change.faults, reason))
    return replace(change, details=(*change.details, _NO_ROWS), compatible=True, faults=())


def _definitions(snapshot: Snapshot | None) -> dict[str, Mapping[str, Definition]]:
    if snapshot is None:
        return {kind: {} for kind in _KINDS}
    mappings = (
        snapshot.entities,
        snapshot.views,
        snapshot.joined_views,
        snapshot.request_sources,
        snapshot.transforms,
        snapshot.push_sources,
        snapshot.services,
    )
    return dict(zip(_KINDS, mappings, strict=True))


def _kind_changes(kind: str, before: Mapping[str, Definition], after: Mapping[str, Definition]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if new is None:
            yield Change("removed", kind, name)
        elif old is None:
            yield Change("added", kind, name, tuple(detail.text for detail in added_details(new)), view=_view_of(new))
        else:
            details = list(changed_details(old, new))
            if details:
                faults = tuple(detail.text for detail in details if not detail.compatible)
                texts = tuple(detail.text for detail in details)
                yield Change("changed", kind, name, texts, not faults, faults, _view_of(new))


def _view_of(definition: Definition) -> str:
    """Whose rows have the fields of a view, or the outputs of a transform at push; empty for what no row has."""
    if isinstance(definition, Transform):
        return definition.views[0].name if definition.at == "push" else ""
    return definition.name if type(definition) is FeatureView else ""


def _added_fields(old: Snapshot | None, new: Snapshot) -> dict[str, tuple[Field, ...]]:
    """By view, the fields that stored rows of `old` do not have; views without such fields left out."""
    added: dict[str, tuple[Field, ...]] = {}
    for name, view in new.stored_views.items():
        same_rows = old is not None and name in old.views and old.view_id(name) == new.view_id(name)
        known = old.stored_views.get(name) if old is not None and same_rows else None
        names = set() if known is None else {field.name for field in known.fields}
        fields = tuple(field for field in view.fields if field.name not in names)
        if fields:
            added[name] = fields
    return added


def _past_conflicts(
    new: Snapshot, added: Mapping[str, tuple[Field, ...]], past: Iterable[Snapshot]
) -> dict[str, dict[str, str]]:
    conflicts: dict[str, dict[str, str]] = {}
    for snapshot in past:
        for name, fields in added.items():
            view = snapshot.stored_views.get(name)
            if view is not None and snapshot.view_id(name) == new.view_id(name):
                conflicts.setdefault(name, {}).update(_field_conflicts(view, fields, snapshot.id))
    return conflicts


def _field_conflicts(view: FeatureView, fields: tuple[Field, ...], snapshot_id: str) -> dict[str, str]:
    known = {field.name: field for field in view.fields}
    lines = {}
    for field in fields:
        was = known.get(field.name, field)
        if (was.type, was.unit) != (field.type, field.unit):
            unit = f", unit {was.unit}" if was.unit else ""
            lines[field.name] = f"field {field.name}: was {was.type.name}{unit} in snapshot {snapshot_id[:12]}"
    return lines


def _with_conflicts(
    change: Change, after: Mapping[str, Mapping[str, Definition]], conflicts: Mapping[str, Mapping[str, str]]
) -> Change:
    definition = after[change.kind].get(change.name)
    if not change.view or not isinstance(definition, FeatureView | Transform):
        return change
    found = conflicts.get(change.view, {})
    lines = tuple(found[field.name] for field in definition.fields if field.name in found)
    if not lines:
        return change
    return replace(change, details=(*change.details, *lines), compatible=False, faults=(*change.faults, *lines))


def _equal_names(old: Snapshot | None, new: Snapshot) -> Iterator[str]:
    """Warnings about services that are new or changed and can be read with full names alone."""
    for name, service in new.services.items():
        if old is not None and old.services.get(name) == service:
            continue
        by_name: dict[str, FeatureRef] = {}
        for reference in service.features:
            other = by_name.setdefault(reference.name, reference)
            if other is not reference:
                yield (
                    f"{service.label}: '{other}' and '{reference}' are both called {reference.name!r}, so reads and "
                    f"training sets have to ask for full names (full_names=True); or rename one: "
                    f'{reference.view}[["{reference.feature}"]].renamed({{"{reference.feature}": "..."}})'
                )


def _stopped_pushes(old: Snapshot, new: Snapshot) -> Iterator[str]:
    """Warnings about pushes that were complete under `old` and are not under `new`."""
    for name, view in new.views.items():
        if name not in old.views:
            continue
        optional = {field.name for field in old.views[name].fields if field.has_default}
        known = {field.name for field in old.views[name].fields}
        for field in view.fields:
            if field.has_default or (field.name in known and field.name not in optional):
                continue
            sources = [repr(source.name) for source in new.push_sources.values() if source.view.name == name]
            through = f"push source{'s' if len(sources) > 1 else ''} {', '.join(sources)}" if sources else "the view"
            yield (
                f"{view.label}: field {field.name!r} has no default now, so pushes to {through} that leave it out will "
                "be refused; give it a default (None is one), or change the producers first"
            )
