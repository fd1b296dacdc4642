"""From the columns of a Parquet file to the types of a schema: what is accepted, and the conversion of a batch.

| declared        | accepted in a file                                                                               |
|-----------------|--------------------------------------------------------------------------------------------------|
| Int64, Int32    | integers of any width; a value that does not fit is refused for its row                          |
| Float64         | floating point of any width; integers; an integer beyond 2**53 that would change is refused      |
| Float32         | the same. Declaring Float32 asks for the narrowing: values are rounded to the nearest float32;   |
|                 | a finite value that would become infinite is refused for its row                                 |
| Bool            | bool                                                                                             |
| String          | strings; bytes that are no UTF-8 are refused for their row                                       |
| Bytes           | binary of variable or fixed size                                                                 |
| UnixTimestamp   | timestamps of any unit and zone (without a zone: UTC), truncated to microseconds toward minus    |
|                 | infinity; dates, which are their midnight in UTC                                                 |
| Array(T)        | lists of what T accepts; a null inside a list is refused for its row                             |

Dictionary-encoded columns are accepted as what they hold, and a column of Arrow's null type as all nulls.
A NaN is a value and stays one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow import types
from hotrow.types import BY_KIND, ValueType

Mask = npt.NDArray[np.bool_]

TARGETS = {
    types.FLOAT64: pa.float64(),
    types.FLOAT32: pa.float32(),
    types.INT64: pa.int64(),
    types.INT32: pa.int32(),
    types.BOOL: pa.bool_(),
    types.STRING: pa.large_string(),
    types.BYTES: pa.large_binary(),
    types.TIMESTAMP: pa.int64(),
}
"""What `convert` makes of each kind; timestamps are microseconds."""
_UNITS_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_INT64 = np.iinfo(np.int64)
_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Converted:
    """One column of a batch in its declared type.

    `values` has the Arrow type of the element's kind and no nulls (a null holds 0 or empty); for a list it holds the
    elements of all rows and `lengths` (uint32, one a row) how many each row has. `nulls` marks the rows that are
    null. `refused` marks rows whose value cannot be kept: `reason` says why, and `example` is one of them.
    """

    values: pa.Array
    nulls: Mask
    lengths: npt.NDArray[np.uint32] | None = None
    refused: Mask | None = None
    reason: str = ""
    example: str = ""


def mismatch(arrow_type: pa.DataType, declared: ValueType) -> str:
    """Why a column of `arrow_type` cannot hold `declared`; empty when it can."""
    held = held_type(arrow_type)
    if pa.types.is_null(held):
        return ""
    if declared.is_list:
        if not _is_list(held):
            return f"it holds {held}, no lists"
        return mismatch(held.value_type, BY_KIND[declared.element_kind])
    if _accepts(held, declared.kind):
        return ""
    return f"it holds {held}"


def held_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type of a column's values, dictionary-encoded or not."""
    return arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type


def computed_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type in which Arrow's functions take a column: they neither filter nor take views of strings and bytes."""
    if pa.types.is_string_view(arrow_type):
        return pa.large_string()
    if pa.types.is_binary_view(arrow_type):
        return pa.large_binary()
    if _is_list(arrow_type) and (element := computed_type(arrow_type.value_type)) != arrow_type.value_type:
        return pa.large_list(element)
    return arrow_type


def _is_list(arrow_type: pa.DataType) -> bool:
    checks = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(check(arrow_type) for check in checks)


def _accepts(held: pa.DataType, kind: int) -> bool:
    """Whether a scalar of Arrow type `held` can become one of `kind`."""
    if kind in (types.INT64, types.INT32):
        return bool(pa.types.is_integer(held))
    if kind in (types.FLOAT64, types.FLOAT32):
        return bool(pa.types.is_floating(held) or pa.types.is_integer(held))
    if kind == types.BOOL:
        return bool(pa.types.is_boolean(held))
    if kind == types.STRING:
        return bool(pa.types.is_string(held) or pa.types.is_large_string(held) or pa.types.is_string_view(held))
    if kind == types.BYTES:
        checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
        return any(check(held) for check in checks)
    return bool(pa.types.is_timestamp(held) or pa.types.is_date(held))


def convert(array: pa.Array, declared: ValueType) -> Converted:
    """Convert a column whose type `mismatch` has no objection to."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if declared.is_list:
        return _convert_lists(array, declared)
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_null(array.type):
        array = pa.nulls(len(array), TARGETS[declared.kind])
    return _convert_scalars(array, declared, nulls)


def _convert_scalars(array: pa.Array, declared: ValueType, nulls: Mask) -> Converted:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s" if pa.types.is_date32(array.type) else "ms"))
    if pa.types.is_timestamp(array.type):
        return _convert_times(array, nulls)
    target = TARGETS[declared.kind]
    if declared.kind == types.STRING:
        return _convert_strings(array, nulls)
    if declared.kind == types.BYTES:
        return Converted(_filled(array.cast(target), b"", nulls), nulls)
    if array.type == target:
        return Converted(_filled(array, pa.scalar(0).cast(target), nulls), nulls)
    return _convert_numbers(array, declared, nulls)


def _filled(array: pa.Array, empty: object, nulls: Mask) -> pa.Array:
    return pc.fill_null(array, empty) if nulls.any() else array


def _convert_numbers(array: pa.Array, declared: ValueType, nulls: Mask) -> Converted:
    """Numbers of another width or kind than declared, each checked to be the same number afterwards."""
    target = TARGETS[declared.kind]
    before = _numbers(array, nulls)
    with np.errstate(over="ignore"):
        after = before.astype(target.to_pandas_dtype())
    if before.dtype.kind == "f":
        changed = np.isinf(after) & np.isfinite(before)
    elif after.dtype.kind == "f":
        changed = _rounded(before, after)
    else:
        bounds = np.iinfo(after.dtype)
        changed = (before > bounds.max) if before.dtype.kind == "u" else (before < bounds.min) | (before > bounds.max)
    return _with_refused(pa.array(after), nulls, changed, array, f"does not fit {declared.name}")


def _numbers(array: pa.Array, nulls: Mask) -> npt.NDArray[Any]:
    numbers: npt.NDArray[Any] = _filled(array, pa.scalar(0).cast(array.type), nulls).to_numpy(zero_copy_only=False)
    return numbers


def _rounded(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Mask:
    """Which integers are another number as a float (one that rounds up to 2**63 or 2**64 cannot be cast back)."""
    limit = 2.0 ** (8 * before.dtype.itemsize - (before.dtype.kind == "i"))
    wide = after.astype(np.float64)
    beyond = wide >= limit
    back = np.where(beyond, 0, wide).astype(before.dtype)
    return np.asarray(beyond | (back != before), dtype=np.bool_)


def _convert_times(array: pa.Array, nulls: Mask) -> Converted:
    per_s = _UNITS_PER_S[array.type.unit]
    raw = _numbers(array.cast(pa.int64()), nulls)
    if per_s >= 1_000_000:
        return Converted(pa.array(raw // (per_s // 1_000_000)), nulls)
    factor = 1_000_000 // per_s
    changed = (raw > _INT64.max // factor) | (raw < -(_INT64.max // factor))
    # The example is the raw number: Python has no datetime for it.
    shown = pa.array(raw)
    return _with_refused(pa.array(np.where(changed, 0, raw) * factor), nulls, changed, shown, "is out of range")


def _convert_strings(array: pa.Array, nulls: Mask) -> Converted:
    """Strings; Parquet's readers do not check that they are UTF-8, and the wire must hold nothing else."""
    array = array.cast(pa.large_string())
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        texts = array.cast(pa.large_binary()).to_pylist()
        broken = np.array([text is not None and not _is_utf8(text) for text in texts], dtype=np.bool_)
        kept = pa.array(
            [b"" if wrong or text is None else text for text, wrong in zip(texts, broken, strict=True)],
            pa.large_binary(),
        )
        example = texts[int(np.flatnonzero(broken)[0])]
        return Converted(
            kept.cast(pa.large_string()), nulls, refused=broken, reason="is not UTF-8", example=_shown(example)
        )
    return Converted(_filled(array, "", nulls), nulls)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _with_refused(values: pa.Array, nulls: Mask, refused: Mask, source: pa.Array, why: str) -> Converted:
    refused = refused & ~nulls
    if not refused.any():
        return Converted(values, nulls)
    example = source[int(np.flatnonzero(refused)[0])]
    return Converted(values, nulls, refused=refused, reason=why, example=_shown(example))


def _shown(value: object) -> str:
    return str(value)[:_MAX_SHOWN]


def _convert_lists(array: pa.Array, declared: ValueType) -> Converted:
    element = BY_KIND[declared.element_kind]
    rows = len(array)
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_null(array.type):
        return Converted(pa.array([], TARGETS[element.kind]), nulls, np.zeros(rows, np.uint32))
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.uint32)
    flat = convert(pc.list_flatten(array), element)
    if not flat.nulls.any() and flat.refused is None:
        return Converted(flat.values, nulls, lengths)
    wrong = flat.nulls if flat.refused is None else flat.nulls | flat.refused
    row_of = np.repeat(np.arange(rows), lengths)
    refused = np.zeros(rows, np.bool_)
    refused[row_of[wrong]] = True
    return Converted(flat.values, nulls, lengths, refused, flat.reason or "has a null inside a list", flat.example)
