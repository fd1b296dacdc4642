"""Feature services: the features that one model asks for, under one name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hotrow.errors import invalid
from hotrow.feast import explains_keywords
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_name, check_text, checked_tags
from hotrow.schema.definition import Definition, FeatureSource
from hotrow.schema.transform import Transform, transform_of
from hotrow.schema.view import FeatureView, Selection


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A feature by the name of its view and its own; a service may call its column otherwise, by `alias`."""

    view: str
    feature: str
    alias: str = ""

    def __str__(self) -> str:
        return f"{self.view}:{self.feature}"

    @property
    def name(self) -> str:
        """What its column is called."""
        return self.alias or self.feature

    @property
    def shown(self) -> str:
        """The reference with its alias, for people."""
        return f"{self} as {self.alias}" if self.alias else str(self)


@explains_keywords
@dataclass(frozen=True, eq=False, init=False)
class FeatureService(Definition):
    """`FeatureService("driver_activity", features=[view[["conv_rate", "avg_daily_trips"]], other_view])`.

    Takes views, functions with `@transform` (all their features) and selections, which may be renamed
    (`view[["n"]].renamed({"n": "n_2"})`), in the order in which features are returned. Keeps `features`, a reference a
    feature, and `views` and `transforms`, what they are of. Raises INVALID.
    """

    name: str
    features: tuple[FeatureRef, ...]
    views: tuple[FeatureView, ...] = field(repr=False)
    transforms: tuple[Transform, ...] = field(repr=False)
    description: str
    tags: Mapping[str, str]
    owner: str

    def __init__(
        self,
        name: str,
        *,
        features: Sequence[object],
        description: str = "",
        tags: Mapping[str, str] | None = None,
        owner: str = "",
    ) -> None:
        check_name("feature service", name)
        label = f"feature service {name!r}"
        check_text(label, "description", description)
        check_text(label, "owner", owner)
        selections = _selections(label, features)
        sources = _sources(label, selections)
        for attribute, value in (
            ("name", name),
            ("features", _references(label, selections)),
            ("views", tuple(one for one in sources if isinstance(one, FeatureView))),
            ("transforms", tuple(one for one in sources if isinstance(one, Transform))),
            ("description", description),
            ("tags", checked_tags(label, {} if tags is None else tags)),
            ("owner", owner),
        ):
            object.__setattr__(self, attribute, value)

    @property
    def label(self) -> str:
        return f"feature service {self.name!r}"

    def document(self) -> Document:
        return without_empty(
            {
                "features": [[one.view, one.feature, *([one.alias] if one.alias else [])] for one in self.features],
                "description": self.description,
                "tags": dict(self.tags),
                "owner": self.owner,
            }
        )


def service_from_document(
    name: str, document: Document, sources: Mapping[str, FeatureView | Transform]
) -> FeatureService:
    """The inverse of `FeatureService.document`; raises INVALID, KeyError or TypeError for anything else."""
    values = dict(document)
    features = [
        sources[source_name][[feature]].renamed(dict.fromkeys([feature], alias[0]) if alias else {})
        for source_name, feature, *alias in values.pop("features")
    ]
    return FeatureService(name, features=features, **values)


def _selections(label: str, features: object) -> list[Selection]:
    if not isinstance(features, list | tuple) or not features:
        raise invalid(f"{label}: features are {features!r}; give a list of views and selections, such as view[['a']]")
    selections = []
    for item in features:
        if isinstance(item, Selection):
            selections.append(item)
            continue
        source = item if isinstance(item, FeatureView) else transform_of(item)
        if source is None:
            raise invalid(
                f"{label}: {item!r} is no feature; give a FeatureView, a function with @transform, or a selection, "
                "view[['a']]"
            )
        selections.append(Selection(source, tuple(field.name for field in source.fields)))
    return selections


def _references(label: str, selections: list[Selection]) -> tuple[FeatureRef, ...]:
    references: dict[str, FeatureRef] = {}
    columns: set[tuple[str, str]] = set()
    for selection in selections:
        for feature in selection.names:
            reference = FeatureRef(selection.view.name, feature, selection.aliases.get(feature, ""))
            if str(reference) in references:
                raise invalid(f"{label}: feature '{reference}' stands there twice; remove one")
            if (reference.view, reference.name) in columns:
                raise invalid(f"{label}: two features of {reference.view!r} are called {reference.name!r}; rename one")
            references[str(reference)] = reference
            columns.add((reference.view, reference.name))
    return tuple(references.values())


def _sources(label: str, selections: list[Selection]) -> list[FeatureSource]:
    sources: dict[str, FeatureSource] = {}
    for selection in selections:
        known = sources.setdefault(selection.view.name, selection.view)
        if known != selection.view:
            raise invalid(f"{label}: {known.label} and another {selection.view.label} have one name; rename one")
    return list(sources.values())
