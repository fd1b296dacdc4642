"""Checks that every kind of definition shares: names, texts, tags, units."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from hotrow.errors import invalid
from hotrow.schema.unit import MAX_UNIT_LENGTH, UnitSyntaxError, parse_unit

MAX_NAME_LENGTH = 63

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}}")
_NAME_RULE = (
    f"a name has at most {MAX_NAME_LENGTH} characters, starts with a letter a-z and goes on with a-z, 0-9 and _, "
    "never two _ together (they part view and feature in full names)"
)


def check_name(kind: str, name: object) -> None:
    """Raise INVALID unless `name` is one; `kind` says what it names."""
    if isinstance(name, str) and _NAME.fullmatch(name) and "__" not in name:
        return
    raise invalid(f"{kind} {name!r}: {_NAME_RULE}{_proposal(name)}")


def _proposal(name: object) -> str:
    if not isinstance(name, str):
        return "; give a string"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    proposal = re.sub(r"[^a-z0-9]+", "_", words).strip("_0123456789")[:MAX_NAME_LENGTH].rstrip("_")
    return f"; rename it, for example {proposal!r}" if proposal and _NAME.fullmatch(proposal) else "; rename it"


def check_text(where: str, what: str, text: object) -> None:
    """Raise INVALID unless `text` is a string that UTF-8 can hold; `what` is the argument of the object `where`."""
    if not isinstance(text, str):
        raise invalid(f"{where}: {what} is {text!r}; give a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise invalid(f"{where}: {what} {text!r} holds half a surrogate pair; give valid Unicode") from None


def check_unit(where: str, unit: object) -> None:
    """Raise INVALID unless `unit` is empty or written as one, such as "SEK" or "km/h".

    Whether its symbols are known is checked when definitions are applied (`hotrow.registry.units`).
    """
    check_text(where, "unit", unit)
    text = str(unit)
    if len(text) > MAX_UNIT_LENGTH or not text.isprintable() or text != text.strip():
        raise invalid(
            f"{where}: unit {text!r} is not a short text; give at most {MAX_UNIT_LENGTH} printable characters "
            'without spaces around them, such as "SEK" or "km/h", and put the rest into the description'
        )
    try:
        parse_unit(text)
    except UnitSyntaxError as error:
        raise invalid(
            f"{where}: unit {text!r} is no unit: {error} (units are symbols and numbers with *, / and ^, such as "
            '"SEK/km" or "m/s^2")'
        ) from None


def checked_tags(where: str, tags: object) -> Mapping[str, str]:
    """The tags sorted by key and read-only; raises INVALID unless they map strings to strings."""
    if not isinstance(tags, Mapping):
        raise invalid(f'{where}: tags are {tags!r}; give a dict of strings, such as {{"team": "rides"}}')
    for key, value in tags.items():
        check_text(where, "the key of a tag", key)
        check_text(where, f"tag {key!r}", value)
        if not key:
            raise invalid(f"{where}: a tag has an empty key; name it")
    return MappingProxyType(dict(sorted(tags.items())))


def check_distinct(where: str, what: str, names: Iterable[str]) -> None:
    """Raise INVALID when a name stands there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise invalid(f"{where}: {what} {name!r} stands there twice; remove or rename one")
        seen.add(name)
