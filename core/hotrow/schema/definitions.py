"""The definitions of one feature repository, complete and without contradiction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from hotrow.errors import invalid
from hotrow.schema.definition import Definition
from hotrow.schema.entity import Entity
from hotrow.schema.push_source import PushSource
from hotrow.schema.request_source import RequestSource
from hotrow.schema.service import FeatureService
from hotrow.schema.transform import Transform, transform_of
from hotrow.schema.view import FeatureView, JoinedView

KINDS = (Entity, FeatureView, JoinedView, RequestSource, Transform, PushSource, FeatureService)
"""What a repository is made of."""

D = TypeVar("D", bound=Definition)


@dataclass(frozen=True)
class Definitions:
    """Definitions by name, each kind sorted by name; whatever one refers to is there too."""

    entities: Mapping[str, Entity] = field(default_factory=dict)
    views: Mapping[str, FeatureView] = field(default_factory=dict)
    push_sources: Mapping[str, PushSource] = field(default_factory=dict)
    services: Mapping[str, FeatureService] = field(default_factory=dict)
    request_sources: Mapping[str, RequestSource] = field(default_factory=dict)
    transforms: Mapping[str, Transform] = field(default_factory=dict)
    joined_views: Mapping[str, JoinedView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A definition and the place it was found at, such as "views.py:12"."""

    definition: Definition
    place: str


def definition_of(value: object) -> Definition | None:
    """The definition that a value is, or that a function with `@transform` carries; None for anything else."""
    return value if isinstance(value, KINDS) else transform_of(value)


def collect_definitions(found: Iterable[Found]) -> Definitions:
    """Bring together what was found and what that refers to.

    Raises INVALID when two different definitions of one kind have one name, naming both places. The same definition
    found twice counts once.
    """
    items = list(found)
    items += [Found(reference, item.place) for item in items for reference in _references(item.definition)]
    known: dict[tuple[type[Definition], str], Found] = {}
    for item in items:
        definition = item.definition
        other = known.setdefault((type(definition), definition.name), item)
        if other.definition != definition:
            raise invalid(
                f"{definition.label} is defined in {other.place} and differently in {item.place}; "
                "rename one, or import it from the other file"
            )
    definitions = [item.definition for item in known.values()]
    return Definitions(
        entities=by_name(definitions, Entity),
        views=by_name(definitions, FeatureView),
        push_sources=by_name(definitions, PushSource),
        services=by_name(definitions, FeatureService),
        request_sources=by_name(definitions, RequestSource),
        transforms=by_name(definitions, Transform),
        joined_views=by_name(definitions, JoinedView),
    )


def by_name(definitions: Iterable[Definition], kind: type[D]) -> Mapping[str, D]:
    """The definitions of one kind, sorted by name, read-only."""
    joined = kind is JoinedView  # they are views too, and a kind of their own
    chosen = [one for one in definitions if isinstance(one, kind) and isinstance(one, JoinedView) == joined]
    return MappingProxyType({d.name: d for d in sorted(chosen, key=lambda definition: definition.name)})


def _references(definition: Definition) -> list[Definition]:
    """What a definition refers to, directly or not."""
    direct: list[Definition] = []
    if isinstance(definition, JoinedView):
        direct.append(definition.of)
    elif isinstance(definition, FeatureView):
        direct += definition.entities
    elif isinstance(definition, FeatureService):
        direct += [*definition.views, *definition.transforms]
    elif isinstance(definition, PushSource):
        direct.append(definition.view)
    elif isinstance(definition, Transform):
        direct += definition.sources
    return [*direct, *(further for reference in direct for further in _references(reference))]
