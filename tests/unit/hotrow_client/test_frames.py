"""What comes out as a frame can go in again; nulls, NaN, times and units keep their meaning on the way."""

import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hotrow.codec.column import decode_column, encode_dense
from hotrow.errors import HotrowError
from hotrow.types import BY_NAME
from hotrow.v1.column_pb2 import NOT_FOUND, NULL_VALUE, PRESENT
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply
from hotrow_client import Reply
from hotrow_client.rows import columns_from_rows, dense_columns
from reference.column import column

VALUES = {
    "float64": [1.5, float("nan"), None], "float32": [0.5, float("inf"), None], "int64": [2**62 + 1, -1, None],
    "int32": [7, -7, None], "bool": [True, False, None], "string": ["å", "", None], "bytes": [b"\x00", b"", None],
    "timestamp_us": [-1, 2**50, None], "float64_list": [[1.5, 2.5], [], None], "float32_list": [[0.5], [], None],
    "int64_list": [[2**62 + 1], [], None], "int32_list": [[7, 8], [], None], "bool_list": [[True], [], None],
    "string_list": [["a", "b"], [""], None], "bytes_list": [[b"a"], [], None], "timestamp_us_list": [[5], [6], None],
}  # fmt: skip


def reply(**columns):
    """A reply of a column a type."""
    message = GetOnlineFeaturesReply(
        columns=[column(name, type_, values, unit="SEK") for name, (type_, values) in columns.items()], snapshot="s1"
    )
    return Reply.from_bytes(message.SerializeToString())


@pytest.fixture
def every():
    return reply(**{type_: (type_, values) for type_, values in VALUES.items()})


def sent(rows, **types):
    """What would be sent of these rows."""
    given = columns_from_rows(rows)
    return {
        one.name: decode_column(encode_dense(one.name, one.dense, one.unit))
        for one in dense_columns(given.values, types, given.units)
    }


def _nested(texts):
    """A list of dictionary-encoded strings, and a null."""
    mask = pa.array([False, True])
    return pa.ListArray.from_arrays(
        pa.array([0, len(texts), len(texts)], pa.int32()), pa.array(texts).dictionary_encode(), mask=mask
    )


def test_the_table_of_types_is_whole():
    assert {t.wire_name for t in BY_NAME.values()} == VALUES.keys()


@pytest.mark.parametrize("to", ["to_arrow", "to_polars"])
def test_arrow_and_polars_there_and_back(every, to):
    """Every type, null and NaN apart; Arrow carries the unit too."""
    frame = getattr(every, to)()
    back = sent(frame)
    for name, one in every.columns.items():
        assert back[name].type == one.type, name
        assert back[name].statuses.tolist() == [PRESENT, PRESENT, NULL_VALUE]
        np.testing.assert_equal(back[name].to_list(), one.to_list())
        assert back[name].unit == ("SEK" if to == "to_arrow" else "")


def test_a_record_batch_is_taken(every):
    batch = every.to_arrow().to_batches()[0]
    assert sent(batch)["int64"].to_list() == every.to_dict()["int64"]


def test_pandas_there_and_back(every):
    """NaN of a float column is a null on the way in, and a null NaN on the way out."""
    frame = every.to_pandas()
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        **dict.fromkeys(VALUES, "object"),
        "float64": "float64",
        "float32": "float32",
        "int64": "Int64",
        "int32": "Int32",
        "bool": "boolean",
        "string": str(pd.Series([""]).dtype),
        "timestamp_us": "datetime64[us, UTC]",
    }
    assert frame.attrs == {"hotrow.snapshot": "s1", "hotrow.units": dict.fromkeys(VALUES, "SEK")}
    assert np.isnan(frame["float64"]).tolist() == [False, True, True]
    assert frame["int64"].tolist() == [2**62 + 1, -1, pd.NA]
    back = sent(frame)
    for name, one in every.columns.items():
        assert back[name].type == one.type, name
        expected = [None if isinstance(v, float) and np.isnan(v) else v for v in one.to_list()]
        assert back[name].to_list() == expected, name


def test_a_slot_without_a_value_shows_none():
    """Whatever the server put there."""
    message = GetOnlineFeaturesReply(columns=[column("a", "int64", [0, 0])])
    message.columns[0].statuses[:] = [NOT_FOUND, NULL_VALUE]
    got = Reply.from_bytes(message.SerializeToString())
    assert got.to_pandas()["a"].isna().all()
    assert got.to_polars()["a"].to_list() == [None, None]
    assert got.to_arrow()["a"].to_pylist() == [None, None]
    assert got["a"].mask.all()


def test_no_rows_and_no_columns():
    """Frames of no rows have their types; of no columns they are empty."""
    got = reply(a=("int64", []), b=("string_list", []), c=("timestamp_us", []))
    assert got.to_arrow().schema.types == [pa.int64(), pa.large_list(pa.large_string()), pa.timestamp("us", "UTC")]
    assert got.to_polars().schema == {"a": pl.Int64, "b": pl.List(pl.String), "c": pl.Datetime("us", "UTC")}
    assert got.to_pandas().shape == (0, 3)
    assert reply().to_pandas().shape == reply().to_polars().shape == reply().to_arrow().shape == (0, 0)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pd.Series([1.0, np.nan]), [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series([0.5, None], dtype="Float32"), [0.5, None]),
        (pd.Series([True, None], dtype="boolean"), [True, None]),
        (pd.Series([True, None], dtype=object), [True, None]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.Series(["a", None], dtype="category"), ["a", None]),
        (pd.Series([1, 2], dtype="category"), [1, 2]),
        (pd.Series([1.5, None], dtype=pd.ArrowDtype(pa.float64())), [1.5, None]),
        (pd.Series([3, None], dtype=pd.ArrowDtype(pa.int64())), [3, None]),
        (pd.Series([[1.5], None]), [[1.5], None]),
        (pd.to_datetime(pd.Series(["1970-01-01 00:00:01", None])), [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None]),
        (
            pd.to_datetime(pd.Series(["1970-01-01 02:00+01:00"])).dt.tz_convert("Europe/Stockholm"),
            [datetime(1970, 1, 1, 1, tzinfo=UTC)],
        ),
        (pd.Series(range(3))[::-1], [2, 1, 0]),
        (pd.Index([4, 5]), [4, 5]),
        (pl.Series([1, None]), [1, None]),
        (pl.Series([1.5, float("nan"), None]), [1.5, float("nan"), None]),
        (pl.Series([True, None]), [True, None]),
        (pl.Series(["a", None], dtype=pl.Categorical), ["a", None]),
        (pl.Series([date(1970, 1, 2), None]), [datetime(1970, 1, 2, tzinfo=UTC), None]),
        (pl.Series([[1, 2], None]), [[1, 2], None]),
        (pa.array([1, None]), [1, None]),
        (pa.chunked_array([[1.5], [float("nan"), None]]), [1.5, float("nan"), None]),
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array([date(1970, 1, 2)]), [datetime(1970, 1, 2, tzinfo=UTC)]),
        (pa.array([[1.5, 2.5], None, []], pa.list_(pa.float32())), [[1.5, 2.5], None, []]),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)), [[1, 2], None, [3, 4]]),
        (pa.array([[9], [1, 2], None, [3]], pa.list_view(pa.int64()))[1:], [[1, 2], None, [3]]),
        (pa.array([[1.5], None], pa.large_list_view(pa.float32())), [[1.5], None]),
        (_nested(["a", "b"]), [["a", "b"], None]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array([[date(1970, 1, 2)], None]), [[datetime(1970, 1, 2, tzinfo=UTC)], None]),
        (pa.array([[1_001]], pa.list_(pa.timestamp("ns"))), [[datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]]),
        (pl.Series([[date(1970, 1, 2)], None]), [[datetime(1970, 1, 2, tzinfo=UTC)], None]),
        (pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)), [[1, 2], None]),
        (pl.Series([["a"], None]), [["a"], None]),
        ([date(1970, 1, 2), datetime(1970, 1, 3, tzinfo=UTC)], [datetime(1970, 1, d, tzinfo=UTC) for d in (2, 3)]),
        (pd.Series([date(1970, 1, 2), None]), [datetime(1970, 1, 2, tzinfo=UTC), None]),
    ],
)
def test_columns_of_any_library(series, expected):
    """Alone in a mapping too; NaN is a null of pandas alone."""
    np.testing.assert_equal(sent({"a": series})["a"].to_list(), expected)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (pl.LazyFrame({"a": [1]}), "LazyFrame; collect it first"),
        (pd.DataFrame({0: [1]}), "named 0"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' more than once"),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "'a' more than once"),
        (pd.Series([1]), "not a pandas.Series"),
        (5, "not a int"),
        ([5], "row 0 is a int"),
        (pd.DataFrame({"a": [1, "x"]}), "'a' cannot hold values of int, str"),
        (pl.DataFrame({"a": [[1, None]]}), "'a' has a null within a list"),
        (pa.table({"a": pa.array([[1, None]])}), "'a' has a null within a list"),
        (pa.table({"a": [Decimal("1.5")]}), "'a' cannot hold values of Decimal; decimals have no type"),
        (
            pl.DataFrame({"a": [Decimal("1.5")]}),
            "'a' cannot hold values of Decimal; decimals have no type",
        ),
        (
            pd.DataFrame({"a": [Decimal("1.5")]}),
            "'a' cannot hold values of Decimal; decimals have no type",
        ),
        (pa.table({"a": [{"b": 1}]}), "'a' cannot hold values of dict; make columns of its parts"),
        (pl.DataFrame({"a": [{"b": 1}]}), "'a' cannot hold values of dict; make columns of its parts"),
        (pa.table({"a": [timedelta(1)]}), "'a' cannot hold values of timedelta; send a number"),
        (pd.DataFrame({"a": [timedelta(1)]}), "'a' cannot hold values of .*; send a number"),
        (pl.DataFrame({"a": [time(1)]}), "'a' cannot hold values of time; send an integer"),
        (pa.table({"a": pa.array([2**62], pa.timestamp("s"))}), "'a' has a time that does not fit in 64 bits of micro"),
        (pa.table({"a": pa.array([2**30], pa.int32()).cast(pa.date32())}), "'a' has a time that does not fit"),
        (pa.table({"a": pa.array([[2**62]], pa.list_(pa.timestamp("s")))}), "'a' has a time that does not fit"),
        (pl.DataFrame({"a": pl.Series([2**30], dtype=pl.Int32).cast(pl.Date)}), "'a' has a time that does not fit"),
        (pl.DataFrame({"a": pl.Series([2**60]).cast(pl.Datetime("ms"))}), "'a' has a time that does not fit"),
        (pd.DataFrame({"a": np.array([2**60], "M8[ms]")}), "'a' has a time that does not fit"),
    ],
)
def test_what_cannot_be_sent_is_named(rows, complaint):
    with pytest.raises((TypeError, HotrowError), match=complaint):
        sent(rows)


@pytest.mark.parametrize(
    ("package", "method"), [("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")]
)
def test_a_library_that_is_not_there(monkeypatch, every, package, method):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"{method} needs {package}: pip install {package}"):
        getattr(every, method)()
