"""The features of a training set: which are asked for, and what their columns are called."""

from collections.abc import Sequence
from dataclasses import dataclass

from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.registry.needed import Needed, needed_columns
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.entity import JoinKey
from hotrow.schema.field import Field
from hotrow.schema.selected import all_join_keys, column_names, reference_from_text
from hotrow.schema.service import FeatureRef, FeatureService
from hotrow.schema.view import FeatureView

Wanted = Sequence[str] | FeatureService | str
"""References ("view:feature"), a feature service, or the name of one."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a view or a transform, and the name of its column."""

    reference: FeatureRef
    field: Field
    column: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Features of one snapshot, in the order asked for, and the columns that they need, numbered."""

    snapshot: Snapshot
    features: tuple[Feature, ...]
    needed: Needed

    @property
    def views(self) -> tuple[FeatureView, ...]:
        """The views that have something of it, in the order of their first features."""
        return tuple(self.snapshot.view(name) for name in self.needed.of_views)

    @property
    def request(self) -> tuple[Field, ...]:
        """What transforms take of the caller: columns of the entity rows."""
        return tuple(sent for _, sent in self.needed.of_request)

    def join_keys(self) -> tuple[JoinKey, ...]:
        """The join keys of all views, in the order of their names; raises INVALID where two views disagree on one."""
        return all_join_keys(self.views, remedy="make two training sets")


def select_features(snapshot: Snapshot, wanted: Wanted, *, full_names: bool = False) -> Selection:
    """The features asked for, named as a reply names them: by feature, or `view__feature` with `full_names`.

    Raises NOT_FOUND for unknown names, INVALID for an empty list, a name twice, or two columns of one name, and
    FAILED_PRECONDITION for a service that is not the snapshot's.
    """
    references = _references(snapshot, wanted)
    names = column_names(references, full_names=full_names, remedy="ask for full names")
    features = []
    for reference, name in zip(references, names, strict=True):
        features.append(Feature(reference, snapshot.feature(reference), name))
    selection = Selection(snapshot, tuple(features), needed_columns(snapshot, references, stored=False))
    selection.join_keys()
    return selection


def _references(snapshot: Snapshot, wanted: Wanted) -> tuple[FeatureRef, ...]:
    if isinstance(wanted, FeatureService):
        known = _service(snapshot, wanted.name)
        if known.features != wanted.features:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{wanted.label} has other features than in the snapshot {snapshot.id[:12]}; apply the definitions, "
                "or give the name of the service",
            )
        return known.features
    if isinstance(wanted, str):
        if ":" in wanted:
            raise invalid(f"features are {wanted!r}; give a list of them: [{wanted!r}]")
        return _service(snapshot, wanted).features
    is_list = isinstance(wanted, list | tuple)
    others = [one for one in wanted if not isinstance(one, str)] if is_list else [wanted]
    if others:
        what = f"{'a list with' if is_list else 'of'} the type {type(others[0]).__name__}"
        raise invalid(
            f'features are {what}; give a list of references such as ["view:feature"], a FeatureService, or the name '
            "of one"
        )
    if not wanted:
        raise invalid('the list of features is empty; name at least one, such as ["view:feature"]')
    for name in wanted:
        if wanted.count(name) > 1:
            raise invalid(f"feature {name!r} is asked {wanted.count(name)} times; ask it once")
    return tuple(reference_from_text(name) for name in wanted)


def _service(snapshot: Snapshot, name: str) -> FeatureService:
    found = snapshot.services.get(name)
    if found is None:
        source = snapshot.read_views.get(name) or snapshot.transforms.get(name)
        if source is not None:
            raise invalid(f"{source.label} is no feature service; give a list: ['{name}:{source.fields[0].name}', ...]")
        raise not_found("feature service", name, snapshot.services)
    return found
