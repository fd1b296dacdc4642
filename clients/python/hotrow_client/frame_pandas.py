"""pandas: frames of replies, and columns of frames to push.

pandas alone has no null of its own in every dtype, so here, and nowhere else, NaN stands for one: in a push it is
null, in a reply's float column a slot without a value is NaN. Other columns of a reply:

    Int64, Int32, Bool         pandas' Int64, Int32 and boolean; pd.NA where there is no value
    String                     pandas' own dtype of strings: NaN from pandas 3 on, None before
    UnixTimestamp              datetime64[us, UTC]; NaT
    Bytes, arrays              objects; None
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hotrow import types
from hotrow.codec.column import DecodedColumn

from hotrow_client import frame_arrow
from hotrow_client.optional import load


def frame(columns: Sequence[DecodedColumn], snapshot: str) -> Any:
    """A pandas DataFrame of a reply's columns; its `attrs` have the units and the snapshot, as training sets do."""
    pd = load("pandas", "to_pandas")
    out = pd.DataFrame({column.name: _series(pd, column) for column in columns})
    units = {column.name: column.unit for column in columns if column.unit}
    out.attrs = {"hotrow.snapshot": snapshot, "hotrow.units": units}
    return out


def _series(pd: Any, column: DecodedColumn) -> Any:
    absent = ~column.present
    kind = 0 if column.type is None else column.type.kind
    values: Any = column.values
    if kind in (types.FLOAT64, types.FLOAT32):
        return pd.Series(np.where(absent, values.dtype.type(np.nan), values))
    if kind in (types.INT64, types.INT32):
        return pd.Series(pd.arrays.IntegerArray(values, absent))
    if kind == types.BOOL:
        return pd.Series(pd.arrays.BooleanArray(values, absent))
    if kind == types.TIMESTAMP:
        times = values.view("datetime64[us]").copy()
        times[absent] = np.datetime64("NaT")
        return pd.Series(times).dt.tz_localize("UTC")
    held = np.empty(len(column), dtype=object)
    for place, (value, gone) in enumerate(zip(values, absent.tolist(), strict=True)):
        if not gone:
            held[place] = value.view("datetime64[us]") if kind == types.LIST + types.TIMESTAMP else value
    return pd.Series(held, dtype=pd.Series([""]).dtype if kind == types.STRING else object)


def plain_values(series: Any) -> Any:
    """A pandas Series, Index or array as an array, a masked array, or a list; NaN, NaT, None and pd.NA are nulls."""
    pd = load("pandas", "a column of pandas")
    series = pd.Series(series)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if isinstance(series.dtype, pd.ArrowDtype):
        return _with_nan(frame_arrow.plain_values(series.array.__arrow_array__()))
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    dtype = getattr(series.dtype, "numpy_dtype", series.dtype)  # the first of a dtype that has a mask
    null = series.isna().to_numpy()
    if dtype.kind == "f" and len(null) and null.all():
        return [None] * len(null)  # pandas takes missing values for floats where nothing says what they are
    if dtype.kind in "iufb":
        filled = series.fillna(dtype.type(0)) if null.any() else series
        return _with_nan(
            np.ma.MaskedArray(filled.to_numpy(dtype=dtype), null) if null.any() else filled.to_numpy(dtype)
        )
    if dtype.kind == "M":
        return series.to_numpy()  # NaT is a null
    return [None if gone else value for value, gone in zip(series.tolist(), null.tolist(), strict=True)]


def _with_nan(values: Any) -> Any:
    """Numbers with NaN masked too."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        plain = np.ma.getdata(values)
        return np.ma.MaskedArray(plain, np.ma.getmaskarray(values) | np.isnan(plain))
    return values
