"""What a column of a file becomes, and what it may not become."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hotrow.offline.arrow_column import may_refuse
from hotrow.offline.conversion import convert, mismatch
from hotrow.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp


def _plain(converted):
    return converted.values.to_pylist()


@pytest.mark.parametrize(
    ("held", "declared"),
    [
        (pa.int8(), Int64), (pa.uint64(), Int64), (pa.int64(), Int32), (pa.float16(), Float32),
        (pa.float64(), Float32), (pa.int32(), Float64), (pa.bool_(), Bool), (pa.large_string(), String),
        (pa.string_view(), String), (pa.dictionary(pa.int8(), pa.string()), String), (pa.binary(3), Bytes),
        (pa.timestamp("ns", tz="Europe/Stockholm"), UnixTimestamp), (pa.date32(), UnixTimestamp),
        (pa.list_(pa.float32(), 4), Array(Float32)),
        (pa.large_list(pa.string()), Array(String)), (pa.null(), Int64), (pa.null(), Array(Int64)),
    ],
)  # fmt: skip
def test_a_type_that_fits(held, declared):
    """What the table in the module's docstring accepts is accepted."""
    assert mismatch(held, declared) == ""


@pytest.mark.parametrize(
    ("held", "declared", "says"),
    [
        (pa.string(), Int64, "it holds string"),
        (pa.int64(), UnixTimestamp, "it holds int64"), (pa.time64("us"), UnixTimestamp, "it holds time64[us]"),
        (pa.binary(), String, "it holds binary"), (pa.string(), Bytes, "it holds string"),
        (pa.int64(), Bool, "it holds int64"), (pa.decimal128(9, 2), Bytes, "it holds decimal128(9, 2)"),
        (pa.struct([("a", pa.int64())]), Int64, "make columns of its parts: pyarrow.compute.struct_field(column, 'a')"),
        (pa.map_(pa.string(), pa.int64()), Int64, "pyarrow.compute.map_lookup(column, key, 'first')"),
        (pa.time32("s"), Int64, "column.cast(pa.time64('us')).cast(pa.int64()) is microseconds since midnight"),
        (pa.duration("ms"), Float64, "column.cast(pa.int64()) is ms"),
        (pa.list_(pa.duration("s")), Array(Int64), "column.cast(pa.int64()) is s"),
        (pa.float32(), Array(Float32), "no lists"), (pa.list_(pa.string()), Array(Int64), "it holds string"),
        (pa.list_(pa.int64()), Int64, "it holds list"),
    ],
)  # fmt: skip
def test_a_type_that_does_not_fit(held, declared, says):
    """A column that would have to be guessed at is refused by its type."""
    assert says in mismatch(held, declared)


def test_floats_are_not_join_keys():
    """A float may be another integer already: 2**53 + 1 is not one. Decimals are exact."""
    assert mismatch(pa.float64(), Int64) == mismatch(pa.decimal128(38, 0), Int64, key=True) == ""
    assert mismatch(pa.float64(), Int64, key=True) == "it holds double"


@pytest.mark.parametrize(
    ("array", "declared", "kept", "refused"),
    [
        (pa.array([1, None, 2**31, -(2**31)]), Int32, [1, 0, None, -(2**31)], [False, False, True, False]),
        (pa.array([2**63, 2**63 - 1], pa.uint64()), Int64, [None, 2**63 - 1], [True, False]),
        (
            pa.array([1.0, 0.5, 2.0**63, -(2.0**63), float("nan")]),
            Int64,
            [1, None, None, -(2**63), 0],
            [0, 1, 1, 0, 0],
        ),
        (pa.array([5.0, 2.0**31], pa.float32()), Int32, [5, None], [False, True]),
        (pa.array([1e300, 0.1, float("inf")]), Float32, [None, float(np.float32(0.1)), float("inf")], [True, 0, 0]),
    ],
)
def test_a_number_that_does_not_fit_is_refused(array, declared, kept, refused):
    """An integer field takes what is whole and in its range, a float field what is in its range."""
    converted = convert(array, declared)
    assert converted.refused.tolist() == list(map(bool, refused))
    assert [v for v, wrong in zip(_plain(converted), refused, strict=True) if not wrong] == [
        v for v in kept if v is not None
    ]
    assert declared.name in converted.reason
    assert converted.example == str(array[refused.index(True)])


def test_nan_is_a_value_and_null_is_none():
    """A NaN is not a null."""
    converted = convert(pa.array([float("nan"), None]), Float64)
    assert converted.nulls.tolist() == [False, True]
    assert np.isnan(converted.values[0].as_py())
    assert converted.values[1].as_py() == 0


@pytest.mark.parametrize(
    ("unit", "raw", "us"),
    [("s", -1, -1_000_000), ("ms", 3, 3_000), ("us", -7, -7), ("ns", 1_999, 1), ("ns", -1, -1), ("ns", -1_000, -1)],
)
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_of_any_unit_and_zone(unit, raw, us, zone):
    """A zone is how a time is shown, not what it is; nanoseconds truncate toward minus infinity."""
    converted = convert(pa.array([raw, None], pa.timestamp(unit, tz=zone)), UnixTimestamp)
    assert _plain(converted) == [us, 0]
    assert converted.nulls.tolist() == [False, True]


@pytest.mark.parametrize("held", [pa.date32(), pa.date64()])
def test_a_date_is_its_midnight(held):
    """In UTC, as a day in the name of a folder is; one that does not fit is refused, and it is looked at."""
    converted = convert(pa.array([date(2024, 5, 1), None, date(1969, 12, 31)], held), UnixTimestamp)
    assert _plain(converted) == [1714521600 * 1_000_000, 0, -86_400 * 1_000_000]
    assert converted.nulls.tolist() == [False, True, False]
    far = pa.array([2**31 - 1], pa.int32()).cast(pa.date32())
    assert convert(far, UnixTimestamp).refused.tolist() == [True]
    assert may_refuse(held, UnixTimestamp)


def test_a_time_out_of_range_is_refused():
    """Seconds that do not fit 64 bits of microseconds do not wrap around."""
    converted = convert(pa.array([2**62, 1], pa.timestamp("s")).cast(pa.timestamp("s")), UnixTimestamp)
    assert converted.refused.tolist() == [True, False]
    assert _plain(converted)[1] == 1_000_000


def test_strings_that_are_no_utf8_are_refused_one_by_one():
    """One broken row does not spoil its batch, and its bytes do not travel."""
    broken = pa.array([b"ab", b"\xff\xfe", None]).cast(pa.large_binary())
    strings = pa.LargeStringArray.from_buffers(3, *broken.buffers()[1:], broken.buffers()[0])
    converted = convert(strings, String)
    assert converted.refused.tolist() == [False, True, False]
    assert converted.nulls.tolist() == [False, False, True]
    assert _plain(converted) == ["ab", "", ""]


def test_dictionaries_and_views_hold_what_they_hold():
    """An encoding is not a type."""
    assert _plain(convert(pa.array(["x", None, "x"]).dictionary_encode(), String)) == ["x", "", "x"]
    assert _plain(convert(pa.array([b"abc"], pa.binary(3)), Bytes)) == [b"abc"]
    assert _plain(convert(pa.array(["é"], pa.string_view()), String)) == ["é"]


def test_lists_are_flat_with_lengths():
    """Null rows and empty rows have length 0 and are told apart; a slice starts where it starts."""
    array = pa.array([[9.0], [1.0, 2.0], None, [], [3.0]])[1:]
    converted = convert(array, Array(Float32))
    assert _plain(converted) == [1, 2, 3]
    assert converted.values.type == pa.float32()
    assert converted.lengths.tolist() == [2, 0, 0, 1]
    assert converted.nulls.tolist() == [False, True, False, False]
    assert converted.refused is None


def test_lists_of_fixed_size_with_null_rows():
    """The slots under a null row of a fixed-size list do not count."""
    array = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2))
    converted = convert(array, Array(Int64))
    assert _plain(converted) == [1, 2, 3, 4]
    assert converted.lengths.tolist() == [2, 0, 2]


def test_a_null_in_a_list_refuses_its_row():
    """Lists are dense on the wire; the row is refused, not the null dropped."""
    converted = convert(pa.array([[1], [2, None], []]), Array(Int64))
    assert converted.refused.tolist() == [False, True, False]
    assert "null inside a list" in converted.reason


def test_a_number_in_a_list_that_does_not_fit_refuses_its_row():
    """The check of scalars holds inside lists."""
    converted = convert(pa.array([[1, 2], [], [3, 2**40]]), Array(Int32))
    assert converted.refused.tolist() == [False, False, True]
    assert converted.example == str(2**40)


@pytest.mark.parametrize("declared", [Float64, Int64, Bool, String, Bytes, UnixTimestamp])
def test_a_column_of_nothing_is_all_nulls(declared):
    """Writers give a column without any value Arrow's null type."""
    converted = convert(pa.nulls(3), declared)
    assert converted.nulls.all()
    assert len(converted.values) == 3
    assert converted.values.null_count == 0


def test_a_column_of_no_lists_is_all_nulls():
    """The same for lists."""
    converted = convert(pa.nulls(2), Array(String))
    assert converted.nulls.all()
    assert converted.lengths.tolist() == [0, 0]


def test_a_time_of_a_year_reads_as_that_year():
    """Microseconds since 1970, UTC."""
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert _plain(convert(pa.array([when]), UnixTimestamp)) == [int(when.timestamp()) * 1_000_000]
