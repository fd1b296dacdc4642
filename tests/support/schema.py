"""Entities and views from plain dicts of types by name, a type called by its wire name."""

from datetime import timedelta

from hotrow.schema.entity import Entity, JoinKey
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView
from hotrow.types import BY_NAME

TYPES = {type_.wire_name: type_ for type_ in BY_NAME.values()}


def join_keys(keys: dict[str, str]) -> tuple[JoinKey, ...]:
    return tuple(JoinKey(name, TYPES[keys[name]]) for name in sorted(keys))


def view(
    keys: dict[str, str],
    schema: dict[str, str],
    *,
    units: dict[str, str] | None = None,
    defaults: dict[str, object] | None = None,
    ttl_us: int | None = None,
    name: str = "stats",
) -> FeatureView:
    """A view of one entity that has these join keys, or of none."""
    fields = [
        Field(
            field,
            TYPES[type_],
            unit=(units or {}).get(field, ""),
            **({"default": defaults[field]} if defaults and field in defaults else {}),
        )
        for field, type_ in schema.items()
    ]
    entity = Entity("thing", join_keys={key: TYPES[type_] for key, type_ in keys.items()}) if keys else None
    return FeatureView(
        name,
        entities=[entity] if entity else [],
        schema=fields,
        ttl=None if ttl_us is None else timedelta(microseconds=ttl_us),
    )
