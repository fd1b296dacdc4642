"""A program's rows as columns: from a mapping, a list of mappings, or a frame of pandas, Polars or Arrow.

None of the three is imported here: a caller who hands in a frame has imported its library.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hotrow.codec.column_values import ColumnTypeError, Dense, dense_values
from hotrow.types import ValueType

Rows: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | Any
"""A mapping from names to a list, an array or a column of a frame library, with a value a row; a list with a mapping a
row; a pandas or Polars DataFrame; a pyarrow Table or RecordBatch."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Values by name, all as the caller has them, and the units that an Arrow schema says."""

    values: Mapping[str, Any]
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column that can be sent."""

    name: str
    dense: Dense
    unit: str = ""


def columns_from_rows(rows: Any) -> Columns:
    """The columns of rows of any of those kinds; raises TypeError for others, and for rows of different names."""
    if isinstance(rows, Mapping):
        return Columns(rows)
    library = _library(rows)
    if library == "pandas" and hasattr(rows, "columns"):
        return Columns(_named(list(rows.items())))
    if library == "polars" and hasattr(rows, "get_columns"):
        return Columns(_named([(series.name, series) for series in rows.get_columns()]))
    if library == "pyarrow" and hasattr(rows, "schema"):
        units = {one.name: one.metadata[b"unit"].decode() for one in rows.schema if b"unit" in (one.metadata or {})}
        return Columns(_named(list(zip(rows.schema.names, rows.columns, strict=True))), units)
    if library or isinstance(rows, (str, bytes)) or not isinstance(rows, Iterable):
        kind = f"{library}.{type(rows).__name__}".removeprefix(".")
        remedy = "; collect it first" if kind == "polars.LazyFrame" else ""
        raise TypeError(
            f"rows are a mapping of columns, a list of mappings, a DataFrame or an Arrow table, not a {kind}{remedy}"
        )
    return Columns(_columns_from_list(list(rows)))


def dense_columns(
    columns: Mapping[str, Any], types: Mapping[str, ValueType], units: Mapping[str, str] | None = None
) -> list[Column]:
    """Every column, dense; raises TypeError for a type or unit of a column that is not there, and what
    `hotrow.codec.column.encode_column` raises.
    """
    if not columns:  # no rows, by which nobody says what columns there would be
        return []
    units = units or {}
    for name in columns:
        if not isinstance(name, str):
            raise TypeError(f"a column is named {name!r}; a name is a string")
    for what, given in (("type", types), ("unit", units)):
        for name in given:
            if name not in columns:
                raise TypeError(f"a {what} is given for {name!r}, which is no column; columns: {', '.join(columns)}")
    return [
        Column(name, dense_values(name, plain_values(name, values), types.get(name)), units.get(name, ""))
        for name, values in columns.items()
    ]


def plain_values(name: str, values: Any) -> Any:
    """A column of a frame library as an array, a masked array or a list with None for a null; others as they are."""
    library = _library(values)
    try:
        if library == "pandas":
            from hotrow_client import frame_pandas  # noqa: PLC0415 - loads pandas

            return frame_pandas.plain_values(values)
        if library == "polars":
            from hotrow_client import frame_polars  # noqa: PLC0415 - loads Polars

            return frame_polars.plain_values(values)
        if library == "pyarrow":
            from hotrow_client import frame_arrow  # noqa: PLC0415 - loads pyarrow

            return frame_arrow.plain_values(values)
    except (ValueError, OverflowError) as error:  # those of the libraries; ours says which column
        brief = str(error).split("\n", 1)[0]
        raise ColumnTypeError(name, f"cannot be taken from {library}: {brief}") from error
    return values


def _library(value: object) -> str:
    """The frame library of its class, empty for none: by name, for nothing may be imported to find out."""
    packages = (base.__module__.partition(".")[0] for base in type(value).__mro__)
    return next((package for package in packages if package in ("pandas", "polars", "pyarrow")), "")


def _named(pairs: list[tuple[Any, Any]]) -> Mapping[str, Any]:
    """A frame's columns by name."""
    columns = dict(pairs)
    if len(columns) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TypeError(f"the frame has the column {twice!r} more than once; rename or drop all but one")
    return columns


def _columns_from_list(listed: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    for place, row in enumerate(listed):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {place} is a {type(row).__name__}, not a mapping of names to values")
        if row.keys() != listed[0].keys():
            odd = ", ".join(sorted(map(repr, row.keys() ^ listed[0].keys())))
            raise TypeError(f"row {place} and row 0 differ in {odd}: give every row the same names, None for a null")
    return {name: [row[name] for row in listed] for name in listed[0]} if listed else {}
