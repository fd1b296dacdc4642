"""Entities and their join keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hotrow.errors import invalid
from hotrow.feast import explains_keywords
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_name, check_text, checked_tags
from hotrow.schema.definition import Definition
from hotrow.schema.value_type import ENCODING_CLASSES, checked_join_key_type, type_from_name
from hotrow.types import ValueType


@dataclass(frozen=True, slots=True)
class JoinKey:
    """A column that identifies an entity, or is a part of what does."""

    name: str
    type: ValueType

    @property
    def encoding_class(self) -> str:
        """integer, string, bytes, bool or time: types of one class encode alike."""
        return ENCODING_CLASSES[self.type.kind]


@explains_keywords
@dataclass(frozen=True, eq=False)
class Entity(Definition):
    """What features are about: `Entity("driver", join_keys={"driver_id": Int64})`.

    Several join keys make a composite key. They are kept sorted by name, read-only. Raises INVALID.
    """

    name: str
    join_keys: Mapping[str, ValueType] = field(kw_only=True)
    description: str = field(default="", kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    owner: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_name("entity", self.name)
        check_text(self.label, "description", self.description)
        check_text(self.label, "owner", self.owner)
        object.__setattr__(self, "tags", checked_tags(self.label, self.tags))
        object.__setattr__(self, "join_keys", self._checked_join_keys())

    @property
    def label(self) -> str:
        return f"entity {self.name!r}"

    @property
    def keys(self) -> tuple[JoinKey, ...]:
        """The join keys in the order of their names."""
        return tuple(JoinKey(name, type_) for name, type_ in self.join_keys.items())

    def document(self) -> Document:
        return without_empty(
            {
                "join_keys": {name: type_.name for name, type_ in self.join_keys.items()},
                "description": self.description,
                "tags": dict(self.tags),
                "owner": self.owner,
            }
        )

    def _checked_join_keys(self) -> Mapping[str, ValueType]:
        keys: object = self.join_keys
        if not isinstance(keys, Mapping) or not keys:
            raise invalid(
                f'{self.label}: join_keys are {keys!r}; give names and types, such as {{"driver_id": Int64}} '
                "(a view that has one row for everything takes no entity)"
            )
        for name, type_ in keys.items():
            check_name(f"{self.label}: join key", name)
            checked_join_key_type(f"{self.label}: join key {name!r}", type_)
        return MappingProxyType(dict(sorted(keys.items())))


def entity_from_document(name: str, document: Document) -> Entity:
    """The inverse of `Entity.document`; raises INVALID, KeyError, TypeError or ValueError for anything else."""
    values = dict(document)
    keys = values.pop("join_keys")
    return Entity(name, join_keys={key: type_from_name(type_name) for key, type_name in keys.items()}, **values)
