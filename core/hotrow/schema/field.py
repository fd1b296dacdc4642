"""A field of a feature view."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotrow.errors import invalid
from hotrow.feast import explains_keywords
from hotrow.schema.canonical import Document, without_empty
from hotrow.schema.check import check_name, check_text, check_unit, checked_tags
from hotrow.schema.default import UNSET, UnfitDefaultError, Unset, checked_default, default_from_json, default_to_json
from hotrow.schema.definition import Definition
from hotrow.schema.value_type import checked_type, type_from_name
from hotrow.types import ValueType


@explains_keywords
@dataclass(frozen=True, eq=False)
class Field(Definition):
    """A named, typed column of a view: `Field("fare", Float64, unit="SEK")`.

    `unit` is part of the schema: a push that states another one is refused. `default` is what a push that lacks the
    column writes; None writes null, and without a default such a push is refused. Raises INVALID.
    """

    name: str
    type: ValueType
    unit: str = field(default="", kw_only=True)
    default: object = field(default=UNSET, kw_only=True)
    description: str = field(default="", kw_only=True)
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        check_name("field", self.name)
        checked_type(self.label, self.type)
        check_unit(self.label, self.unit)
        check_text(self.label, "description", self.description)
        object.__setattr__(self, "tags", checked_tags(self.label, self.tags))
        if not isinstance(self.default, Unset):
            object.__setattr__(self, "default", self._checked_default())

    @property
    def label(self) -> str:
        return f"field {self.name!r}"

    @property
    def has_default(self) -> bool:
        """Whether a push may leave the field out."""
        return not isinstance(self.default, Unset)

    def document(self) -> Document:
        document = without_empty(
            {
                "type": self.type.name,
                "unit": self.unit,
                "description": self.description,
                "tags": dict(self.tags),
            }
        )
        if not isinstance(self.default, Unset):
            document["default"] = default_to_json(checked_default(self.default, self.type))
        return document

    def _checked_default(self) -> object:
        try:
            return checked_default(self.default, self.type)
        except UnfitDefaultError as error:
            raise invalid(
                f"{self.label}: default {self.default!r} does not fit {self.type.name}; give {error}, or None for null"
            ) from None


def field_from_document(name: str, document: Document) -> Field:
    """The inverse of `Field.document`; raises INVALID, KeyError, TypeError or ValueError for anything else."""
    values = dict(document)
    type_ = type_from_name(values.pop("type"))
    if "default" in values:
        values["default"] = default_from_json(values["default"], type_)
    return Field(name, type_, **values)
