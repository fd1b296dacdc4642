"""From stored rows and keys to Arrow columns: every type, any value, against rows and keys made by the twins."""

import math

import pyarrow as pa
import pytest
from hotrow.codec.logged import decode_entry, describe_view, encode_entries
from hotrow.errors import HotrowError
from hotrow.offline.row_log.folder import CREATED_TIME, DELETED, EVENT_TIME
from hotrow.offline.row_log.table import log_table
from hypothesis import given
from hypothesis import strategies as st
from reference.column import TYPES
from reference.key import encode_key
from reference.row import encode_row, encode_tombstone, fingerprint
from support.schema import view as feature_view
from support.strategies import INT64, key_sets, key_value, rows_of, schemas

VIEW_ID = b"view-one"
SCHEMA = {f"f_{type_}": type_ for type_ in TYPES}


def entries_of(view, keys, schema, rows, *, times, at_once=3):
    """Rows as pushes of a few each leave them; None is a deletion."""
    mark = fingerprint(schema)
    stored = []
    for values, (event_us, created_us) in zip(rows, times, strict=True):
        both = {"fingerprint": mark, "event_us": event_us, "created_us": created_us}
        stored.append(encode_tombstone(**both) if values is None else encode_row(schema, values, **both))
    encoded = [encode_key([(type_, key[name]) for name, type_ in sorted(keys[1].items())]) for key in keys[0]]
    return [
        decode_entry(entry)
        for start in range(0, len(stored), at_once)
        for entry in encode_entries(
            VIEW_ID, describe_view(view), encoded[start : start + at_once], stored[start : start + at_once]
        )
    ]


def plain(column, type_):
    """Values as they were pushed; times as microseconds."""
    if type_.startswith("timestamp"):
        column = column.cast(pa.large_list(pa.int64()) if type_.endswith("_list") else pa.int64())
    return column.to_pylist()


def same(one, other):
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


@st.composite
def pushed(draw):
    schema = draw(schemas)
    keys = {name: type_ for name, type_ in draw(key_sets).items() if name not in schema}
    n = draw(st.integers(1, 7))
    named = st.fixed_dictionaries({name: key_value(type_) for name, type_ in keys.items()})
    rows = [values if draw(st.integers(0, 4)) else None for values in draw(rows_of(schema, n))]
    times = draw(st.lists(st.tuples(INT64, INT64), min_size=n, max_size=n))
    return schema, (draw(st.lists(named, min_size=n, max_size=n)), keys), rows, times


@given(pushed())
def test_rows_come_back_as_columns(case):
    """Join keys, fields, both times and what is deleted, in the order pushed."""
    schema, keys, rows, times = case
    view = feature_view(keys[1], schema)
    table = log_table(entries_of(view, keys, schema, rows, times=times), view.schema_bytes)
    assert table.column_names == [*sorted(keys[1]), *sorted(schema), EVENT_TIME, CREATED_TIME, DELETED]
    table.validate(full=True)
    for name, type_ in keys[1].items():
        assert all(map(same, plain(table[name], type_), [key[name] for key in keys[0]])), name
    for name, type_ in schema.items():
        expected = [None if values is None else values[name] for values in rows]
        assert all(map(same, plain(table[name], type_), expected)), (name, type_)
        assert len(table[name]) == len(rows)
    assert plain(table[EVENT_TIME], "timestamp_us") == [event_us for event_us, _ in times]
    assert plain(table[CREATED_TIME], "timestamp_us") == [created_us for _, created_us in times]
    assert table[DELETED].to_pylist() == [values is None for values in rows]


def test_many_rows_pass_in_blocks():
    """More than a block of them, with strings and lists in each."""
    n = 20_000
    schema = {"x": "float64", "s": "string", "l": "float32_list"}
    view = feature_view({"id": "string"}, schema)
    keys = [{"id": f"key \0 {number}"} for number in range(n)]
    rows = [{"x": number / 2, "s": f"s{number}" * (number % 3), "l": [1.0] * (number % 4)} for number in range(n)]
    entries = entries_of(view, (keys, {"id": "string"}), schema, rows, times=[(5, 6)] * n, at_once=7000)
    table = log_table(entries, view.schema_bytes)
    assert table["id"].to_pylist() == [key["id"] for key in keys]
    assert table.select(["x", "s", "l"]).to_pylist() == rows


def test_units_stand_in_the_metadata():
    """As training sets have them."""
    view = feature_view({"id": "int64"}, {"fare": "float64", "plain": "int64"}, units={"fare": "SEK"})
    rows = encode_row(
        {"fare": "float64", "plain": "int64"},
        {"fare": 1.0, "plain": 2},
        fingerprint=view.fingerprint,
        event_us=1,
        created_us=2,
    )
    [entry] = encode_entries(VIEW_ID, describe_view(view), [encode_key([("int64", 1)])], [rows])
    schema = log_table([decode_entry(entry)], view.schema_bytes).schema
    assert schema.field("fare").metadata == {b"unit": b"SEK"}
    assert schema.field("plain").metadata is None


@pytest.mark.parametrize("damage", ["row", "key"])
def test_what_is_damaged_is_refused(damage):
    """By its checksum, or by the join keys that it does not have."""
    schema = {"x": "string"}
    view = feature_view({"id": "string"}, schema)
    [entry] = entries_of(view, ([{"id": "a"}], {"id": "string"}), schema, [{"x": "value"}], times=[(1, 2)])
    key, row = entry.keys, entry.rows
    if damage == "row":
        row = row.replace(b"value", b"vaIue")
    else:
        key = key[:-1] + b"b"
    [broken] = encode_entries(VIEW_ID, entry.description, [key], [row])
    with pytest.raises(HotrowError, match="damaged"):
        log_table([decode_entry(broken)], view.schema_bytes)
