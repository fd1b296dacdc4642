"""The check of all units of a snapshot that is to be applied."""

from collections.abc import Iterator

from hotrow.errors import invalid
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.field import Field
from hotrow.schema.known_unit import unknown_symbols


def check_units(snapshot: Snapshot) -> None:
    """Raise INVALID, with a line for each field that has one, for symbols of units that nobody knows."""
    lines = [
        f"{where}, {field.label}: unit {field.unit!r}: {symbol}"
        for where, field in _fields(snapshot)
        for symbol in unknown_symbols(field.unit)
    ]
    if lines:
        raise invalid("\n".join(lines))


def _fields(snapshot: Snapshot) -> Iterator[tuple[str, Field]]:
    for sources in (snapshot.views, snapshot.request_sources, snapshot.transforms):
        for source in sources.values():
            yield from ((source.label, field) for field in source.fields)
