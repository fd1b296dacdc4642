"""A time is the time that was written, or refused: no unit of any source, frame or client makes another one of it."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import HotrowError, ParquetSource
from hotrow.codec.column import decode_column, encode_column
from hotrow.offline.conversion import convert
from hotrow.offline.entity_file import open_entity_file
from hotrow.offline.entity_rows import EntityColumns
from hotrow.offline.open import open_source
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import Column, Interval, SourceColumns
from hotrow.repo.time import time_us
from hotrow.types import Array, Int64, UnixTimestamp

FAR_S = 10**14  # beyond the year 294247, where microseconds end
COLUMNS = (Column("id", Int64, key=True), Column("seen", UnixTimestamp), Column("all", Array(UnixTimestamp)))
WANTED = SourceColumns("v", COLUMNS, "at", "made")


def plain(held):
    return held.values.tolist() if isinstance(held.values, np.ndarray) else held.values.to_pylist()


def _int96(path, seconds):
    """A file as Spark writes it: each row has a time, at one of these places."""
    rows = {name: [0] * len(seconds) for name in ("seen", "at", "made")} | {"all": [[0]] * len(seconds)}
    for row, (name, value) in enumerate(seconds):
        rows[name][row] = [value] if name == "all" else value
    held = {name: pa.array(values, pa.timestamp("s")) for name, values in rows.items() if name != "all"}
    held["all"] = pa.array(rows["all"], pa.list_(pa.timestamp("s")))
    table = pa.table({"id": range(len(seconds)), **held})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, row_group_size=3)


def test_int96_has_every_time_that_microseconds_have(tmp_path):
    """The year 9999 is not 1816, in any column; the created time decides as it was written."""
    at_s = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())
    _int96(tmp_path / "x.parquet", [("seen", at_s), ("at", at_s), ("made", at_s), ("all", at_s)])
    found = {}
    source = ParquetSource("x.parquet", event_time="at", created_time="made")
    for batch in open_source(source, tmp_path, WANTED).batches(Interval()):
        assert not any(one.rows.any() for one in batch.refused)
        for column in COLUMNS[1:]:
            found.setdefault(column.name, []).extend(plain(convert(batch.rows.column(column.name), column.type)))
        found.setdefault("at", []).extend(batch.event_time_us.tolist())
        found.setdefault("made", []).extend(batch.created_time_us.tolist())
    us = at_s * 1_000_000
    assert found == {
        "seen": [us, 0, 0, 0], "at": [0, us, 0, 0], "made": [0, 0, us, 0], "all": [0, 0, 0, us],
    }  # fmt: skip


def test_int96_beyond_microseconds_is_refused_for_its_row(tmp_path):
    """Of a field, of a list, of either time; the others stay. A training set finds the same ones."""
    _int96(tmp_path / "x.parquet", [(name, FAR_S) for name in ("seen", "at", "made", "all")] + [("at", 5)])
    (part,) = open_source(ParquetSource("x.parquet", event_time="at", created_time="made"), tmp_path, WANTED).parts
    assert {column.name for column in part.deciding} == {"id", "seen", "all"}
    for columns in (part.columns, part.deciding):
        refusals, ids = Refusals(), []
        for batch in part.batches(Interval(0, 10**9), columns):
            kept = kept_rows(batch, [convert(batch.rows.column(c.name), c.type) for c in columns], "at", refusals)
            ids += batch.rows.filter(pa.array(kept)).column("id").to_pylist()
        assert ids == [4]
        assert dict(refusals.counts) == {(name, "is out of range"): 1 for name in ("seen", "at", "made", "all")}


@pytest.mark.parametrize("name", ["at", "made"])
@pytest.mark.parametrize("held", [pa.timestamp("s"), pa.timestamp("ms"), pa.date32()])
def test_a_time_of_a_row_that_microseconds_cannot_hold_is_refused_by_its_name(tmp_path, name, held):
    """A created time, too: as 1970 it would lose against rows that are older."""
    raw = (
        pa.array([2**30, 1], pa.int32()) if held == pa.date32() else pa.array([2**53 if held.unit == "s" else 2**62, 1])
    )
    zero = pa.array([0, 1], pa.timestamp("us"))
    table = pa.table({"id": [1, 2], "at": zero, "made": zero, name: raw.cast(held)})
    pq.write_table(table, tmp_path / "x.parquet")
    source = ParquetSource("x.parquet", event_time="at", created_time="made")
    (batch,) = open_source(source, tmp_path, SourceColumns("v", COLUMNS[:1], "at", "made")).batches(Interval())
    refusals = Refusals()
    kept = kept_rows(batch, [convert(batch.rows.column("id"), Int64)], "at", refusals)
    assert kept.tolist() == [False, True]
    assert dict(refusals.counts) == {(name, "is out of range"): 1}


def test_entity_rows_in_int96(tmp_path):
    """They are read to the microsecond, or refused with the row, in columns that nobody asks for too."""
    columns = EntityColumns("x.parquet", (), "at")
    at = pa.array(
        [datetime.fromisoformat(text) for text in ("9999-12-31T01:02:03.000004", "1900-01-01")], pa.timestamp("us")
    )
    pq.write_table(pa.table({"at": at}), tmp_path / "x.parquet", use_deprecated_int96_timestamps=True)
    file = open_entity_file(tmp_path / "x.parquet", columns, [])
    (table,) = file.tables(10)
    assert table.column("at").to_pylist() == at.to_pylist()
    for name in ("at", "other"):
        table = pa.table({"at": pa.array([0, 0], pa.timestamp("s")), name: pa.array([0, FAR_S], pa.timestamp("s"))})
        pq.write_table(table, tmp_path / "x.parquet", use_deprecated_int96_timestamps=True)
        with pytest.raises(HotrowError, match=f"column '{name}' in row 1 has a time that is out of range"):
            open_entity_file(tmp_path / "x.parquet", columns, [])


@pytest.mark.parametrize(
    ("time", "us"),
    [
        (np.datetime64("1969-12-31T23:59:59.999999999"), -1),
        (np.datetime64("2024", "Y"), 1704067200_000000),
        (pd.Timestamp("1969-12-31T23:59:59.999999999"), -1),
        (1704067200_000000, 1704067200_000000),
        (np.int64(5), 5),
        ("1970-01-01T00:20:00", 1200_000000),
        (datetime.fromisoformat("1970-01-01T00:20:00"), 1200_000000),
    ],
)
def test_times_of_a_run_in_any_form(time, us):
    """START and END of FeatureStore."""
    assert time_us("start", time) == us


@pytest.mark.parametrize(
    ("time", "says"),
    [
        (np.datetime64(10**6, "Y"), "does not fit in 64 bits of microseconds"),
        (2**63, "does not fit in 64 bits of microseconds"),
        (1704067200, "1970-01-01T00:28:24.067200Z as microseconds, and 2024-01-01T00:00:00Z as seconds"),
        (1704067200_000, "1970-01-20T17:21:07.200000Z as microseconds, and 2024-01-01T00:00:00Z as milliseconds"),
        ("1704067200000", "and 2024-01-01T00:00:00Z as milliseconds; give microseconds since 1970, or a datetime"),
        (1704067200_000000_000, "and 2024-01-01T00:00:00Z as nanoseconds"),
        (np.datetime64("NaT"), "give a datetime"),
        (1.5, "give a datetime"),
    ],
)
def test_times_of_a_run_that_cannot_be_meant(time, says):
    """Too far, or of another unit; with what it would be."""
    with pytest.raises(HotrowError, match=says):
        time_us("start", time)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000_000])
@pytest.mark.parametrize("second", [315_532_800, 4_102_444_799])
def test_integers_of_another_unit_are_refused_where_they_are_given_as_times(unit, second):
    """From Python in lists and arrays, alone and inside lists; the same as datetime64 is taken."""
    number = second * unit
    for values, declared in (
        ([number], UnixTimestamp),
        (np.array([5, number]), UnixTimestamp),
        ([datetime(2024, 1, 1, tzinfo=UTC), number], UnixTimestamp),
        ([[number]], Array(UnixTimestamp)),
    ):
        with pytest.raises(HotrowError, match=f"column 'at': {number} is .* as microseconds, and"):
            encode_column("at", values, type=declared)
    typed = np.array([number]).view("datetime64[us]")
    assert plain(decode_column(encode_column("at", typed, type=UnixTimestamp))) == [number]


@pytest.mark.parametrize("number", [0, 1, -1, 10**6, 10**8, -(10**10), 315_532_800 * 10**6, 2**63 - 1, -(2**63)])
def test_integers_that_are_plausible_are_taken(number):
    """Also 0, and the marks at the ends of the range."""
    assert plain(decode_column(encode_column("at", [number], type=UnixTimestamp))) == [number]
