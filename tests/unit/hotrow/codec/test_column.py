"""A column's bytes are protobuf's own, its values come back as they went, and wrong values are refused by name."""

import struct
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hotrow.codec.column import ColumnTypeError, decode_column, encode_column, packed_varints
from hotrow.errors import HotrowError
from hotrow.types import (
    BY_NAME,
    SCALARS,
    Array,
    Bool,
    Bytes,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
    ValueType,
)
from hotrow.v1.column_pb2 import NULL_VALUE, PRESENT, Column, Float64Lists
from hypothesis import given
from hypothesis import strategies as st

ELEMENTS = {
    "Float64": st.floats(allow_nan=False),
    "Float32": st.floats(width=32, allow_nan=False),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "Int32": st.integers(-(2**31), 2**31 - 1),
    "Bool": st.booleans(),
    "String": st.text(max_size=200),
    "Bytes": st.binary(max_size=200),
    "UnixTimestamp": st.integers(-(2**63), 2**63 - 1),
}
ZEROS = {"Float64": 0.0, "Float32": 0.0, "Int64": 0, "Int32": 0, "Bool": False, "String": "", "Bytes": b""}
EVERY_TYPE = [*BY_NAME.values()]


@st.composite
def columns(draw):
    """A type, rows of it with nulls among them, a name and a unit."""
    value_type = draw(st.sampled_from(EVERY_TYPE))
    element = ELEMENTS[BY_NAME[value_type.name.removeprefix("Array(").removesuffix(")")].name]
    row = st.lists(element, max_size=draw(st.sampled_from([3, 200]))) if value_type.is_list else element
    rows = draw(st.lists(st.one_of(st.none(), row), max_size=20))
    return value_type, rows, draw(st.text(max_size=10)), draw(st.sampled_from(["", "SEK", "°C"]))


def expected_message(value_type: ValueType, rows, name: str, unit: str) -> Column:
    """The same column through protobuf's own objects."""
    message = Column(name=name, unit=unit)
    block = getattr(message, value_type.wire_name)
    block.SetInParent()
    if value_type.is_list:
        block.values.extend([value for row in rows if row is not None for value in row])
        block.lengths.extend([len(row or ()) for row in rows])
    else:
        zero = ZEROS.get(value_type.name, 0)
        block.values.extend([zero if row is None else row for row in rows])
    if None in rows:
        message.statuses.extend([NULL_VALUE if row is None else PRESENT for row in rows])
    return message


@given(columns())
def test_bytes_are_those_of_protobuf(column):
    """Every type, nulls, empty columns, lists, long strings and long lists."""
    value_type, rows, name, unit = column
    data = encode_column(name, rows, type=value_type, unit=unit)
    assert data == expected_message(value_type, rows, name, unit).SerializeToString()


@pytest.mark.parametrize("length", [127, 128, 255, 300, 70_000])
def test_long_lists_and_strings(length):
    """Whose lengths take more than a byte."""
    for value_type, rows in (
        (Array(Bool), [[True] * length, []]),
        (Array(String), [["a"] * length]),
        (String, ["é" * length]),
    ):
        data = encode_column("x", rows, type=value_type)
        assert data == expected_message(value_type, rows, "x", "").SerializeToString()
        assert decode_column(data).to_list() == rows


@given(columns())
def test_values_come_back(column):
    """From the bytes and from the message, with every null in its place."""
    value_type, rows, name, unit = column
    data = encode_column(name, rows, type=value_type, unit=unit)
    for decoded in (decode_column(data), decode_column(Column.FromString(data))):
        assert (decoded.name, decoded.type, decoded.unit, len(decoded)) == (name, value_type, unit, len(rows))
        values = [v.tolist() if value_type.is_list else v for v in decoded.values]
        assert [v if here else None for v, here in zip(values, decoded.present, strict=True)] == rows


@given(columns(), st.randoms(use_true_random=False))
def test_other_forms_are_read_alike(column, random):
    """Fields in any order, each packed block split in two, and unknown fields mean the same to protobuf and to us."""
    value_type, rows, name, unit = column
    message = expected_message(value_type, rows, name, unit)
    pieces = [Column(name=name).SerializeToString(), Column(unit=unit).SerializeToString(), b"\xa0\x06\x01"]
    block = getattr(message, value_type.wire_name)
    for values, lengths in ((block.values[: len(block.values) // 2], ()), (block.values[len(block.values) // 2 :], 1)):
        half = Column(statuses=message.statuses if lengths else ())
        part = getattr(half, value_type.wire_name)
        part.values.extend(values)
        if lengths and value_type.is_list:
            part.lengths.extend(block.lengths)
        part.SetInParent()
        pieces.append(half.SerializeToString())
    places = list(range(3))
    random.shuffle(places)
    decoded = decode_column(b"".join([*(pieces[place] for place in places), *pieces[3:]]))
    straight = decode_column(message)
    assert decoded.to_list() == straight.to_list()
    assert (decoded.name, decoded.unit) == (name, unit)
    assert np.array_equal(decoded.statuses, straight.statuses)


@pytest.mark.parametrize("value_type", [Float64, Float32, Int64, Int32, UnixTimestamp, Bool])
def test_unpacked_numbers_are_read(value_type):
    """Proto2-style unpacked fields, which every proto3 parser accepts."""
    kind = value_type.kind
    fixed = {8: (b"\x09", "<q"), 4: (b"\x0d", "<i")}
    if value_type is Bool:
        body = b"\x08\x01\x08\x00"
    else:
        wide = value_type not in (Float32, Int32)
        head, form = fixed[8 if wide else 4]
        form = {1: "<d", 2: "<f"}.get(kind, form)
        body = head + struct.pack(form, 1) + head + struct.pack(form, 0)
    decoded = decode_column(bytes([(kind + 1) << 3 | 2, len(body)]) + body)
    assert decoded.type == value_type
    assert decoded.values.tolist() == [1, 0]


@given(st.binary(max_size=60))
def test_random_bytes_are_read_as_protobuf_reads_them(data):
    """Either both take the bytes and agree on the number of rows, or we refuse with INVALID."""
    try:
        decoded = decode_column(data)
    except HotrowError:
        return
    message = Column.FromString(data)
    assert decoded.name == message.name
    kind = message.WhichOneof("values")
    assert (decoded.type.wire_name if decoded.type else None) == kind


def test_nan_is_a_value_and_keeps_its_bits():
    """NaN, infinities and minus zero are not nulls, and their bytes are not touched."""
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0])
    values.view("<u8")[0] |= 0xABC
    decoded = decode_column(encode_column("x", values))
    assert decoded.values.tobytes() == values.tobytes()
    assert decoded.present.all()
    assert decode_column(encode_column("x", [float("nan"), None])).statuses.tolist() == [PRESENT, NULL_VALUE]


@pytest.mark.parametrize(
    ("values", "inferred"),
    [
        ([1, 2], Int64), ([1.5], Float64), ([1, 1.5], Float64), ([True], Bool), (["a"], String), ([b"a"], Bytes),
        ([None, 1], Int64), ([datetime.now(UTC)], UnixTimestamp), ([np.datetime64("2024-01-01")], UnixTimestamp),
        ([np.float32(1)], Float32), ([np.int32(1)], Int32), ([[1.0], []], Array(Float64)), (([1], None), Array(Int64)),
        (np.zeros(2, "f4"), Float32), (np.zeros(2, ">f8"), Float64), (np.zeros(2, "i4"), Int32),
        (np.zeros(2, "u2"), Int32), (np.zeros(2, "u4"), Int64), (np.zeros(2, "?"), Bool), (np.array(["a"]), String),
        (np.array([b"a"]), Bytes), (np.zeros(2, "M8[ns]"), UnixTimestamp), (np.zeros((2, 3), "f4"), Array(Float32)),
        (np.array([1, None], object), Int64), (np.ma.array([1, 2], mask=[0, 1]), Int64),
        ([np.zeros(2, "f4")], Array(Float32)),
    ],
)  # fmt: skip
def test_a_type_is_inferred(values, inferred):
    """From Python values and from dtypes, with no value lost."""
    decoded = decode_column(encode_column("x", values))
    assert decoded.type == inferred
    assert len(decoded) == len(values)


@pytest.mark.parametrize("dtype", ["M8[D]", "M8[s]", "M8[ms]", "M8[us]", "M8[ns]", "M8[25s]", "M8[100ns]"])
def test_times_of_every_resolution(dtype):
    """Stored in microseconds; NaT is a null."""
    times = np.array(["2024-03-01T12:00", "1969-12-31T23:00", "NaT"], dtype="M8[m]").astype(dtype)
    decoded = decode_column(encode_column("t", times))
    assert decoded.values[:2].tolist() == times[:2].astype("M8[us]").astype("i8").tolist()
    assert decoded.statuses.tolist() == [PRESENT, PRESENT, NULL_VALUE]


def test_nanoseconds_truncate_toward_minus_infinity():
    """Before 1970 too, where division toward zero would be a microsecond late."""
    times = np.array([1_999, 1_000, 999, 0, -1, -1_000, -1_001], "M8[ns]")
    assert decode_column(encode_column("t", times)).values.tolist() == [1, 1, 0, 0, -1, -1, -2]
    assert decode_column(encode_column("t", list(times))).values.tolist() == [1, 1, 0, 0, -1, -1, -2]


def test_datetimes_are_utc():
    """An aware one is converted, a naive one is taken as UTC, and they come back as UTC datetimes."""
    noon = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    naive = noon.astimezone(UTC).replace(tzinfo=None)
    decoded = decode_column(encode_column("t", [noon, naive, None, 1704103200000000], type=UnixTimestamp))
    assert decoded.to_list() == [noon.astimezone(UTC)] * 2 + [None, noon]


def test_given_statuses_decide():
    """They withhold the values of their slots, whatever those are; a null among PRESENT ones is NULL_VALUE."""
    data = encode_column("x", [1, 2, "no number", None], type=Int64, statuses=[1, 4, 3, 1])
    decoded = decode_column(data)
    assert decoded.statuses.tolist() == [1, 4, 3, NULL_VALUE]
    assert decoded.values.tolist() == [1, 0, 0, 0]
    assert encode_column("x", [1], statuses=[PRESENT]) == encode_column("x", [1])


def test_an_array_is_taken_as_it_lies():
    """Strided and big-endian arrays, and those that may not be written to."""
    source = np.arange(10, dtype=">i8")
    source.flags.writeable = False
    assert decode_column(encode_column("x", source[::3])).values.tolist() == [0, 3, 6, 9]


def test_decoded_values_are_the_callers_own():
    """Aligned and writable, at any offset of the message."""
    for name in ("", "a", "ab", "abc"):
        values = decode_column(encode_column(name, [1.0, 2.0])).values
        assert values.flags.aligned
        assert values.flags.writeable


@pytest.mark.parametrize("values", [[], [None], np.array([None, None]), [np.datetime64("NaT"), None]])
def test_a_column_without_a_value_has_no_type(values):
    """Its nulls are said by statuses alone; with a type given it has values."""
    decoded = decode_column(encode_column("a", values))
    assert (decoded.type, decoded.to_list()) == (None, [None] * len(values))
    assert decode_column(encode_column("a", values, type=Bool)).type == Bool
    assert decode_column(encode_column("a", [[], None, np.zeros(0, object)])).to_list() == [[], None, []]


WRONG_TYPES = [
    ([True], Int64, "takes whole numbers, not bool"),
    ([True, 2], None, "bool, int"),
    ([Decimal(1)], None, "cannot hold values of Decimal; decimals have no type of their own: say the field's"),
    ([{"a": 1}], None, "cannot hold values of dict; make columns of its parts"),
    ([timedelta(1)], Float64, "takes numbers, not timedelta; send a number, such as value.total_seconds"),
    (np.array([1], "m8[s]"), None, "cannot hold timedelta64.* values; send a number"),
    ([time(1)], Int64, "takes whole numbers, not time; send an integer"),
    (np.array([True]), Float64, "takes numbers, not bool"),
    ([1], Bool, "takes bools"),
    (["1"], Float64, "takes numbers, not str"),
    ([b"a"], String, "takes strings, not bytes"),
    (np.array([b"a"]), String, "takes strings"),
    (["a"], Bytes, "takes bytes, not str"),
    (["noon"], UnixTimestamp, "'noon', which is no time; write it as in 2024-05-01T12:00:00Z"),
    ([1, "a"], None, "int, str"),
    ("abc", None, "a list or an array"),
    (5, None, "a list or an array"),
    ({1, 2}, None, "not a set"),
    (np.array(5), None, "one dimension"),
    (np.zeros((2, 2)), Float64, "2 dimensions"),
    (np.zeros(2), Array(Float64), "1 dimensions"),
    ([[1], 2], Array(Int64), "a row holds a int"),
    ([[1, None]], Array(Int64), "a null within a list"),
    (np.array([["NaT"]], "M8[us]"), Array(UnixTimestamp), "a null within a list"),
    ([1j], None, "complex"),
    (np.array([1j]), None, "complex128"),
]


@pytest.mark.parametrize(("values", "value_type", "message"), WRONG_TYPES)
def test_values_of_another_type_are_refused(values, value_type, message):
    """With the column's name, what it takes and what it got; the error is a TypeError and a HotrowError."""
    with pytest.raises(ColumnTypeError, match=message) as raised:
        encode_column("fare", values, type=value_type)
    assert "'fare'" in raised.value.message
    assert isinstance(raised.value, TypeError)


@pytest.mark.parametrize(
    ("values", "value_type", "message"),
    [
        ([2**31], Int32, "32 bits"),
        (np.array([-(2**31) - 1]), Int32, "32 bits"),
        ([2**63], Int64, "64 bits"),
        (np.array([2**63], "u8"), Int64, "64 bits"),
        ([2**63], UnixTimestamp, "64 bits"),
        ([10**400], Float64, "range of a float of 64 bits"),
        ([Decimal("1e400")], Float64, "range of a float of 64 bits"),
        ([10**39], Float32, "range of a float of 32 bits"),
        ([1e39], Float32, "range of a float of 32 bits"),
        (np.array([1e39]), Float32, "range of a float of 32 bits"),
        ([1.5], Int64, "not whole"),
        (np.array([1.5]), Int32, "not whole"),
        ([1, 1.5], Int64, "1.5 is not a whole number"),
        ([Decimal("0.5")], Int64, "0.5 is not a whole number"),
        ([float("inf")], Int64, "does not fit in 64 bits"),
        ([1e30], Int64, "64 bits"),
        ([Decimal("sNaN")], Float64, "cannot convert signaling NaN"),
        ([Decimal("Infinity")], String, "not a decimal with a plain text"),
        (np.array([2**62], "M8[7000ns]"), UnixTimestamp, "microseconds"),
        (np.array([10**6], "M8[Y]"), UnixTimestamp, "microseconds"),
        ([np.datetime64(10**6, "Y")], UnixTimestamp, "microseconds"),
        (["\ud800"], String, "not Unicode"),
        (np.array([2**62], "M8[s]"), UnixTimestamp, "microseconds"),
    ],
)
def test_values_out_of_range_are_refused(values, value_type, message):
    """Never wrapped, cut or made infinite."""
    with pytest.raises(HotrowError, match=message) as raised:
        encode_column("fare", values, type=value_type)
    assert raised.value.field == "fare"


def test_infinity_is_a_float32():
    """What was infinite before is no overflow."""
    assert decode_column(encode_column("x", [np.inf, np.nan], type=Float32)).values[0] == np.inf


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (Column(name="a", statuses=[1], int64={"values": [1, 2]}), "2 values and 1 statuses"),
        (Column(name="a", int64_list={"values": [1, 2], "lengths": [1]}), "2 elements and lengths of 1"),
        (b"\x0a\x01a\x12\x05\x0a\x03abc", "protobuf"),
        (Column(name="a", statuses=[256], int64={"values": [1]}), "a status that is none"),
        (Column(name="a", statuses=[-1]), "a status that is none"),
        (b"\x0a\x05a", "protobuf"),
        (b"\x0a\x01\xff", "protobuf"),
    ],
)
def test_broken_columns_are_refused(message, complaint):
    """Ragged lengths, statuses that do not fit, cut-off blocks, names that are not UTF-8."""
    with pytest.raises(HotrowError, match=complaint):
        decode_column(message)


@pytest.mark.parametrize("statuses", [[0], [6], [1.0], [[1]], [1, 1]])
def test_wrong_statuses_are_refused(statuses):
    """Unknown numbers, floats, and more or fewer than rows."""
    with pytest.raises(HotrowError):
        encode_column("x", [1], statuses=statuses)


def test_every_scalar_type_is_covered():
    """A new type has to have a strategy here."""
    assert {t.name for t in SCALARS} == ELEMENTS.keys()


def test_loads_neither_numba_nor_a_store():
    """The client imports this module."""
    code = (
        "import hotrow.codec.reply, sys;"
        "assert not {'numba', 'lmdb', 'pyarrow', 'grpc'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=30))
def test_packed_varints_are_protobufs(numbers):
    """Lengths of lists, whatever their size."""
    block = Float64Lists(lengths=numbers).SerializeToString()
    assert block.endswith(packed_varints(np.array(numbers, np.uint32)))
    assert len(block) == 0 or len(block) - len(packed_varints(np.array(numbers, np.uint32))) <= 4
