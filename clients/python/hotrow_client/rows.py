"""A program's rows as columns on the wire, one serialized `hotrow.v1.Column` a name."""

from collections.abc import Mapping, Sequence
from typing import Any

from hotrow.codec.column import encode_column
from hotrow.types import ValueType

Rows = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A mapping from names to lists or arrays with a value a row, or a list with a mapping a row."""


def columns_from_rows(rows: Rows) -> Mapping[str, Any]:
    """A mapping of columns; raises TypeError for rows that do not all have the same names."""
    if isinstance(rows, Mapping):
        return rows
    listed = list(rows)
    names = list(listed[0]) if listed else []
    for place, row in enumerate(listed):
        if row.keys() != listed[0].keys():
            odd = ", ".join(sorted(map(repr, row.keys() ^ listed[0].keys())))
            raise TypeError(f"row {place} and row 0 differ in {odd}: give every row the same names, None for a null")
    return {name: [row[name] for row in listed] for name in names}


def encode_columns(
    columns: Mapping[str, Any], types: Mapping[str, ValueType], units: Mapping[str, str] | None = None
) -> list[bytes]:
    """Every column's bytes; raises TypeError for a type or unit of a column that is not there."""
    units = units or {}
    for what, given in (("type", types), ("unit", units)):
        for name in given:
            if name not in columns:
                raise TypeError(f"a {what} is given for {name!r}, which is no column; columns: {', '.join(columns)}")
    return [
        encode_column(name, values, type=types.get(name), unit=units.get(name, "")) for name, values in columns.items()
    ]


def row_count(columns: Mapping[str, Any]) -> int:
    """Rows of the first column; the server refuses columns that differ."""
    return next((len(values) for values in columns.values()), 0)
