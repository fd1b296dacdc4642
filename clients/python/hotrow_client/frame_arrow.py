"""Arrow: tables of replies, and columns of tables to push.

The types are those of training sets: 64-bit offsets of strings, bytes and lists, times in microseconds, UTC. A slot
without a value is null; NaN is a value. A field's metadata has the unit, and the schema's the snapshot.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hotrow import types
from hotrow.codec.column import DecodedColumn

from hotrow_client.optional import load


def table(columns: Sequence[DecodedColumn], snapshot: str) -> Any:
    """A pyarrow Table of a reply's columns."""
    pa = load("pyarrow", "to_arrow")
    arrays = [_array(pa, column) for column in columns]
    fields = [
        pa.field(column.name, array.type, metadata={"unit": column.unit} if column.unit else None)
        for column, array in zip(columns, arrays, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(fields, metadata={"hotrow.snapshot": snapshot}))


def _array(pa: Any, column: DecodedColumn) -> Any:
    absent = ~column.present
    mask = absent if absent.any() else None
    if column.type is None:
        return pa.nulls(len(column))
    kind = column.type.element_kind
    if not column.type.is_list:
        return _scalars(pa, kind, column.values, mask)
    rows: list[Any] = list(column.values)
    flat = np.concatenate(rows) if rows else np.zeros(0, types.NUMPY_NAMES[kind])
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=offsets[1:])
    return pa.LargeListArray.from_arrays(
        pa.array(offsets), _scalars(pa, kind, flat, None), mask=None if mask is None else pa.array(mask)
    )


def _scalars(pa: Any, kind: int, values: Any, mask: Any) -> Any:
    if kind == types.TIMESTAMP:
        return pa.array(values, pa.int64(), mask=mask).cast(pa.timestamp("us", tz="UTC"))
    wide = {types.STRING: pa.large_string(), types.BYTES: pa.large_binary()}
    if kind in wide:
        return pa.array(values, wide[kind], mask=mask, from_pandas=False)
    return pa.array(np.ascontiguousarray(values), mask=mask, from_pandas=False)


def plain_values(column: Any) -> Any:
    """An Arrow array, chunked or not, as an array, a masked array, or a list with None for a null.

    Dictionaries, views, and lists of any form are what they hold.
    """
    pa = load("pyarrow", "a column of Arrow")
    if isinstance(column, pa.ChunkedArray):
        combined = column.combine_chunks()
        column = combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)
    while pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_list(pa, column.type):
        return _lists(column)
    flat = _flat(pa, column)
    return column.to_pylist() if flat is None else flat


def _flat(pa: Any, column: Any) -> Any:
    """Numbers, bools and times as an array that says its type; None for others."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _numbers(pa, column.cast(pa.int64())).view(f"datetime64[{kind.unit}]")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return _numbers(pa, column)
    return None


def _numbers(pa: Any, array: Any) -> Any:
    if not array.null_count:
        return array.to_numpy(zero_copy_only=False)
    filled = array.fill_null(pa.scalar(0).cast(array.type)).to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(filled, array.is_null().to_numpy(zero_copy_only=False))


def _is_list(pa: Any, kind: Any) -> bool:
    forms = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view")
    return any(getattr(pa.types, f"is_{form}")(kind) for form in forms)


def _lists(array: Any) -> list[Any]:
    """A row's elements as an array, where they have one without nulls."""
    flat = plain_values(array.flatten())  # without those of rows that are null
    if not isinstance(flat, np.ndarray) or isinstance(flat, np.ma.MaskedArray):
        return list(array.to_pylist())
    here = array.is_valid().to_numpy(zero_copy_only=False)
    counts = array.value_lengths()  # of lists of a fixed size nulls have it, too
    sizes = np.where(here, counts.fill_null(0).to_numpy(zero_copy_only=False), 0)
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    return [
        flat[end - size : end] if valid else None for end, size, valid in zip(ends, sizes.tolist(), here, strict=True)
    ]
