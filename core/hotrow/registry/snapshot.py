"""Snapshots: all definitions of a project at one moment, immutable, named by the hash of their bytes."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.registry.name import check_namespace
from hotrow.schema.canonical import canonical_json, without_empty
from hotrow.schema.check import check_distinct, check_name
from hotrow.schema.definition import Definition
from hotrow.schema.definitions import Definitions, by_name
from hotrow.schema.entity import Entity, entity_from_document
from hotrow.schema.field import Field
from hotrow.schema.push_source import PushSource, push_source_from_document
from hotrow.schema.request_source import RequestSource, request_source_from_document
from hotrow.schema.service import FeatureRef, FeatureService, service_from_document
from hotrow.schema.transform import Source, Transform, in_order, transforms_from_documents
from hotrow.schema.view import FeatureView, JoinedView, joined_view_from_document, view_from_document

FORMAT = 1
VIEW_ID_BYTES = 8


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The definitions of a project in a namespace: empty for production, the name of the branch for a branch.

    The mappings are by name, sorted and read-only, and every reference between definitions stays inside. Author and
    time are no part of a snapshot, so equal definitions are one snapshot. Raises INVALID.
    """

    project: str
    namespace: str = ""
    entities: Mapping[str, Entity] = field(default_factory=dict)
    views: Mapping[str, FeatureView] = field(default_factory=dict)
    push_sources: Mapping[str, PushSource] = field(default_factory=dict)
    services: Mapping[str, FeatureService] = field(default_factory=dict)
    request_sources: Mapping[str, RequestSource] = field(default_factory=dict)
    transforms: Mapping[str, Transform] = field(default_factory=dict)
    joined_views: Mapping[str, JoinedView] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("project", self.project)
        check_namespace(self.namespace)
        object.__setattr__(self, "entities", by_name(self.entities.values(), Entity))
        object.__setattr__(self, "views", by_name(self.views.values(), FeatureView))
        object.__setattr__(self, "push_sources", by_name(self.push_sources.values(), PushSource))
        object.__setattr__(self, "services", by_name(self.services.values(), FeatureService))
        object.__setattr__(self, "request_sources", by_name(self.request_sources.values(), RequestSource))
        object.__setattr__(self, "transforms", by_name(self.transforms.values(), Transform))
        object.__setattr__(self, "joined_views", by_name(self.joined_views.values(), JoinedView))
        self._check_references()

    @cached_property
    def id(self) -> str:
        """SHA-256 of `to_json()`, 64 hexadecimal digits."""
        return hashlib.sha256(self._json).hexdigest()

    def to_json(self) -> bytes:
        """The snapshot as canonical JSON."""
        return self._json

    @cached_property
    def read_views(self) -> Mapping[str, FeatureView]:
        """The views that can be read: those that have rows, and joined ones."""
        return {**self.views, **self.joined_views}

    def view(self, name: str) -> FeatureView:
        """The view, or the joined view, of that name; raises NOT_FOUND with the nearest names."""
        found = self.read_views.get(name)
        if found is None:
            raise not_found("feature view", name, self.read_views)
        return found

    def stored_view(self, name: str, *, field: str = "") -> FeatureView:
        """The view of that name, whose rows can be written; raises NOT_FOUND, INVALID for a joined one."""
        if name in self.joined_views:
            joined = self.joined_views[name]
            raise invalid(f"{joined.label} has no rows of its own: name {joined.of.label}", field=field)
        found = self.views.get(name)
        if found is None:
            raise not_found("feature view", name, self.views, field=field)
        return found

    def feature(self, reference: FeatureRef) -> Field:
        """The field of a feature of a view, or the output of a transform; raises NOT_FOUND with the nearest names."""
        return self.source(reference.view).field(reference.feature)

    def source(self, name: str) -> FeatureView | Transform:
        """The view or the transform of that name; raises NOT_FOUND with the nearest names."""
        found = self.read_views.get(name) or self.transforms.get(name)
        if found is None:
            raise not_found("feature view", name, [*self.read_views, *self.transforms])
        return found

    @cached_property
    def stored_views(self) -> Mapping[str, FeatureView]:
        """The views as their rows are stored: with the outputs of the transforms that run when rows are pushed."""
        return {view.name: self._stored(view) for view in self.views.values()}

    @cached_property
    def stored_read_views(self) -> Mapping[str, FeatureView]:
        """Those and, with the rows of the same form, the joined views."""
        return {**self.stored_views, **{view.name: self._stored(view) for view in self.joined_views.values()}}

    def push_transforms(self, view_name: str) -> tuple[Transform, ...]:
        """The transforms that run when rows are pushed to a view, in an order in which each finds its inputs made."""
        return in_order(t for t in self.transforms.values() if t.at == "push" and t.views[0].name == view_name)

    def view_id(self, view_name: str) -> bytes:
        """The 8 bytes under which a store keeps the rows that the view, or joined view, reads; raises NOT_FOUND."""
        return hashlib.sha256(self.view_identity(view_name)).digest()[:VIEW_ID_BYTES]

    def view_identity(self, view_name: str) -> bytes:
        """What `view_id` hashes: canonical JSON [project, namespace, view, [[join key, encoding class], ...]], with the
        generation behind it where that is not 0.
        """
        view = self.view(view_name).stored_as
        keys = [[key.name, key.encoding_class] for key in view.join_keys]
        generation = [view.generation] if view.generation else []
        return canonical_json([self.project, self.namespace, view.name, keys, *generation])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.id)

    def _stored(self, view: FeatureView) -> FeatureView:
        made = [output for transform in self.push_transforms(view.stored_as.name) for output in transform.fields]
        return replace(view, schema=(*view.fields, *made)) if made else view

    def _check_references(self) -> None:
        _check_apart(self.joined_views, self.views)
        _check_apart(self.transforms, self.read_views)
        for transform in self.transforms.values():
            if "unfitted" in transform.encoder:
                raise HotrowError(Code.FAILED_PRECONDITION, transform.encoder["unfitted"])
            for source in transform.sources:
                _check_known(transform, (source,), self._mapping_of(source))
        for name, view in self.stored_read_views.items():
            check_distinct(f"feature view {name!r} with its transforms", "field", (field.name for field in view.fields))
        for push_source in self.push_sources.values():
            _check_known(push_source, (push_source.view,), self.views)
        for service in self.services.values():
            _check_known(service, service.views, self.read_views)
            _check_known(service, service.transforms, self.transforms)
        self._check_views()

    def _check_views(self) -> None:
        referred = [push_source.view for push_source in self.push_sources.values()]
        referred += [view for service in self.services.values() for view in service.views]
        referred += [one for made in self.transforms.values() for one in made.sources if isinstance(one, FeatureView)]
        for view in (*self.read_views.values(), *referred):
            if view.stored_as is not view:
                _check_known(view, (view.stored_as,), self.views)
            _check_known(view, view.entities, self.entities)

    def _mapping_of(self, source: Source) -> Mapping[str, Definition]:
        if isinstance(source, FeatureView):
            return self.read_views
        return self.transforms if isinstance(source, Transform) else self.request_sources

    @cached_property
    def _json(self) -> bytes:
        return canonical_json(
            {
                "format": FORMAT,
                "project": self.project,
                "namespace": self.namespace,
                "entities": _documents(self.entities),
                "views": _documents(self.views),
                "push_sources": _documents(self.push_sources),
                "services": _documents(self.services),
                **without_empty(
                    {
                        "request_sources": _documents(self.request_sources),
                        "transforms": _documents(self.transforms),
                        "joined_views": _documents(self.joined_views),
                    }
                ),
            }
        )


def snapshot_from_definitions(project: str, definitions: Definitions, namespace: str = "") -> Snapshot:
    """The snapshot of a repository's definitions; raises INVALID for a project or namespace that is no name."""
    return Snapshot(project, namespace, **{each.name: getattr(definitions, each.name) for each in fields(definitions)})


def with_definitions(snapshot: Snapshot, definitions: Definitions) -> Snapshot:
    """The snapshot with these definitions added, or in the place of those of the same kinds and names.

    What refers to a definition that is replaced refers to the new one. Raises INVALID where that does not fit.
    """
    document = json.loads(snapshot.to_json())
    for each in fields(definitions):
        document.setdefault(each.name, {}).update(_documents(getattr(definitions, each.name)))
    return _snapshot_from_document(document)


def with_generations(snapshot: Snapshot, generations: Mapping[str, int]) -> Snapshot:
    """The snapshot with views, by name, in other generations, and so without the rows that they had."""
    if all(snapshot.views[name].generation == number for name, number in generations.items()):
        return snapshot
    document = json.loads(snapshot.to_json())
    for name, number in generations.items():
        document["views"][name]["generation"] = number
    return _snapshot_from_document(document)


def in_namespace(snapshot: Snapshot, namespace: str) -> Snapshot:
    """The same definitions in another namespace, and so with rows of their own."""
    return replace(snapshot, namespace=namespace)


def snapshot_from_json(data: bytes) -> Snapshot:
    """The inverse of `Snapshot.to_json`; raises INVALID for anything that it does not write."""
    try:
        document = json.loads(data)
        if document["format"] != FORMAT:
            raise invalid(f"the snapshot has format {document['format']!r}; this version of hotrow reads {FORMAT}")
        snapshot = _snapshot_from_document(document)
    except HotrowError as error:
        raise invalid(f"not a snapshot that this version of hotrow can read: {error.message}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise invalid(f"not a snapshot: {type(error).__name__}: {error}") from error
    if snapshot.to_json() != data:
        raise invalid("not a snapshot that this version of hotrow can read: it would be written back differently")
    return snapshot


def check_view_ids(snapshots: Iterable[Snapshot]) -> None:
    """Raise INVALID when two different views of these snapshots have one view id."""
    check_distinct_ids(
        (snapshot.view_id(name), snapshot.view_identity(name)) for snapshot in snapshots for name in snapshot.views
    )


def check_distinct_ids(identities: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise INVALID when an id stands there with two different identities."""
    known: dict[bytes, bytes] = {}
    for view_id, identity in identities:
        other = known.setdefault(view_id, identity)
        if other != identity:
            raise invalid(
                f"the views {other.decode()} and {identity.decode()} have the same id {view_id.hex()}, and would "
                "share rows; rename one of the two views"
            )


def _snapshot_from_document(document: dict[str, Any]) -> Snapshot:
    entities = {name: entity_from_document(name, item) for name, item in document["entities"].items()}
    views = {name: view_from_document(name, item, entities) for name, item in document["views"].items()}
    request_sources = {
        name: request_source_from_document(name, item) for name, item in document.get("request_sources", {}).items()
    }
    joined_views = {
        name: joined_view_from_document(name, item, views) for name, item in document.get("joined_views", {}).items()
    }
    read_views = {**views, **joined_views}
    transforms = transforms_from_documents(document.get("transforms", {}), read_views, request_sources)
    sources: dict[str, FeatureView | Transform] = {**read_views, **transforms}
    return Snapshot(
        document["project"],
        document["namespace"],
        entities=entities,
        views=views,
        push_sources={
            name: push_source_from_document(name, item, views) for name, item in document["push_sources"].items()
        },
        services={name: service_from_document(name, item, sources) for name, item in document["services"].items()},
        request_sources=request_sources,
        transforms=transforms,
        joined_views=joined_views,
    )


def _documents(definitions: Mapping[str, Definition]) -> dict[str, Any]:
    return {name: definition.document() for name, definition in definitions.items()}


def _check_apart(definitions: Mapping[str, Definition], others: Mapping[str, Definition]) -> None:
    for name, definition in definitions.items():
        if name in others:
            raise invalid(f"{definition.label} and {others[name].label} have one name; rename one")


def _check_known(definition: Definition, references: Iterable[Definition], known: Mapping[str, Definition]) -> None:
    for reference in references:
        if known.get(reference.name) != reference:
            raise invalid(
                f"{definition.label} refers to {reference.label}, which the snapshot does not hold in that form; "
                "add it to the definitions"
            )
