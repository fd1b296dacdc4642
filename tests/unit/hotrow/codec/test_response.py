"""Replies from the kernel are, byte for byte, what protobuf makes of the twin's message."""

import dataclasses

import numpy as np
import pytest
from hotrow.codec.layout import layout_from_schema
from hotrow.codec.lookup import rows_from_list
from hotrow.codec.response import RowFaultError, write_response
from hotrow.codec.response_plan import MATRIX_KINDS, ReplyShape, ViewColumns, plan_response
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply
from hypothesis import given
from hypothesis import strategies as st
from reference.column import TYPES, values_of
from reference.reply import Asked, AskedView, StoredRow, reply
from support import strategies
from support.codec import NOW_US, kernel_reply, plan_of, stored_rows
from support.schema import TYPES as VALUE_TYPES
from support.schema import view as feature_view

SNAPSHOT = "5" * 64
TIMES = st.integers(-(2**63), 2**63 - 1) | st.integers(NOW_US - 3, NOW_US + 3)


def asked_of(view, **options):
    return Asked([(name, view, name) for name in view.schema], SNAPSHOT, NOW_US, **options)


@st.composite
def views(draw, name, n, types=strategies.types):
    """A view of any schema, with rows of any kind: there, absent, deleted, too old."""
    schema = draw(st.dictionaries(strategies.names, types, min_size=1, max_size=12))
    rows = []
    for values in draw(strategies.rows_of(schema, n)):
        kind = draw(st.sampled_from(["row", "row", "row", "absent", "tombstone"]))
        rows.append(None if kind == "absent" else StoredRow(values, draw(TIMES), tombstone=kind == "tombstone"))
    units = {field: draw(st.sampled_from(["", "SEK", "°C"])) for field in schema}
    ttl_us = draw(st.none() | st.sampled_from([1, 2, 10**15, 2**63 - 1]))
    return AskedView(name, schema, rows, ttl_us=ttl_us, units={k: unit for k, unit in units.items() if unit})


@given(st.data())
def test_replies_of_any_rows_are_protobufs_own_bytes(data):
    """Several views, features in any order, every type, null and absent and expired, with and without event times."""
    n = data.draw(st.integers(0, 4))
    asked = [data.draw(views(name, n)) for name in data.draw(st.sampled_from([["a"], ["a", "b"], ["a", "b", "c"]]))]
    columns = [(f"{view.name}__{field}", view, field) for view in asked for field in view.schema]
    columns = data.draw(st.permutations(columns))[: data.draw(st.integers(1, len(columns)))]
    read = Asked(columns, SNAPSHOT, NOW_US, event_timestamps=data.draw(st.booleans()))
    assert kernel_reply(read) == reply(read)


@given(st.data())
def test_matrices_are_protobufs_own_bytes(data):
    """Numbers of every type as float32, row by row, NaN where there is none."""
    kinds = [wire for wire, type_ in VALUE_TYPES.items() if type_.kind in MATRIX_KINDS]
    n = data.draw(st.integers(0, 4))
    view = data.draw(views("a", n, st.sampled_from(kinds)))
    read = asked_of(view, matrix=True, event_timestamps=data.draw(st.booleans()))
    assert kernel_reply(read) == reply(read)


@pytest.mark.parametrize("type_", TYPES)
def test_a_field_that_the_stored_row_lacks_is_its_default_or_null(type_):
    """A row of an older schema: a field added since has its default, or is null; one removed since is not seen."""
    one = {"string": "hé", "bytes": b"\0\xff", "bool": True}.get(type_.removesuffix("_list"), 7)
    value = [one, one] if type_.endswith("_list") else one
    schema = {"b": type_, "d": type_, "kept": type_, "n": type_, "z": type_}
    old = {"a": type_, "gone": "string", "kept": type_, "z": "bytes"} | {"z": type_}
    rows = [
        StoredRow({"a": value, "gone": "x" * 9, "kept": value, "z": None}, schema=old),
        StoredRow(dict.fromkeys(schema, value)),
        None,
        StoredRow({"a": None, "gone": None, "kept": None, "z": value}, schema=old),
        StoredRow(dict.fromkeys(schema)),
    ]
    view = AskedView("a", schema, rows, defaults={"d": value, "b": value, "n": None})
    assert kernel_reply(asked_of(view)) == reply(asked_of(view))


@given(st.data())
def test_rows_of_several_older_schemas_are_read_by_name(data):
    """Any three schemas that agree on types, in any order of rows."""
    types = data.draw(st.dictionaries(strategies.names, strategies.types, min_size=2, max_size=12))
    subsets = st.sets(st.sampled_from(sorted(types)), min_size=1)
    schemas = [{name: types[name] for name in sorted(data.draw(subsets))} for _ in range(4)]
    rows = [
        StoredRow(data.draw(strategies.rows_of(schema, 1))[0], NOW_US, schema=schema)
        for schema in data.draw(st.permutations(schemas + schemas))
    ]
    defaults = {name: data.draw(strategies.nullable(types[name])) for name in data.draw(subsets) if name in schemas[0]}
    read = asked_of(AskedView("a", schemas[0], rows, defaults=defaults))
    assert kernel_reply(read) == reply(read)


@pytest.mark.parametrize(
    ("ttl_us", "age_us", "status"),
    [(10, 10, 1), (10, 11, 4), (10, 0, 1), (10, -5, 1), (None, 2**60, 1), (2**63 - 1, 2**60, 1), (1, 2**62, 4)],
)
def test_a_row_expires_when_it_is_older_than_the_ttl(ttl_us, age_us, status):
    """As old as the ttl is still valid; one microsecond more is not, and then the event time is told all the same."""
    view = AskedView("a", {"x": "int64"}, [StoredRow({"x": 5}, NOW_US - age_us)], ttl_us=ttl_us)
    message = GetOnlineFeaturesReply.FromString(kernel_reply(asked_of(view, event_timestamps=True)))
    assert list(message.columns[0].statuses) == [status]
    assert list(message.columns[0].int64.values) == [5 if status == 1 else 0]
    assert list(message.event_times[0].values) == [NOW_US - age_us]


@pytest.mark.parametrize("event_us", [-(2**63), -(2**63) + 1, -(2**62)])
def test_the_earliest_event_times_expire_too(event_us):
    """Their age does not fit 64 bits."""
    view = AskedView("a", {"x": "int64"}, [StoredRow({"x": 5}, event_us)], ttl_us=10)
    message = GetOnlineFeaturesReply.FromString(kernel_reply(asked_of(view)))
    assert list(message.columns[0].statuses) == [4]


def test_many_rows_of_many_columns():
    """10,000 rows of 60 columns, some null and some absent."""
    n, schema = (
        10_000,
        {f"f{i:02}": ("float64", "int64", "float32", "bool", "string", "int32")[i % 6] for i in range(60)},
    )
    values = {"float64": 0.1, "int64": -3, "float32": 0.5, "bool": True, "string": "abc" * 50, "int32": 9}
    full = StoredRow({name: values[type_] for name, type_ in schema.items()}, NOW_US)
    holey = StoredRow({name: values[type_] if name < "f30" else None for name, type_ in schema.items()}, NOW_US)
    few = AskedView("a", schema, [full, holey, None])
    rows = [row for row, times in zip(stored_rows(few), (n // 2, n // 4, n // 4), strict=True) for _ in range(times)]
    message = GetOnlineFeaturesReply.FromString(write_response(plan_of(asked_of(few)), rows_from_list(rows), n, NOW_US))
    assert len(message.columns) == 60
    for column in message.columns:
        value, later = values[schema[column.name]], column.name >= "f30"
        held = values_of(column)
        assert held[: n // 2] == [value] * (n // 2)
        assert held[n // 2 : 3 * n // 4] == [None if later else value] * (n // 4)
        assert np.array_equal(np.unique(column.statuses[3 * n // 4 :]), [3])


def test_units_that_many_columns_share_find_room():
    """The buffer counts a constant as often as it is written: a thousand columns of one long unit, without rows."""
    schema = {f"f{i:03}": "int64" for i in range(1000)}
    view = AskedView("a", schema, [], units=dict.fromkeys(schema, "°" * 32))
    assert kernel_reply(asked_of(view)) == reply(asked_of(view))


def test_no_columns_make_an_empty_reply():
    """Nothing but the snapshot, for any number of rows."""
    plan = plan_response([], ReplyShape((), SNAPSHOT, event_timestamps=False, matrix=False))
    assert (
        write_response(plan, rows_from_list([]), 3, NOW_US)
        == GetOnlineFeaturesReply(snapshot=SNAPSHOT).SerializeToString()
    )


def test_a_row_of_an_unknown_schema_is_told():
    """Which view and row, so that a layout can be found for it."""
    view = AskedView("a", {"x": "int64"}, [StoredRow({"x": 5})])
    newer = AskedView("a", {"x": "int64", "y": "bool"}, [None, StoredRow({"x": 5, "y": True})])
    with pytest.raises(RowFaultError) as caught:
        write_response(plan_of(asked_of(view)), rows_from_list(stored_rows(newer)), 2, NOW_US)
    assert (caught.value.unknown_schema, caught.value.view, caught.value.row) == (True, 0, 1)


def test_a_layout_of_another_type_is_never_read_as_the_fields():
    """A plan that was given such a layout says null, never another value."""
    old = feature_view({}, {"x": "float64"})
    view = AskedView("a", {"x": "int64"}, [StoredRow({"x": 5.0}, schema={"x": "float64"})])
    columns = ViewColumns(
        name="a",
        ttl_us=None,
        layouts=(layout_from_schema(old.schema_bytes, old.fingerprint),),
        fields=(feature_view({}, view.schema).field("x"),),
        columns=(0,),
    )
    shape = ReplyShape(("x",), SNAPSHOT, event_timestamps=False, matrix=False)
    message = GetOnlineFeaturesReply.FromString(
        write_response(plan_response([columns], shape), rows_from_list(stored_rows(view)), 1, 0)
    )
    assert (list(message.columns[0].statuses), list(message.columns[0].int64.values)) == ([2], [0])


def test_buffers_that_grew_serve_smaller_reads():
    """A large reply and then small ones, by one thread: nothing of the large one is left in them."""
    large = AskedView("a", {"x": "string"}, [StoredRow({"x": "y" * 1000})] * 500)
    small = dataclasses.replace(large, rows=[None, StoredRow({"x": ""})])
    for view in (small, large, small):
        assert kernel_reply(asked_of(view)) == reply(asked_of(view))
