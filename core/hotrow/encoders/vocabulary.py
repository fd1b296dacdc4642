"""Constants of encoders that look terms up, or hash them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hotrow.errors import invalid
from hotrow.schema.canonical import Document
from hotrow.transforms.term import UNKNOWN, Settings, hashed_terms, vocabulary_of

MAX_WIDTH = 1 << 14
"""The longest vector: each row has all of it."""

_SAMPLES = 24


@dataclass(frozen=True, slots=True)
class Frequent:
    """Which categories or terms are fitted: those in at least `min_rows` rows, in no more than the share `max_share` of
    all rows, and of these the `at_most` most frequent.
    """

    min_rows: int = 1
    max_share: float = 1.0
    at_most: int | None = None


def chosen(given: Sequence[object] | Frequent, name: str) -> Document:
    """The parameters of an encoder that is given its terms, as `name`, or has them fitted. Raises INVALID."""
    if not isinstance(given, Frequent):
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise invalid(f"{name} are {given!r}; give a list, or Frequent(...) to have them fitted")
        return {name: list(given)}
    if type(given.min_rows) is not int or given.min_rows < 1 or not 0.0 < given.max_share <= 1.0:
        raise invalid(f"{given!r}: min_rows is 1 or more, and max_share above 0 and at most 1")
    if given.at_most is not None and (type(given.at_most) is not int or given.at_most < 1):
        raise invalid(f"{given!r}: at_most is 1 or more")
    return {
        "min_rows": given.min_rows if given.min_rows > 1 else None,
        "max_share": given.max_share if given.max_share < 1.0 else None,
        "at_most": given.at_most,
    }


def text_constants(terms: Sequence[str], settings: Settings) -> Document:
    """The constants of code that finds these terms."""
    octets, ends, table = vocabulary_of(terms)
    return {"SETTINGS": settings, "OCTETS": octets, "ENDS": ends, "TABLE": table, "WIDTH": settings[3]}


def hashed_constants(settings: Settings) -> Document:
    """The constants of code that hashes terms."""
    octets, ends, table = hashed_terms()
    return {"SETTINGS": settings, "OCTETS": octets, "ENDS": ends, "TABLE": table, "WIDTH": settings[3]}


def width_of(terms: Sequence[object], flags: int) -> int:
    """The length of the vector of a vocabulary; raises INVALID for one that is empty or too long."""
    width = len(terms) + (1 if flags & UNKNOWN else 0)
    if not width:
        raise invalid("there is nothing to look for: the vocabulary is empty")
    check_width("the vocabulary", width)
    return width


def check_width(what: str, width: object) -> None:
    """Raise INVALID unless it is a length that a vector may have."""
    if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= MAX_WIDTH:
        raise invalid(f"{what} has a length of {width!r}; give 1 to {MAX_WIDTH}, since each row has all of it")


def check_terms(what: str, terms: object, of: type) -> None:
    """Raise INVALID unless these are different values of one type."""
    if not isinstance(terms, list | tuple) or not all(type(term) is of for term in terms):
        raise invalid(f"{what} are {terms!r}; give a list of {of.__name__}")
    if len(set(terms)) < len(terms):
        raise invalid(f"{what} has one value twice")


def samples_of(terms: Sequence[str]) -> tuple[str, ...]:
    """Some terms, for the rows on which a transform is tried."""
    return tuple(terms[:_SAMPLES])
