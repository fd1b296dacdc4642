"""The point-in-time join, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceRow:
    """A row of a source, as its file has it; `key` has a value a join key."""

    key: tuple[object, ...]
    event_us: int | None
    created_us: int | None
    values: Mapping[str, object]
    refused: bool = False


def latest(rows: Sequence[SourceRow], key: tuple[object, ...], at_us: int, ttl_us: int | None) -> SourceRow | None:
    """The row that answers for `key` at `at_us`."""
    best = None
    for row in rows:
        if row.refused or row.event_us is None or None in row.key or row.key != key or row.event_us > at_us:
            continue
        if best is None or (row.event_us, row.created_us or 0) >= (best.event_us, best.created_us or 0):
            best = row
    if best is not None and ttl_us is not None and at_us - best.event_us > ttl_us:
        return None
    return best
