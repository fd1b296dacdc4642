"""Feature views and selections of their features."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hotrow.errors import Code, HotrowError, invalid, nearest
from hotrow.feast import VIEW_METHODS, called, explains_keywords
from hotrow.schema.canonical import Document, canonical_json, without_empty
from hotrow.schema.check import check_distinct, check_name, check_text, checked_tags
from hotrow.schema.definition import Definition, FeatureSource
from hotrow.schema.entity import Entity, JoinKey
from hotrow.schema.field import Field, field_from_document
from hotrow.schema.source import KINDS, DataSource, source_from_document

FINGERPRINT_BYTES = 8
MAX_TTL_US = (1 << 63) - 1
_MICROSECOND = timedelta(microseconds=1)


@explains_keywords
@dataclass(frozen=True, eq=False)
class FeatureView(Definition):
    """Features of the same entities that come together, one row an entity key.

    `entities` may be several, whose join keys are united, or none: then the view has one row. A row expires when it
    is older than `ttl`; None never expires. `schema` are the fields in the order in which they are shown. Without a
    `source` rows are pushed only. `view[["a", "b"]]` selects features for a `FeatureService`. `generation` is the
    registry's: it counts how often the view was replaced (`hotrow apply --replace`). Raises INVALID.
    """

    name: str
    entities: Sequence[Entity] = field(default=(), kw_only=True)
    ttl: timedelta | None = field(default=None, kw_only=True)
    schema: Sequence[Field] = field(kw_only=True)
    source: DataSource | None = field(default=None, kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    owner: str = field(default="", kw_only=True)
    description: str = field(default="", kw_only=True)
    generation: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        check_name("feature view", self.name)
        check_text(self.label, "description", self.description)
        check_text(self.label, "owner", self.owner)
        object.__setattr__(self, "tags", checked_tags(self.label, self.tags))
        object.__setattr__(self, "entities", self._checked_entities())
        object.__setattr__(self, "schema", self._checked_schema())
        self._check_ttl()
        if type(self.generation) is not int or self.generation < 0:
            raise invalid(f"{self.label}: generation is {self.generation!r}; leave it out, `hotrow apply` counts it")
        if self.source is not None and not isinstance(self.source, DataSource):
            raise invalid(f"{self.label}: source is {self.source!r}; give {KINDS}, or None for pushed rows only")

    @property
    def label(self) -> str:
        return f"feature view {self.name!r}"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a feature view has no attribute {name!r}{called(name, VIEW_METHODS)}")

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields in the order in which they were declared."""
        return tuple(self.schema)

    @cached_property
    def join_keys(self) -> tuple[JoinKey, ...]:
        """The join keys of all entities, each once, in the order of their names."""
        keys = {key.name: key for entity in self.entities for key in entity.keys}
        return tuple(keys[name] for name in sorted(keys))

    @cached_property
    def ttl_us(self) -> int | None:
        """The ttl in microseconds; None never expires."""
        return None if self.ttl is None else self.ttl // _MICROSECOND

    @cached_property
    def schema_bytes(self) -> bytes:
        """What decides how a row is decoded: canonical JSON [[name, type, unit], ...] in the order of the names."""
        return canonical_json(sorted([field.name, field.type.name, field.unit] for field in self.fields))

    @cached_property
    def fingerprint(self) -> bytes:
        """The first 8 bytes of the SHA-256 of `schema_bytes`."""
        return hashlib.sha256(self.schema_bytes).digest()[:FINGERPRINT_BYTES]

    @property
    def stored_as(self) -> "FeatureView":
        """The view whose rows it reads: itself, unless it is a `JoinedView`."""
        return self

    def joined_as(self, name: str, join_keys: Mapping[str, str]) -> "JoinedView":
        """The same rows under another name, by other join keys: `users.joined_as("buyer", {"user_id": "buyer_id"})`.

        For a row that is about several entities of one kind: a buyer and a seller. Raises INVALID.
        """
        if self.stored_as is not self:
            raise invalid(f"{self.label} cannot be joined once more; join {self.stored_as.label}")
        return JoinedView(
            name,
            entities=self.entities,
            ttl=self.ttl,
            schema=self.schema,
            source=self.source,
            tags=self.tags,
            owner=self.owner,
            description=self.description,
            generation=self.generation,
            of=self,
            key_names=join_keys,
        )

    def field(self, name: str) -> Field:
        """The field of that name; raises NOT_FOUND with the nearest names."""
        found = self._fields_by_name.get(name)
        if found is None:
            near = nearest(name, self._fields_by_name)
            raise HotrowError(Code.NOT_FOUND, f"{self.label}: unknown feature {name!r}{near}")
        return found

    def __getitem__(self, names: Sequence[str]) -> "Selection":
        """Select features by name: `view[["a", "b"]]`, or `view["a"]`; raises INVALID or NOT_FOUND."""
        return Selection(self, (names,) if isinstance(names, str) else names)

    def document(self) -> Document:
        return without_empty(
            {
                "entities": [entity.name for entity in self.entities],
                "ttl_us": self.ttl_us,
                "fields": [{"name": field.name, **field.document()} for field in self.fields],
                "source": None if self.source is None else self.source.document(),
                "tags": dict(self.tags),
                "owner": self.owner,
                "description": self.description,
                "generation": self.generation or None,
            }
        )

    @cached_property
    def _fields_by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def _checked_entities(self) -> tuple[Entity, ...]:
        if not isinstance(self.entities, list | tuple) or not all(isinstance(e, Entity) for e in self.entities):
            raise invalid(f"{self.label}: entities are {self.entities!r}; give a list of Entity objects")
        entities = tuple(sorted(self.entities, key=lambda entity: entity.name))
        check_distinct(self.label, "entity", (entity.name for entity in entities))
        owners: dict[str, tuple[Entity, JoinKey]] = {}
        for entity in entities:
            for key in entity.keys:
                other, known = owners.setdefault(key.name, (entity, key))
                if known.type != key.type:
                    raise invalid(
                        f"{self.label}: join key {key.name!r} is {known.type.name} in {other.label} and "
                        f"{key.type.name} in {entity.label}; give both the same type"
                    )
        return entities

    def _checked_schema(self) -> tuple[Field, ...]:
        if not isinstance(self.schema, list | tuple) or not all(isinstance(f, Field) for f in self.schema):
            raise invalid(f"{self.label}: schema is {self.schema!r}; give a list of Field objects")
        if not self.schema:
            raise invalid(f"{self.label}: the schema is empty; give at least one Field")
        check_distinct(self.label, "field", (field.name for field in self.schema))
        key_names = {key.name for key in self.join_keys}
        for declared in self.schema:
            if declared.name in key_names:
                raise invalid(
                    f"{self.label}: field {declared.name!r} has the name of a join key; rename the field, or leave it "
                    "out (join keys are known without a field)"
                )
        return tuple(self.schema)

    def _check_ttl(self) -> None:
        ttl: object = self.ttl
        if ttl is None:
            return
        if not isinstance(ttl, timedelta):
            raise invalid(f"{self.label}: ttl is {ttl!r}; give a timedelta, or None for rows that never expire")
        if not 0 < ttl // _MICROSECOND <= MAX_TTL_US:
            raise invalid(
                f"{self.label}: ttl is {ttl}; give a positive timedelta of at most 292,000 years, or None for rows "
                "that never expire"
            )


@dataclass(frozen=True, eq=False)
class JoinedView(FeatureView):
    """What `FeatureView.joined_as` makes: the view `of`, read by join keys of other names. No row is stored of it.

    `key_names` are the new names by those of the view. Raises INVALID.
    """

    of: FeatureView = field(kw_only=True, repr=False)
    key_names: Mapping[str, str] = field(kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_names", self._checked_key_names())
        super().__post_init__()

    @property
    def label(self) -> str:
        return f"joined view {self.name!r}"

    @property
    def stored_as(self) -> FeatureView:
        return self.of

    @cached_property
    def join_keys(self) -> tuple[JoinKey, ...]:
        """Under the new names, in the order of the view's: that of the stored keys."""
        return tuple(JoinKey(self.key_names.get(key.name, key.name), key.type) for key in self.of.join_keys)

    def document(self) -> Document:
        return {"view": self.of.name, "join_keys": dict(self.key_names)}

    def _checked_key_names(self) -> Mapping[str, str]:
        names: object = self.key_names
        known = [key.name for key in self.of.join_keys]
        if self.name == self.of.name:
            raise invalid(f"{self.label} has the name of the view; give it another")
        if not isinstance(names, Mapping) or not names:
            raise invalid(
                f"{self.label}: join_keys are {names!r}; give the new names by those of {self.of.label} "
                f"({', '.join(known) or 'which has none'}), such as {{'user_id': 'buyer_id'}}"
            )
        for name, new in names.items():
            if name not in known:
                raise invalid(f"{self.label}: {self.of.label} has no join key {name!r}{nearest(str(name), known)}")
            check_name(f"{self.label}: the new name of {name!r}", new)
        check_distinct(self.label, "join key", (names.get(name, name) for name in known))
        return MappingProxyType(dict(sorted(names.items())))


@dataclass(frozen=True)
class Selection:
    """Some features of a view or transform, in order, and what a service is to call them where that is not their name.

    Raises INVALID, or NOT_FOUND for one that it does not have.
    """

    view: FeatureSource
    names: Sequence[str]
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)

    def renamed(self, aliases: Mapping[str, str]) -> "Selection":
        """The same features with other names for their columns in a `FeatureService`, by the names that they have."""
        return Selection(self.view, self.names, {**self.aliases, **aliases})

    def __post_init__(self) -> None:
        where = f"a selection of {self.view.label}"
        if not isinstance(self.names, list | tuple) or not all(isinstance(name, str) for name in self.names):
            raise invalid(f'{where}: {self.names!r} are no names; give a list, such as view[["a", "b"]]')
        if not self.names:
            raise invalid(f"{where} is empty; name at least one feature")
        check_distinct(where, "feature", self.names)
        for name in self.names:
            self.view.field(name)
        for name, alias in self.aliases.items():
            if name not in self.names:
                raise invalid(f"{where} has no {name!r} to rename{nearest(name, self.names)}")
            check_name(f"{where}: the new name of {name!r}", alias)
        object.__setattr__(self, "names", tuple(self.names))


def view_from_document(name: str, document: Document, entities: Mapping[str, Entity]) -> FeatureView:
    """The inverse of `FeatureView.document`; raises INVALID, KeyError, TypeError or ValueError for anything else."""
    values = dict(document)
    ttl_us = values.pop("ttl_us", None)
    source = values.pop("source", None)
    fields = [dict(field) for field in values.pop("fields")]
    return FeatureView(
        name,
        entities=[entities[entity_name] for entity_name in values.pop("entities", [])],
        ttl=None if ttl_us is None else timedelta(microseconds=ttl_us),
        schema=[field_from_document(field.pop("name"), field) for field in fields],
        source=None if source is None else source_from_document(source),
        **values,
    )


def joined_view_from_document(name: str, document: Document, views: Mapping[str, FeatureView]) -> JoinedView:
    """The inverse of `JoinedView.document`; raises INVALID, KeyError, TypeError or ValueError for anything else."""
    values = dict(document)
    return views[values.pop("view")].joined_as(name, values.pop("join_keys"), **values)
