"""The forms in which Arrow keeps one and the same values, and the one in which its functions take them.

Dictionaries, views, and lists of a fixed size hold what plain columns hold: all are read alike.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


def is_list(arrow_type: pa.DataType) -> bool:
    """Whether each value is a list of any form."""
    return any(check(arrow_type) for check in _LISTS)


def held_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type of a column's values, dictionary-encoded or not."""
    return held_type(arrow_type.value_type) if pa.types.is_dictionary(arrow_type) else arrow_type


def computed_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type in which Arrow's functions take a column: not all of them take views, or lists of a fixed size."""
    if pa.types.is_string_view(arrow_type):
        return pa.large_string()
    if pa.types.is_binary_view(arrow_type):
        return pa.large_binary()
    if not is_list(arrow_type):
        return arrow_type
    element = computed_type(held_type(arrow_type.value_type))
    plain = pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)
    return arrow_type if plain and element == arrow_type.value_type else pa.large_list(element)


def computed(array: pa.Array) -> pa.Array:
    """The same values in the column's `computed_type`."""
    made = computed_type(array.type)
    if made == array.type:
        return array
    if not is_list(array.type):
        return array.cast(made)
    # Arrow 26 casts views of lists to arrays that are broken, and counts the elements of a null of a fixed size.
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    lengths = np.where(nulls, 0, pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False))
    offsets = pa.array(np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]))
    values = computed(decoded(array.flatten()))
    return pa.LargeListArray.from_arrays(offsets, values, type=made, mask=pa.array(nulls) if nulls.any() else None)


def decoded(array: pa.Array) -> pa.Array:
    """The values of a dictionary-encoded column; any other as it is."""
    while pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array


def combined(chunks: pa.ChunkedArray) -> pa.Array:
    """A column of a table in one piece, plain."""
    pieces = [computed(decoded(chunk)) for chunk in chunks.chunks]
    return pa.concat_arrays(pieces) if pieces else pa.array([], computed_type(held_type(chunks.type)))


def flattening(arrow_type: pa.DataType) -> str:
    """How to make columns that fit a schema of one whose type does not; empty where there is no such way."""
    held = held_type(arrow_type)
    if pa.types.is_struct(held):
        part = held.field(0).name if held.num_fields else "part"
        return f"make columns of its parts: pyarrow.compute.struct_field(column, {part!r}), or column.{part} in SQL"
    if pa.types.is_map(held):
        return "make columns of its keys: pyarrow.compute.map_lookup(column, key, 'first'), or column[key] in SQL"
    if pa.types.is_time(held):
        return "make it an integer: column.cast(pa.time64('us')).cast(pa.int64()) is microseconds since midnight"
    if pa.types.is_duration(held):
        return f"make it an integer: column.cast(pa.int64()) is {held.unit}; in pandas column.dt.total_seconds()"
    return ""
