"""Features as Arrow columns: which Arrow type each declared type has in a training set, and what converts to it.

Strings, bytes and lists have 64-bit offsets, so that a column may hold more than 2 GiB.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hotrow import types
from hotrow.offline.arrow_form import held_type
from hotrow.offline.conversion import TARGETS, convert
from hotrow.schema.default import checked_default
from hotrow.schema.field import Field
from hotrow.types import ValueType

TIMESTAMP = pa.timestamp("us", tz="UTC")

_TYPES = {**TARGETS, types.TIMESTAMP: TIMESTAMP}


def arrow_type(declared: ValueType) -> pa.DataType:
    """The Arrow type of a column of that type."""
    element = _TYPES[declared.element_kind]
    return pa.large_list(element) if declared.is_list else element


def may_refuse(held: pa.DataType, declared: ValueType) -> bool:
    """Whether `convert` can refuse a row of a column of Arrow type `held`; where not, rows need no look at it."""
    held = held_type(held)
    kind = declared.kind
    if pa.types.is_null(held) or kind in (types.BYTES, types.BOOL):
        return False
    if kind == types.TIMESTAMP:
        return pa.types.is_date(held) or held.unit in ("s", "ms")
    if kind == types.FLOAT64 or (kind == types.FLOAT32 and pa.types.is_integer(held)):
        return False
    return declared.is_list or kind == types.STRING or held != _TYPES[kind]


def column_from_source(array: pa.Array, declared: ValueType) -> pa.Array:
    """Values of a source in the column's type, nulls as nulls; none of them may be one that `convert` refuses."""
    converted = convert(array, declared)
    values = converted.values.cast(_TYPES[declared.element_kind])
    if converted.lengths is not None:
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(converted.lengths, dtype=np.int64)])
        mask = pa.array(converted.nulls) if converted.nulls.any() else None
        return pa.LargeListArray.from_arrays(pa.array(offsets), values, type=arrow_type(declared), mask=mask)
    if converted.nulls.any():
        return pc.if_else(pa.array(converted.nulls), pa.scalar(None, values.type), values)
    return values


def column_of_default(field: Field, rows: int) -> pa.Array:
    """What a field is in rows of a file that lacks it: its default, which materialization stores too."""
    default = checked_default(field.default, field.type)
    value = list(default) if isinstance(default, tuple) else default
    return pa.repeat(pa.scalar(value, arrow_type(field.type)), rows)
