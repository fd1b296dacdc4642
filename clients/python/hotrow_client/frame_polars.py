"""Polars: frames of replies, and columns of frames to push. A slot without a value is null; NaN is a value."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hotrow import types
from hotrow.codec.column import DecodedColumn

from hotrow_client.optional import load


def frame(columns: Sequence[DecodedColumn]) -> Any:
    """A Polars DataFrame of a reply's columns; times are Datetime in microseconds, UTC."""
    pl = load("polars", "to_polars")
    return pl.DataFrame([_series(pl, column) for column in columns])


def _series(pl: Any, column: DecodedColumn) -> Any:
    if column.type is None:
        return pl.Series(column.name, [None] * len(column))
    present = column.present
    kind = column.type.element_kind
    time = pl.Datetime("us", "UTC")
    element = {
        types.FLOAT64: pl.Float64, types.FLOAT32: pl.Float32, types.INT64: pl.Int64, types.INT32: pl.Int32,
        types.BOOL: pl.Boolean, types.STRING: pl.String, types.BYTES: pl.Binary, types.TIMESTAMP: pl.Int64,
    }[kind]  # fmt: skip
    if column.type.is_list or kind in (types.STRING, types.BYTES):
        plain = [row.tolist() if column.type.is_list else row for row in column.values]
        held = [value if here else None for value, here in zip(plain, present.tolist(), strict=True)]
        series = pl.Series(column.name, held, dtype=pl.List(element) if column.type.is_list else element)
        return series.cast(pl.List(time)) if kind == types.TIMESTAMP else series
    series = pl.Series(column.name, np.ascontiguousarray(column.values), dtype=element)
    if not present.all():
        series = pl.select(pl.when(pl.Series(present)).then(series).alias(column.name)).to_series()
    return series.cast(time) if kind == types.TIMESTAMP else series


def plain_values(series: Any) -> Any:
    """A Polars Series as an array, a masked array, or a list with None for a null."""
    pl = load("polars", "a column of Polars")
    kind = series.dtype
    if kind in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    flat = _flat(pl, series)
    if flat is not None:
        return flat
    if series.dtype in (pl.List, pl.Array):
        # Arrays have a type, which a row without elements would not show.
        rows = [None if row is None else plain_values(row) for row in series]
        return [row.tolist() if isinstance(row, np.ma.MaskedArray) else row for row in rows]
    return series.to_list()


def _flat(pl: Any, series: Any) -> Any:
    """Numbers, bools and times as an array that says its type; None for others."""
    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime("ms"))  # which has room for every day
    kind = series.dtype
    if kind == pl.Datetime:
        return _numbers(series.to_physical()).view(f"datetime64[{kind.time_unit}]")
    return _numbers(series) if kind.is_integer() or kind.is_float() or kind == pl.Boolean else None


def _numbers(series: Any) -> Any:
    if not series.null_count():
        return series.to_numpy()
    filled = series.fill_null(0 if series.dtype.is_numeric() else False)
    return np.ma.MaskedArray(filled.to_numpy(), series.is_null().to_numpy())
