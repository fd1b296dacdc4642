"""Feature services: the features that one model asks for, under one name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hotrow.errors import invalid
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_name, check_text, checked_tags
from hotrow.schema.definition import Definition
from hotrow.schema.view import FeatureView, Selection


@dataclass(frozen=True, slots=True)
class FeatureRef:
    """A feature by the name of its view and its own."""

    view: str
    feature: str

    def __str__(self) -> str:
        return f"{self.view}:{self.feature}"


@dataclass(frozen=True, eq=False, init=False)
class FeatureService(Definition):
    """`FeatureService("driver_activity", features=[view[["conv_rate", "avg_daily_trips"]], other_view])`.

    Takes views (all their features) and selections, in the order in which features are returned, and keeps
    `features`, a reference a feature, and `views`, the views they are of. Raises INVALID.
    """

    name: str
    features: tuple[FeatureRef, ...]
    views: tuple[FeatureView, ...] = field(repr=False)
    description: str
    tags: Mapping[str, str]
    owner: str

    def __init__(
        self,
        name: str,
        *,
        features: Sequence[FeatureView | Selection],
        description: str = "",
        tags: Mapping[str, str] | None = None,
        owner: str = "",
    ) -> None:
        check_name("feature service", name)
        label = f"feature service {name!r}"
        check_text(label, "description", description)
        check_text(label, "owner", owner)
        selections = _selections(label, features)
        for attribute, value in (
            ("name", name),
            ("features", _references(label, selections)),
            ("views", _views(label, selections)),
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
                "features": [[reference.view, reference.feature] for reference in self.features],
                "description": self.description,
                "tags": dict(self.tags),
                "owner": self.owner,
            }
        )


def service_from_document(name: str, document: Document, views: Mapping[str, FeatureView]) -> FeatureService:
    """The inverse of `FeatureService.document`; raises INVALID, KeyError or TypeError for anything else."""
    values = dict(document)
    features = [views[view_name][[feature]] for view_name, feature in values.pop("features")]
    return FeatureService(name, features=features, **values)


def _selections(label: str, features: object) -> list[Selection]:
    if not isinstance(features, list | tuple) or not features:
        raise invalid(f"{label}: features are {features!r}; give a list of views and selections, such as view[['a']]")
    selections = []
    for item in features:
        if isinstance(item, FeatureView):
            selections.append(Selection(item, tuple(field.name for field in item.fields)))
        elif isinstance(item, Selection):
            selections.append(item)
        else:
            raise invalid(f"{label}: {item!r} is no feature; give a FeatureView or a selection of one, view[['a']]")
    return selections


def _references(label: str, selections: list[Selection]) -> tuple[FeatureRef, ...]:
    references: dict[FeatureRef, None] = {}
    for selection in selections:
        for feature in selection.names:
            reference = FeatureRef(selection.view.name, feature)
            if reference in references:
                raise invalid(f"{label}: feature '{reference}' stands there twice; remove one")
            references[reference] = None
    return tuple(references)


def _views(label: str, selections: list[Selection]) -> tuple[FeatureView, ...]:
    views: dict[str, FeatureView] = {}
    for selection in selections:
        known = views.setdefault(selection.view.name, selection.view)
        if known != selection.view:
            raise invalid(f"{label}: two different views are named {known.name!r}; rename one")
    return tuple(views.values())
