"""Request sources: columns that come with a read, not from a store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hotrow.errors import Code, HotrowError, invalid, nearest
from hotrow.feast import explains_keywords
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_distinct, check_name, check_text
from hotrow.schema.definition import Definition
from hotrow.schema.field import Field, field_from_document
from hotrow.schema.view import Selection


@explains_keywords
@dataclass(frozen=True, eq=False)
class RequestSource(Definition):
    """`RequestSource("ride_request", schema=[Field("distance", Float64, unit="km")])`: an input of transforms.

    In a read its fields are columns of `request_data`; in a training set they are columns of the entity rows. Raises
    INVALID.
    """

    name: str
    schema: Sequence[Field] = field(kw_only=True)
    description: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_name("request source", self.name)
        check_text(self.label, "description", self.description)
        if not isinstance(self.schema, list | tuple) or not all(isinstance(f, Field) for f in self.schema):
            raise invalid(f"{self.label}: schema is {self.schema!r}; give a list of Field objects")
        if not self.schema:
            raise invalid(f"{self.label}: the schema is empty; give at least one Field")
        check_distinct(self.label, "field", (declared.name for declared in self.schema))
        for declared in self.schema:
            if declared.has_default:
                raise invalid(
                    f"{self.label}: {declared.label} has a default, and request data come from the caller as they are; "
                    "leave it out, and let the caller send a null"
                )
        object.__setattr__(self, "schema", tuple(self.schema))

    @property
    def label(self) -> str:
        return f"request source {self.name!r}"

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields in the order in which they were declared."""
        return tuple(self.schema)

    def field(self, name: str) -> Field:
        """The field of that name; raises NOT_FOUND with the nearest names."""
        for declared in self.fields:
            if declared.name == name:
                return declared
        near = nearest(name, [declared.name for declared in self.fields])
        raise HotrowError(Code.NOT_FOUND, f"{self.label}: unknown field {name!r}{near}")

    def __getitem__(self, names: Sequence[str]) -> Selection:
        """Select fields by name, for an encoder; raises INVALID or NOT_FOUND."""
        return Selection(self, (names,) if isinstance(names, str) else names)

    def document(self) -> Document:
        return without_empty(
            {
                "fields": [{"name": declared.name, **declared.document()} for declared in self.fields],
                "description": self.description,
            }
        )


def request_source_from_document(name: str, document: Document) -> RequestSource:
    """The inverse of `RequestSource.document`; raises INVALID, KeyError, TypeError or ValueError for anything else."""
    values = dict(document)
    fields = [dict(declared) for declared in values.pop("fields")]
    return RequestSource(
        name, schema=[field_from_document(declared.pop("name"), declared) for declared in fields], **values
    )
