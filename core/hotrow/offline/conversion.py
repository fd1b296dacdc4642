"""From the columns of a Parquet file to the types of a schema: what is accepted, and the conversion of a batch.

| declared        | accepted in a file                                                                               |
|-----------------|--------------------------------------------------------------------------------------------------|
| Int64, Int32    | integers and decimals of any width, and of fields (not of join keys) floating point; a value     |
|                 | that is not whole, or does not fit, is refused for its row                                       |
| Float64,        | floating point, integers and decimals of any width, rounded once to the nearest float; a finite  |
| Float32         | value that would become infinite is refused for its row                                          |
| Bool            | bool                                                                                             |
| String          | strings; bytes that are no UTF-8 are refused for their row. Decimals: their digits, with all     |
|                 | places of the column's scale                                                                     |
| Bytes           | binary of variable or fixed size                                                                 |
| UnixTimestamp   | timestamps of any unit and zone (without a zone: UTC), truncated to microseconds toward minus    |
|                 | infinity; dates, which are their midnight in UTC; a time that microseconds in 64 bits cannot     |
|                 | hold is refused for its row                                                                      |
| Array(T)        | lists of what T accepts; a null inside a list is refused for its row                             |

Dictionary-encoded columns, views, and lists of a fixed size are accepted as what they hold, and a column of Arrow's
null type as all nulls. A NaN is a value and stays one; in place of an integer it is a null.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow import types
from hotrow.offline.arrow_form import computed, decoded, flattening, held_type, is_list
from hotrow.offline.number_column import Mask, converted_numbers, decimal_texts, plain_numbers
from hotrow.types import BY_KIND, ValueType

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


def mismatch(arrow_type: pa.DataType, declared: ValueType, *, key: bool = False) -> str:
    """Why a column of `arrow_type` cannot hold `declared`, a join key with `key`; empty when it can."""
    held = held_type(arrow_type)
    if pa.types.is_null(held):
        return ""
    if flattened := flattening(held):
        return f"it holds {held}; {flattened}"
    if declared.is_list:
        if not is_list(held):
            return f"it holds {held}, no lists"
        return mismatch(held.value_type, BY_KIND[declared.element_kind])
    if _accepts(held, declared.kind) and not (key and pa.types.is_floating(held)):
        return ""
    return f"it holds {held}"


def _accepts(held: pa.DataType, kind: int) -> bool:
    """Whether a scalar of Arrow type `held` can become one of `kind`."""
    if kind in (types.INT64, types.INT32, types.FLOAT64, types.FLOAT32):
        return bool(pa.types.is_integer(held) or pa.types.is_floating(held) or pa.types.is_decimal(held))
    if kind == types.BOOL:
        return bool(pa.types.is_boolean(held))
    if kind == types.STRING:
        checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_decimal)
        return any(check(held) for check in checks)
    if kind == types.BYTES:
        checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
        return any(check(held) for check in checks)
    return bool(pa.types.is_timestamp(held) or pa.types.is_date(held))


def convert(array: pa.Array, declared: ValueType) -> Converted:
    """Convert a column whose type `mismatch` has no objection to."""
    array = computed(decoded(array))
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
    target = TARGETS[declared.kind]
    if pa.types.is_integer(target) and pa.types.is_floating(array.type):
        nulls = nulls | pc.fill_null(pc.is_nan(array), False).to_numpy(zero_copy_only=False)
    values, refused = converted_numbers(array, target, nulls)
    return _with_refused(values, nulls, refused, array, f"does not fit {declared.name}")


def _convert_times(array: pa.Array, nulls: Mask) -> Converted:
    per_s = _UNITS_PER_S[array.type.unit]
    raw = plain_numbers(array.cast(pa.int64()), nulls)
    if per_s >= 1_000_000:
        return Converted(pa.array(raw // (per_s // 1_000_000)), nulls)
    factor = 1_000_000 // per_s
    changed = (raw > _INT64.max // factor) | (raw < -(_INT64.max // factor))
    # The example is the raw number: Python has no datetime for it.
    shown = pa.array(raw)
    return _with_refused(pa.array(np.where(changed, 0, raw) * factor), nulls, changed, shown, "is out of range")


def _convert_strings(array: pa.Array, nulls: Mask) -> Converted:
    """Strings; Parquet's readers do not check that they are UTF-8, and the wire must hold nothing else."""
    array = decimal_texts(array) if pa.types.is_decimal(array.type) else array.cast(pa.large_string())
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
