"""What features come to that are asked for together: references, names of columns, and join keys.

Reads and training sets take them from here, so that a model is trained on the columns that it is served.
"""

from collections.abc import Iterable, Sequence

from hotrow.errors import invalid
from hotrow.schema.entity import JoinKey
from hotrow.schema.service import FeatureRef
from hotrow.schema.view import FeatureView


def reference_from_text(text: str, *, field: str = "") -> FeatureRef:
    """The reference of "view:feature"; raises INVALID, for `field`, for text of another form."""
    view, colon, feature = text.partition(":")
    if not colon or not view or not feature:
        raise invalid(f'feature {text!r} is not of the form "view:feature"', field=field)
    return FeatureRef(view, feature)


def column_names(
    references: Sequence[FeatureRef], *, full_names: bool, remedy: str, field: str = ""
) -> tuple[str, ...]:
    """A name for each: the feature's, or the one that it was renamed to; with `full_names` the view's before it, as in
    `view__feature`.

    Raises INVALID, for `field` and with the remedy, where two features would have one name.
    """
    if full_names:
        return tuple(f"{reference.view}__{reference.name}" for reference in references)
    by_name: dict[str, FeatureRef] = {}
    for reference in references:
        other = by_name.setdefault(reference.name, reference)
        if other is not reference:
            raise invalid(f"'{other}' and '{reference}' would both be called {reference.name!r}; {remedy}", field=field)
    return tuple(by_name)


def all_join_keys(views: Iterable[FeatureView], *, remedy: str, field: str = "") -> tuple[JoinKey, ...]:
    """The join keys of all views, each once, in the order of their names.

    Raises INVALID, for `field` and with the remedy, where two views disagree on one.
    """
    keys: dict[str, JoinKey] = {}
    for view in views:
        for key in view.join_keys:
            if keys.setdefault(key.name, key).encoding_class != key.encoding_class:
                raise invalid(
                    f"join key {key.name!r} is {keys[key.name].type} in one of these views and {key.type} in "
                    f"{view.name!r}; {remedy}",
                    field=field,
                )
    return tuple(keys[name] for name in sorted(keys))
