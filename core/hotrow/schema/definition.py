"""What all definitions have in common."""

from typing import Any, Protocol

from hotrow.schema.canonical import Document, canonical_json


class Definition:
    """A named, frozen object of a feature repository.

    Two are equal when they are of one kind and name and their documents are the same bytes; a reference to another
    definition counts by its name alone. NaN as a default is equal to itself in this sense.
    """

    name: str

    @property
    def label(self) -> str:
        """Kind and name, as messages say them: "feature view 'driver_hourly_stats'"."""
        raise NotImplementedError

    def document(self) -> Document:
        """The definition without its name, as JSON holds it, keys at their default left out."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Definition) or type(other) is not type(self):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> bytes:
        return canonical_json([self.name, self.document()])


class FeatureSource(Protocol):
    """What features are selected of: a view, or a transform."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def fields(self) -> tuple[Any, ...]: ...
    def field(self, name: str) -> Any:
        """The feature of that name; raises NOT_FOUND."""
