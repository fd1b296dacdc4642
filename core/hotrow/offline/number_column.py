"""Numbers of an Arrow column to the type of a field, each rounded once, if at all: the rule is that of `hotrow.number`.

Decimals go to floats by way of their text, which Arrow reads as the nearest float of the width asked for; its own casts
of decimals round twice.
"""

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.number import plain_text, whole_number

Mask = npt.NDArray[np.bool_]
_INT64_DIGITS = 18


def converted_numbers(array: pa.Array, target: pa.DataType, nulls: Mask) -> tuple[pa.Array, Mask]:
    """Integers, floats, decimals as `target`, an integer or float type, 0 where they are null, and which do not fit."""
    if not pa.types.is_decimal(array.type):
        return _from_numpy(plain_numbers(array, nulls), target)
    if pa.types.is_floating(target):
        after = pc.fill_null(array.cast(pa.string()), "0").cast(target)
        return after, np.isinf(after.to_numpy(zero_copy_only=False))
    return _whole_decimals(array, target, nulls)


def plain_numbers(array: pa.Array, nulls: Mask) -> npt.NDArray[Any]:
    """Numbers as NumPy has them, 0 where they are null."""
    filled = pc.fill_null(array, pa.scalar(0).cast(array.type)) if nulls.any() else array
    numbers: npt.NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return numbers


def decimal_texts(array: pa.Array) -> pa.Array:
    """Decimals as digits with all places of their scale, without an exponent."""
    texts = array.cast(pa.large_string())
    short = pc.fill_null(pc.match_substring(texts, "E"), False)
    if not pc.any(short).as_py():
        return texts
    plain = [None if value is None else plain_text(value) for value in array.to_pylist()]
    return pa.array(plain, pa.large_string())


def _from_numpy(before: npt.NDArray[Any], target: pa.DataType) -> tuple[pa.Array, Mask]:
    dtype = np.dtype(target.to_pandas_dtype())
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            after = before.astype(dtype)
        return pa.array(after, target), np.isinf(after) & np.isfinite(before)
    bounds = np.iinfo(dtype)
    if before.dtype.kind == "f":
        before = before.astype(np.float64)
        fits = (before >= bounds.min) & (before < -float(bounds.min)) & (np.trunc(before) == before)
    elif before.dtype.kind == "u":
        fits = before <= np.uint64(bounds.max)
    else:
        fits = (before >= bounds.min) & (before <= bounds.max)
    return pa.array(np.where(fits, before, before.dtype.type(0)).astype(dtype), target), ~fits


def _whole_decimals(array: pa.Array, target: pa.DataType, nulls: Mask) -> tuple[pa.Array, Mask]:
    scale = array.type.scale
    if pa.types.is_decimal128(array.type) and 0 <= scale <= _INT64_DIGITS:
        words = np.frombuffer(array.buffers()[1], "<i8").reshape(-1, 2)[array.offset : array.offset + len(array)]
        unscaled = np.where(nulls, 0, words[:, 0])
        if (nulls | (words[:, 1] == unscaled >> 63)).all():
            whole, rest = np.divmod(unscaled, 10**scale)
            values, beyond = _from_numpy(whole, target)
            return values, beyond | (rest != 0)
    values = [_whole(value, target.bit_width) for value in array.to_pylist()]
    refused = np.array([value is None for value in values], np.bool_) & ~nulls
    return pa.array([value or 0 for value in values], target), refused


def _whole(value: Decimal | None, bits: int) -> int | None:
    try:
        return None if value is None else whole_number(value, bits)
    except (ValueError, OverflowError):
        return None
