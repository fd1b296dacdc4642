"""Columns of a push become the keys and rows that the twins make of them."""

import struct

import pytest
from hotrow.codec.kernel_key import FUTURE, KEY_TOO_LONG, NOT_UTF8, NULL_KEY, OUT_OF_RANGE
from hotrow.errors import Code, HotrowError
from hotrow.v1.column_pb2 import Column
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hypothesis import given
from hypothesis import strategies as st
from reference import row as twin
from reference.column import SCALARS, TYPES, column
from reference.key import encode_key
from reference.push import PushedView, RefusedError, read_push
from support import strategies
from support.codec import NOW_US, push_rows
from support.schema import view as feature_view


def stored(view, values, *, event_us=NOW_US, created_us=0):
    return twin.encode_row(
        view.schema,
        values,
        fingerprint=twin.fingerprint(view.schema, view.units),
        event_us=event_us,
        created_us=created_us,
    )


def declared(view):
    return feature_view(view.keys, view.schema, units=view.units, defaults=view.defaults)


def assert_as_the_twin(view, request):
    """Keys, rows and faults of a push are those of the twin."""
    encoded = push_rows(declared(view), request)
    wanted = read_push(request, view)
    names = [*sorted(view.keys), *sorted(view.schema)]
    faults = {row: names[entry] for row, _, entry in encoded.refused()}
    assert len(encoded) == len(wanted)
    for number, (row, key, data) in enumerate(zip(wanted, encoded.keys(), encoded.rows(), strict=True)):
        if row.faults:
            assert faults.pop(number) in row.faults
            assert (key, data) == (b"", b"")
        else:
            event_us = request.event_time_us[number] if request.event_time_us else NOW_US
            assert key == row.key
            assert data == stored(view, row.values, event_us=event_us)
    assert faults == {}


@given(st.data())
def test_rows_of_any_schema_are_the_twins(data):
    """Every type, null or not, empty or not, with any keys, units and event times."""
    keys = data.draw(strategies.key_sets)
    schema = data.draw(strategies.schemas)
    units = {name: data.draw(st.sampled_from(["", "SEK", "°C"])) for name in schema}
    n = data.draw(st.integers(0, 5) if keys else st.just(1))
    rows = data.draw(strategies.rows_of(schema, n))
    columns = [
        column(k, type_, [data.draw(strategies.key_value(type_)) for _ in range(n)]) for k, type_ in keys.items()
    ]
    columns += [column(f, t, [row[f] for row in rows], unit=units[f]) for f, t in schema.items()]
    times = data.draw(st.just([]) | st.lists(st.integers(-(2**63), NOW_US), min_size=n, max_size=n))
    request = PushFeaturesRequest(rows=data.draw(st.permutations(columns)), event_time_us=times)
    assert_as_the_twin(PushedView(keys, schema, {name: unit for name, unit in units.items() if unit}), request)


@pytest.mark.parametrize("type_", TYPES)
def test_a_default_stands_in_for_a_column_that_is_left_out(type_):
    """A default of any type, or null."""
    one = {"string": "hé", "bytes": b"\0\xff", "bool": True}.get(type_.removesuffix("_list"), 7)
    value = (one, one) if type_.endswith("_list") else one
    schema = {"a": "string", "d": type_, "z": "bytes", "n": type_}
    view = PushedView({"id": "int64"}, schema, defaults={"d": value, "n": None})
    columns = [column("id", "int64", [1, 2]), column("a", "string", ["x", ""]), column("z", "bytes", [b"", b"y"])]
    assert_as_the_twin(view, PushFeaturesRequest(rows=columns))


@given(st.sampled_from(TYPES), st.sampled_from(TYPES), st.data())
def test_values_are_converted_without_loss_or_refused(source, wanted, data):
    """Integers to wider and narrower integers and to floats, floats to floats; never anything to another kind."""
    view = PushedView({"id": "int32"}, {"x": wanted})
    edges = [0, 1, -1, 2**24, 2**24 + 1, -(2**31), 2**31 - 1]
    edges += [] if source.startswith("int32") else [2**31, -(2**31) - 1, 2**53, 2**53 + 1, -(2**63), 2**63 - 1]
    one = strategies.SCALAR_VALUES[source.removesuffix("_list")]
    if source.startswith("int"):
        one = st.sampled_from(edges) | one
    if source.startswith("float64"):
        one = st.sampled_from([3.4028235e38, 3.4028236e38, 1e39, -1e300, float("inf"), 0.1]) | one
    value = st.none() | (st.lists(one, max_size=3) if source.endswith("_list") else one)
    rows = data.draw(st.lists(value, min_size=1, max_size=6))
    request = PushFeaturesRequest(
        rows=[column("id", "int64", list(range(len(rows)))), column("x", source, rows)],
    )
    try:
        read_push(request, view)
    except RefusedError:
        with pytest.raises(HotrowError, match="'x'") as caught:
            push_rows(declared(view), request)
        assert caught.value.code is Code.INVALID
    else:
        assert_as_the_twin(view, request)


def test_a_list_that_does_not_fit_refuses_its_row_alone():
    """The rows behind it take their own elements, not those that it left."""
    view = PushedView({"id": "int64"}, {"l": "int32_list", "t": "string_list"})
    lists = column("l", "int64_list", [[1], [2**40, 5], [], [3, 4], [2**31 - 1]])
    texts = column("t", "string_list", [["a"], [], ["b", ""], ["c"], []])
    request = PushFeaturesRequest(rows=[column("id", "int64", [1, 2, 3, 4, 5]), lists, texts])
    assert_as_the_twin(view, request)
    bad = request.SerializeToString().replace(b"\x0a\x01b\x0a\x00", b"\x0a\x01\xff\x0a\x00")
    encoded = push_rows(declared(view), bad)
    assert [(row, fault) for row, fault, _ in encoded.refused()] == [(1, OUT_OF_RANGE), (2, NOT_UTF8)]
    assert twin.decode_row(encoded.rows()[3], view.schema) == {"l": [3, 4], "t": ["c"]}


@given(st.binary(max_size=12) | st.text(max_size=8).map(str.encode), st.booleans())
def test_strings_are_utf_8_as_python_has_it(data, as_key):
    """Bytes that Python does not decode refuse their row, as a key, as a field and in a list; bytes may be anything."""
    keys, schema = (
        ({"s": "string"}, {"b": "bytes"}) if as_key else ({"b": "bytes"}, {"s": "string", "l": "string_list"})
    )
    columns = [Column(name="b"), Column(name="s")]
    columns[0].bytes.values.append(data)
    message = b"".join(_field(4, column.SerializeToString()) for column in columns[:1])
    message += _field(4, _field(1, b"s") + _field(7, _field(1, data)))
    if not as_key:
        message += _field(4, _field(1, b"l") + _field(15, _field(1, b"x") + _field(1, data) + _field(2, b"\2")))
    encoded = push_rows(feature_view(keys, schema), message)
    try:
        data.decode()
    except UnicodeDecodeError:
        assert [fault for _, fault, _ in encoded.refused()] == [NOT_UTF8]
    else:
        assert encoded.is_clean


def _field(number, payload):
    assert len(payload) < 128
    assert number < 16
    return bytes([number << 3 | 2, len(payload)]) + payload


def test_faults_of_rows_refuse_those_rows():
    """A null key, a key that is too long, an integer key out of range, an event time ahead; the others are stored."""
    keys = {"id": "int32", "name": "string"}
    view = PushedView(keys, {"x": "float64"})
    ids = column("id", "int64", [None, 2, 2**31, 4, 5, -(2**31)])
    names = column("name", "string", ["a", "n" * 480, "c", "d", "n" * 469, "n" * 469])
    request = PushFeaturesRequest(rows=[ids, names, column("x", "float64", [1.0] * 6)])
    request.event_time_us.extend([NOW_US, NOW_US, NOW_US, NOW_US + 1_000_001, NOW_US + 1_000_000, NOW_US])
    encoded = push_rows(declared(view), request)
    assert encoded.refused() == [(0, NULL_KEY, 0), (1, KEY_TOO_LONG, 1), (2, OUT_OF_RANGE, 0), (3, FUTURE, -1)]
    assert list(map(len, encoded.keys())) == [0, 0, 0, 0, 480, 480]


def test_a_key_may_have_480_bytes():
    """The longest key fits, one byte more does not, however the bytes come about."""
    view = feature_view({"a": "bytes", "b": "string"}, {"x": "bool"})
    texts = ["n" * 476, "n" * 477, "n" * 476, "\0" * 238, "\0" * 238 + "n"]
    request = PushFeaturesRequest(
        rows=[
            column("a", "bytes", [b"", b"", b"x", b"", b""]),
            column("b", "string", texts),
            column("x", "bool", [True] * 5),
        ]
    )
    encoded = push_rows(view, request)
    assert list(map(len, encoded.keys())) == [480, 0, 0, 480, 0]
    assert encoded.keys()[3] == encode_key([("bytes", b""), ("string", texts[3])])
    assert [(row, fault) for row, fault, _ in encoded.refused()] == [
        (1, KEY_TOO_LONG),
        (2, KEY_TOO_LONG),
        (4, KEY_TOO_LONG),
    ]


def test_a_delete_writes_tombstones():
    """Keys alone; a column of a field is refused by name."""
    view = feature_view({"id": "int64"}, {"x": "float64"})
    keys = column("id", "int64", [1, 2])
    encoded = push_rows(view, PushFeaturesRequest(rows=[keys], event_time_us=[5, -6]), delete=True)
    mark = twin.fingerprint({"x": "float64"})
    assert encoded.rows() == [twin.encode_tombstone(fingerprint=mark, event_us=us, created_us=0) for us in (5, -6)]
    with pytest.raises(HotrowError, match="DELETE takes the keys alone: column 'x' is not known"):
        push_rows(view, PushFeaturesRequest(rows=[keys, column("x", "float64", [1.0, 2.0])]), delete=True)


def test_a_stamp_sets_the_created_time_and_the_checksum():
    """Of the rows that are kept, a microsecond a row; nothing else changes."""
    view = PushedView({"id": "int64"}, {"x": "string"})
    request = PushFeaturesRequest(rows=[column("id", "int64", [1, None, 3]), column("x", "string", ["a", "b", "c"])])
    encoded = push_rows(declared(view), request).stamped(77)
    assert encoded.rows() == [stored(view, {"x": "a"}, created_us=77), b"", stored(view, {"x": "c"}, created_us=79)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.append(column("y", "int64", [1, 2])), "column 'y' is not known"),
        (lambda rows: rows.append(column("x", "float64", [1, 2])), "column 'x' is there twice"),
        (lambda rows: rows.pop(), "feature 'x' is missing; send a Float64 column"),
        (lambda rows: rows.pop(0), "join key 'id' is missing; send an Int64 column"),
        (lambda rows: rows[1].float64.values.append(1), "column 'x' has 3 rows"),
        (lambda rows: rows[1].statuses.append(1), "column 'x' has 2 rows"),
        (lambda rows: rows[1].statuses.extend([1, 3]), "status of 'x' in row 1"),
        (lambda rows: rows[1].statuses.extend([0, 1]), "status of 'x' in row 0"),
        (lambda rows: rows[1].ClearField("float64"), "the column has no values; send float64"),
        (lambda rows: rows[1].string.values.append("x"), "the column has String values"),
        (
            lambda rows: setattr(rows[1], "unit", "USD"),
            "'x' has the unit 'SEK', and the column states 'USD', another currency; convert the values and state 'SEK'",
        ),
        (
            lambda rows: setattr(rows[1], "unit", "SEK^1"),
            "the column states 'SEK\\^1', the same unit written otherwise; state 'SEK'",
        ),
        (lambda rows: setattr(rows[1], "unit", "€" * 9999), "the column states '€{32}'..., no unit that hotrow reads"),
        (lambda rows: setattr(rows[0], "unit", "m"), "'id' has no unit"),
    ],
)
def test_what_is_wrong_with_a_batch_is_told_by_name(change, message):
    """The column, what is wrong with it, and the view."""
    rows = [column("id", "int64", [1, 2]), column("x", "float64", [1, 2])]
    change(rows)
    with pytest.raises(HotrowError, match=f"view 'stats': .*{message}") as caught:
        push_rows(feature_view({"id": "int64"}, {"x": "float64"}, units={"x": "SEK"}), PushFeaturesRequest(rows=rows))
    assert caught.value.code is Code.INVALID
    assert caught.value.field in ("x", "y", "id")


def test_lengths_of_lists_must_sum_up():
    """Too few elements, too many, and lengths that overflow when they are summed."""
    view = feature_view({"id": "int64"}, {"x": "int64_list", "s": "string_list"})
    for type_, name, element in (("int64_list", "x", 1), ("string_list", "s", "a")):
        for lengths in ([1, 1], [2, 3], [2**32 - 1, 2**32 - 1], [0, 0], [3, 2**32 - 3]):
            rows = [column("id", "int64", [1, 2]), column("x", "int64_list", [[], []])]
            rows.append(column("s", "string_list", [[], []]))
            block = getattr(next(row for row in rows if row.name == name), type_)
            block.ClearField("lengths")
            block.lengths.extend(lengths)
            block.values.extend([element] * 3)
            with pytest.raises(HotrowError, match=f"column '{name}' has 2 rows"):
                push_rows(view, PushFeaturesRequest(rows=rows))


def test_event_times_are_one_a_row():
    """Any other number is refused."""
    view = feature_view({"id": "int64"}, {"x": "bool"})
    rows = [column("id", "int64", [1, 2]), column("x", "bool", [True, False])]
    for times in ([1], [1, 2, 3]):
        with pytest.raises(HotrowError, match="event_time_us does not have one value a row"):
            push_rows(view, PushFeaturesRequest(rows=rows, event_time_us=times))


def test_a_view_without_entities_has_one_row():
    """Its key is empty; with all fields left out, the event times say how many rows there are."""
    view = PushedView({}, {"x": "int64"}, defaults={"x": 3})
    assert_as_the_twin(view, PushFeaturesRequest(rows=[column("x", "int64", [5])]))
    assert_as_the_twin(view, PushFeaturesRequest())
    assert_as_the_twin(view, PushFeaturesRequest(event_time_us=[1, 2]))


def test_a_push_that_would_fill_the_memory_is_refused():
    """Defaults write far more than the request has."""
    view = feature_view({"id": "bool"}, {"x": "bytes"}, defaults={"x": b"x" * 4096})
    request = PushFeaturesRequest(rows=[column("id", "bool", [True] * 200_000)])
    with pytest.raises(HotrowError, match=r"view 'stats': 200000 rows of at least \d+ bytes are more than 512 MiB"):
        push_rows(view, request)


def test_a_column_of_every_scalar_in_many_rows():
    """Two thousand rows, with strings around the lengths at which varints grow."""
    n = 2_000
    schema = {type_: type_ for type_ in SCALARS}
    texts = ["x" * length for length in (0, 1, 127, 128, 300)]
    values = {"string": texts * (n // 5), "bytes": [text.encode() for text in texts] * (n // 5)}
    values |= {"bool": [True, False] * (n // 2), "float64": [r / 3 for r in range(n)]}
    values |= {"float32": [struct.unpack("<f", struct.pack("<f", r / 3))[0] for r in range(n)]}
    columns = [column("id", "int64", list(range(n)))]
    columns += [column(name, type_, values.get(type_, list(range(n)))) for name, type_ in schema.items()]
    assert_as_the_twin(PushedView({"id": "int64"}, schema), PushFeaturesRequest(rows=columns))
