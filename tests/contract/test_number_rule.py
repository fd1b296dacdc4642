"""One rule for numbers at every door: a float field takes the nearest value that it can hold, rounded once, and an
integer field what is whole and in its range; all else is refused, as a row or as a call.
"""

import sqlite3
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import HotrowError, ParquetSource, SqliteSource
from hotrow.cli.value import loaded_json, typed_values, value_from_json, value_from_text
from hotrow.codec.column import decode_column, encode_column
from hotrow.number import nearest_float32
from hotrow.offline.conversion import convert
from hotrow.offline.entity_rows import EntityColumns
from hotrow.offline.frame import open_frame
from hotrow.offline.open import open_source
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import Column, Interval, SourceColumns
from hotrow.schema.default import UnfitDefaultError, checked_default
from hotrow.schema.field import Field
from hotrow.types import FLOAT32, FLOAT64, Float32, Float64, Int32, Int64, String
from hotrow.v1.column_pb2 import Column as ColumnMessage
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.column import column
from support.codec import push_rows
from support.schema import view

REFUSED = "refused"
TWICE = 2**53 + 2**29 + 1  # as a float of 64 bits first, it would end at 2**53
VALUES = [
    "0", "-0.5", "0.1", "3", "-7.00", "16777217", "16777219", str(2**53 + 1), str(TWICE), str(-TWICE),
    str(2**31 - 1), str(2**31), str(-(2**31)), str(-(2**31) - 1), str(2**63 - 1), str(2**63), str(-(2**63)),
    str(2**64 - 1), "1000000000000000000000000000000000000000", "340282356779733661637539395458142568447",
    "340282356779733661637539395458142568448", "1.5000000596046448", "1.00000005960464477539062500000000000001",
    "1.00000005960464477539062499999999999999", "0.000000000000000000000000000000000000000000000000000001",
    "-12345678901234567890.125",
]  # fmt: skip
TYPES = [Float64, Float32, Int64, Int32]
_WIDTHS = {FLOAT64: np.float64, FLOAT32: np.float32}


def plain(converted):
    return converted.values.to_pylist()


def rule(value, declared):
    """What a field of the type holds of an exact number."""
    exact = Fraction(value)
    if declared in (Int64, Int32):
        bits = 64 if declared == Int64 else 32
        fits = exact.denominator == 1 and -(2 ** (bits - 1)) <= exact < 2 ** (bits - 1)
        return int(exact) if fits else REFUSED
    width = _WIDTHS[declared.kind]
    most = Fraction(float(np.finfo(width).max))
    half = (most - Fraction(float(np.nextafter(np.finfo(width).max, width(0))))) / 2
    if abs(exact) >= most + half:
        return REFUSED
    with np.errstate(over="ignore", under="ignore"):
        near = width(float(exact))
        around = [near, np.nextafter(near, width(np.inf)), np.nextafter(near, width(-np.inf))]
    around = [one for one in around if np.isfinite(one)]
    even = {one: int.from_bytes(one.tobytes(), "little") & 1 for one in around}
    return float(min(around, key=lambda one: (abs(Fraction(float(one)) - exact), even[one])))


def carriers(text):
    """The number as everything that holds it exactly: Arrow's arrays, and Python's and NumPy's values."""
    exact = Fraction(text)
    arrays, values = [], [Decimal(text)]
    if exact.denominator == 1:
        values.append(int(exact))
        for held, low, high in ((pa.int8(), -128, 128), (pa.int32(), -(2**31), 2**31), (pa.int64(), -(2**63), 2**63)):
            if low <= exact < high:
                arrays.append(pa.array([int(exact)], held))
                values.append(np.dtype(held.to_pandas_dtype()).type(int(exact)))
        if 0 <= exact < 2**64:
            arrays.append(pa.array([int(exact)], pa.uint64()))
    if Fraction(float(exact)) == exact:
        arrays.append(pa.array([float(exact)]))
        values += [float(exact), np.float64(exact)]
        if abs(exact) < 3e38 and Fraction(float(np.float32(float(exact)))) == exact:
            arrays.append(pa.array([float(exact)], pa.float32()))
            values.append(np.float32(exact))
    scale = max(0, -Decimal(text).as_tuple().exponent)
    digits = len(Decimal(text).as_tuple().digits)
    for make, most in ((pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 76)):
        if max(digits, scale) <= most:
            arrays.append(pa.array([Decimal(text)], make(most, scale)))
    return arrays, values


def read(source, folder, declared):
    """What a source has of the field; REFUSED for a row that is left out."""
    wanted = SourceColumns("v", (Column("x", declared),), "at")
    try:
        (batch,) = open_source(source, folder, wanted).batches(Interval())
    except HotrowError:  # of a column in which nothing fits
        return REFUSED
    converted = [convert(batch.rows.column("x"), declared)]
    kept = kept_rows(batch, converted, "at", Refusals())
    return plain(converted[0])[0] if kept[0] else REFUSED


def pushed(message, declared):
    """What the row of a push has of the field."""
    declared_view = view({"id": "int64"}, {"x": declared.wire_name})
    encoded = push_rows(declared_view, PushFeaturesRequest(rows=[column("id", "int64", [1]), message]))
    (row,) = encoded.rows()
    form = {Float64: "<d", Float32: "<f", Int64: "<q", Int32: "<i"}[declared]
    return struct.unpack_from(form, row, 33)[0] if row else REFUSED


def sent(value, declared, given):
    """The column that the client sends, pushed."""
    try:
        return pushed(ColumnMessage.FromString(encode_column("x", value, type=given)), declared)
    except HotrowError:
        return REFUSED


def entity(frame, declared):
    """Request data of a training set."""
    columns = EntityColumns("the frame", (), "at", (Field("x", declared),))
    table = open_frame(frame).table(columns.names)
    columns.check_types(table.schema)
    try:
        return columns.read(table).request["x"][0].as_py()
    except HotrowError:
        return REFUSED


@pytest.mark.parametrize("declared", TYPES, ids=str)
@pytest.mark.parametrize("text", VALUES)
def test_every_door_makes_the_same_of_a_number(tmp_path, text, declared):
    """Parquet, Hive, SQLite, frames, pushes, defaults and the command line, whatever carries the number."""
    wanted = rule(text, declared)
    arrays, values = carriers(text)
    at = pa.array([0], pa.timestamp("us"))
    for array in arrays:
        pq.write_table(pa.table({"x": array, "at": at}), tmp_path / "x.parquet")
        assert read(ParquetSource("x.parquet", event_time="at"), tmp_path, declared) == wanted, array.type
        for frame in (pa.table({"x": array, "at": at}), pd.DataFrame({"x": array.to_pandas(), "at": at.to_pandas()})):
            assert entity(frame, declared) == wanted, array.type
        if not pa.types.is_decimal(array.type):
            polars = pl.DataFrame({"x": pl.Series(array.to_numpy()), "at": pl.Series([0]).cast(pl.Datetime("us"))})
            assert entity(polars, declared) == wanted, array.type
            assert sent(array.to_numpy(), declared, None) == wanted or array.type == pa.uint64()
        assert sent(array, declared, declared) == wanted, array.type
    for value in values:
        assert sent([value], declared, declared) == wanted, type(value)
        if not isinstance(value, Decimal) and not (isinstance(value, int) and not -(2**63) <= value < 2**63):
            assert sent([value], declared, None) == wanted, type(value)
        assert default(value, declared) == wanted, type(value)
    assert typed(text, declared) == wanted


def test_nan_of_request_data_is_a_null_in_pandas_alone():
    """Which has no other null in a column of floats."""
    at = [pd.Timestamp(0)] * 2
    rows = {"x": [float("nan"), 1.5], "at": at}
    assert entity(pd.DataFrame(rows), Float64) is None
    for frame in (pa.table(rows), pl.DataFrame(rows)):
        assert np.isnan(entity(frame, Float64))


def default(value, declared):
    try:
        kept = checked_default(value, declared)
    except UnfitDefaultError:
        return REFUSED
    return nearest_float32(kept) if declared == Float32 else kept


def typed(text, declared):
    """On the command line and as JSON; both are the same, or the first takes no number with a point for an integer."""
    try:
        value = value_from_json("x", loaded_json(text), declared)
    except HotrowError:
        return REFUSED
    found = sent(typed_values([value], declared), declared, declared)
    try:
        there = sent([value_from_text("x", text, declared)], declared, declared)
    except HotrowError:
        there = REFUSED
    assert there == found or ("." in text and there == REFUSED and declared in (Int64, Int32))
    return found


@pytest.mark.parametrize("declared", TYPES, ids=str)
@pytest.mark.parametrize("text", VALUES)
def test_sources_that_say_numbers_in_text(tmp_path, text, declared):
    """SQLite keeps long decimals so; a folder of Hive has nothing else, and takes integers without a point alone."""
    wanted = rule(text, declared)
    held = [text]
    if Fraction(text).denominator == 1 and -(2**63) <= Fraction(text) < 2**63:
        held.append(int(Fraction(text)))
    if Fraction(float(Fraction(text))) == Fraction(text):
        held.append(float(Fraction(text)))
    for number, value in enumerate(held):
        with sqlite3.connect(tmp_path / f"{number}.db") as connection:
            connection.execute("CREATE TABLE t (x, at)")
            connection.execute("INSERT INTO t VALUES (?, 0)", [value])
        connection.close()
        source = SqliteSource(f"{number}.db", query="SELECT * FROM t", event_time="at")
        assert read(source, tmp_path, declared) == wanted, value
    path = tmp_path / "hive" / f"x={text}" / "1.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"at": pa.array([0], pa.timestamp("us"))}), path)
    found = read(ParquetSource("hive", event_time="at"), tmp_path, declared)
    assert found == wanted or ("." in text and found == REFUSED and declared in (Int64, Int32))


@pytest.mark.parametrize("declared", TYPES, ids=str)
@pytest.mark.parametrize("held", ["float64", "float32", "int64", "int32"])
@pytest.mark.parametrize("text", VALUES)
def test_pushes_of_every_type_of_column(text, held, declared):
    """What the wire carries is what the field takes: lists as single values."""
    exact = Fraction(text)
    if held.startswith("int"):
        if exact.denominator > 1 or not -(2 ** (int(held[3:]) - 1)) <= exact < 2 ** (int(held[3:]) - 1):
            return
        value = int(exact)
    else:
        value = rule(text, Float32 if held == "float32" else Float64)
        if value == REFUSED:
            return
    wanted = rule(value, declared)
    assert pushed(column("x", held, [value]), declared) == wanted
    lists = view({"id": "int64"}, {"x": f"{declared.wire_name}_list"})
    request = PushFeaturesRequest(rows=[column("id", "int64", [1]), column("x", f"{held}_list", [[value]])])
    assert bool(push_rows(lists, request).rows()[0]) == (wanted != REFUSED)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_stays_in_floats_and_fits_no_integer(tmp_path, value):
    """NaN and infinity are values of floats."""
    pq.write_table(pa.table({"x": [value], "at": pa.array([0], pa.timestamp("us"))}), tmp_path / "x.parquet")
    for declared in TYPES:
        found = read(ParquetSource("x.parquet", event_time="at"), tmp_path, declared)
        wanted = value if declared in (Float64, Float32) else REFUSED
        if wanted == REFUSED and np.isnan(value):  # a null, as below; no default is so written
            assert (found, default(value, declared)) == (0, REFUSED)
            continue
        for one in (found, sent([value], declared, declared), sent([value], declared, None), default(value, declared)):
            assert one == wanted or (one != one and wanted != wanted)  # noqa: PLR0124 - NaN


@settings(max_examples=300)
@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**17), max_value=10**17)
    | st.integers(-(2**70), 2**70).map(Decimal)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda one: Decimal(one) * 2 + Decimal(one))
)
def test_decimals_of_any_size(value):
    """One by one and by columns they become the nearest."""
    for declared in TYPES:
        wanted = rule(value, declared)
        assert sent([value], declared, declared) == wanted
        if value.adjusted() < 37 and value.as_tuple().exponent >= -38:
            scale = max(0, -value.as_tuple().exponent)
            try:
                array = pa.array([value, None], pa.decimal256(76, scale))
            except pa.ArrowInvalid:
                continue
            converted = convert(array, declared)
            refused = converted.refused is not None and converted.refused[0]
            assert (REFUSED if refused else plain(converted)[0]) == wanted


def test_a_decimal_is_text_with_the_places_of_its_scale():
    """A String field takes it so, in sources and from Python."""
    for held, given_texts, texts in (
        (pa.decimal128(9, 2), ["1.5", "0", "-0.05"], ["1.50", "0.00", "-0.05"]),
        (pa.decimal128(20, 10), ["0.0000000001"], ["0.0000000001"]),
        (pa.decimal128(5, -2), ["12300"], ["12300"]),
        (pa.decimal256(60, 0), ["9" * 60], ["9" * 60]),
    ):
        array = pa.array(list(map(Decimal, given_texts)), held)
        assert plain(convert(array, String)) == texts
    sent_texts = decode_column(encode_column("x", [Decimal("1.50"), Decimal("1E-10")], type=String))
    assert sent_texts.to_list() == ["1.50", "0.0000000001"]


@pytest.mark.parametrize("declared", [Int64, Int32])
@pytest.mark.parametrize("width", [np.float64, np.float32])
def test_a_nan_in_place_of_an_integer_is_null(tmp_path, declared, width):
    """So pandas marks what is missing in a column of integers; whole floats beside it are taken, at every door."""
    values = np.array([7, np.nan, 9], width)
    converted = convert(pa.array(values), declared)
    assert (converted.nulls.tolist(), converted.refused) == ([False, True, False], None)
    pq.write_table(pa.table({"x": values, "at": pa.array([1, 2, 3], pa.timestamp("us"))}), tmp_path / "x.parquet")
    source = ParquetSource("x.parquet", event_time="at")
    (batch,) = open_source(source, tmp_path, SourceColumns("v", (Column("x", declared),), "at")).batches(Interval())
    assert convert(batch.rows.column("x"), declared).nulls.tolist() == [False, True, False]
    assert decode_column(encode_column("x", values, type=declared)).to_list() == [7, None, 9]
    declared_view = view({"id": "int64"}, {"x": declared.wire_name})
    message = ColumnMessage.FromString(encode_column("x", values))
    encoded = push_rows(declared_view, PushFeaturesRequest(rows=[column("id", "int64", [1, 2, 3]), message]))
    nulls = ColumnMessage.FromString(encode_column("x", [7, None, 9], type=declared))
    same = push_rows(declared_view, PushFeaturesRequest(rows=[column("id", "int64", [1, 2, 3]), nulls]))
    assert [bytes(row) for row in encoded.rows()] == [bytes(row) for row in same.rows()]
