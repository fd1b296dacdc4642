"""Reading a source: what is refused before work starts, and what comes out in which interval."""

import os
from datetime import UTC, date, datetime
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.offline.parquet import open_parquet
from hotrow.offline.source import MAX_ROWS, Column, Interval, SourceColumns
from hotrow.types import Float32, Int64, String

WANTED = SourceColumns(
    "stats",
    (Column("driver_id", Int64, key=True), Column("rate", Float32), Column("note", String, optional=True)),
    "at",
)


def _table(times_us, unit="us", **more):
    per_us = {"us": 1, "ns": 1000}[unit]
    raw = [None if t is None else t * per_us for t in times_us]
    n = len(raw)
    return pa.table(
        {
            "driver_id": pa.array(range(n), pa.int64()),
            "rate": pa.array(np.linspace(0, 1, n)),
            "at": pa.array(raw, pa.timestamp(unit, tz="UTC")),
            **more,
        }
    )


def _write(path, table, **options):
    pq.write_table(table, path, **options)
    return path


def _ids(reader, interval):
    return [i for batch in reader.batches(interval) for i in batch.rows.column("driver_id").to_pylist()]


def test_the_interval_is_half_open(tmp_path):
    """START is in, END is not."""
    reader = open_parquet(_write(tmp_path / "a.parquet", _table([10, 20, 30, 40])), WANTED)
    assert _ids(reader, Interval(20, 40)) == [1, 2]
    assert _ids(reader, Interval(None, 20)) == [0]
    assert _ids(reader, Interval(30, None)) == [2, 3]
    assert _ids(reader, Interval()) == [0, 1, 2, 3]


def test_times_compare_after_truncation(tmp_path):
    """1,999 ns are 1 us, so an interval that ends at 2 us holds them and -1 ns are before 0."""
    times = pa.array([1_999, 2_000, -1], pa.timestamp("ns"))
    table = _table([0, 0, 0]).set_column(2, "at", times)
    reader = open_parquet(_write(tmp_path / "a.parquet", table), WANTED)
    assert _ids(reader, Interval(0, 2)) == [0]
    assert _ids(reader, Interval(-1, 0)) == [2]


def test_rows_without_an_event_time_come_and_are_marked(tmp_path):
    """They are in no interval; leaving them out in silence would hide them."""
    reader = open_parquet(_write(tmp_path / "a.parquet", _table([10, None, 30])), WANTED)
    (batch,) = reader.batches(Interval(30, 40))
    assert batch.rows.column("driver_id").to_pylist() == [1, 2]
    assert batch.timeless.tolist() == [True, False]
    assert batch.scanned == 3


def test_row_groups_outside_the_interval_are_not_read(tmp_path):
    """Statistics of a sorted file spare the reading of most of it."""
    path = _write(tmp_path / "a.parquet", _table(range(100)), row_group_size=10)
    reader = open_parquet(path, WANTED)
    assert reader.rows(Interval(25, 31)) == 20
    assert _ids(reader, Interval(25, 31)) == [25, 26, 27, 28, 29, 30]
    assert reader.rows(Interval(10, 20)) == 10
    assert reader.rows(Interval(200, None)) == 0


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_statistics_that_do_not_tell_are_no_reason_to_skip(tmp_path, unit):
    """Files of old writers (INT96, no statistics) are read whole, and filtered."""
    for options in ({"use_deprecated_int96_timestamps": True}, {"write_statistics": False}):
        path = _write(tmp_path / "a.parquet", _table(range(10), unit), row_group_size=5, **options)
        reader = open_parquet(path, WANTED)
        assert reader.rows(Interval(7, 8)) == 10
        assert _ids(reader, Interval(7, 8)) == [7]


@pytest.mark.parametrize("statistics", [True, False])
def test_days_may_be_dates(tmp_path, statistics):
    """A file of daily rows need not hold timestamps; without statistics too it is known to have times."""
    days = pa.array([date(2024, 5, 1), date(2024, 5, 2)], pa.date32())
    path = _write(tmp_path / "a.parquet", _table([0, 0]).set_column(2, "at", days), write_statistics=statistics)
    second_us = 1714608000 * 1_000_000
    assert _ids(open_parquet(path, WANTED), Interval(second_us, second_us + 1)) == [1]


def test_a_folder_is_all_its_files_in_order(tmp_path):
    """Nested files are found; what starts with "_" or "." is somebody's bookkeeping."""
    (tmp_path / "2024").mkdir()
    (tmp_path / "_temporary").mkdir()
    _write(tmp_path / "2024" / "b.parquet", _table([1, 2]))
    _write(tmp_path / "a.parquet", _table([3]))
    _write(tmp_path / "_temporary" / "c.parquet", _table([4] * 50))
    _write(tmp_path / ".hidden.parquet", _table([4] * 50))
    (tmp_path / "_SUCCESS").touch()
    reader = open_parquet(tmp_path, WANTED)
    assert [f.path.name for f in reader.parts] == ["b.parquet", "a.parquet"]
    assert reader.rows(Interval()) == 3


def test_an_optional_column_may_be_missing_from_one_file(tmp_path):
    """A field with a default that came later is read where it is."""
    _write(tmp_path / "a.parquet", _table([1]))
    _write(tmp_path / "b.parquet", _table([2], note=pa.array(["x"])))
    columns = [[c.name for c in batch.columns] for batch in open_parquet(tmp_path, WANTED).batches(Interval())]
    assert columns == [["driver_id", "rate"], ["driver_id", "rate", "note"]]


def test_batches_are_bounded_in_rows(tmp_path):
    """A large row group comes in pieces."""
    reader = open_parquet(_write(tmp_path / "a.parquet", _table(range(MAX_ROWS * 2 + 1))), WANTED)
    assert [b.scanned for b in reader.batches(Interval())] == [MAX_ROWS, MAX_ROWS, 1]


def test_batches_are_bounded_in_bytes(tmp_path):
    """Wide rows come fewer at a time."""
    notes = pa.array([f"{i:08}" * 8192 for i in range(600)])
    path = _write(tmp_path / "a.parquet", _table(range(600), note=notes), use_dictionary=False)
    sizes = [b.rows.nbytes for b in open_parquet(path, WANTED).batches(Interval())]
    assert len(sizes) > 1
    assert max(sizes) <= 9 << 20


@pytest.mark.parametrize("kept", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_batches_are_bounded_in_bytes_of_what_a_dictionary_stands_for(tmp_path, kept):
    """Texts that are few, and long, and stand in the file once each."""
    notes = pa.array([f"{i % 3:08}" * 8192 for i in range(3000)]).cast(kept)
    path = _write(tmp_path / "a.parquet", _table(range(3000), note=notes))
    assert path.stat().st_size < 1 << 20
    sizes = [b.rows.column("note").cast(pa.string()).nbytes for b in open_parquet(path, WANTED).batches(Interval())]
    assert max(sizes) <= 9 << 20


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    """Arrow could not open it, and would say so in words of Python's."""
    path = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    _write(tmp_path / "a.parquet", _table([1])).rename(path)
    with pytest.raises(HotrowError, match=r"stats: the name of the file .*caf\\udce9.* is not UTF-8; rename it"):
        open_parquet(tmp_path, WANTED)


def test_a_time_in_the_name_of_a_folder(tmp_path):
    """With a zone and without one, which is UTC."""
    table = _table([0]).drop(["at"])
    times = ["2024-05-01", "2024-05-01 06:00:00", "2024-05-01T06:00:00Z", "2024-05-01 06:00:00+02:00"]
    for number, text in enumerate(times):
        (tmp_path / f"at={quote(text)}").mkdir()
        _write(tmp_path / f"at={quote(text)}" / f"{number}.parquet", table)
    found = sorted(int(b.event_time_us[0]) for b in open_parquet(tmp_path, WANTED).batches(Interval()))
    midnight, hour = 1_714_521_600_000_000, 3_600_000_000
    assert found == [midnight, midnight + 4 * hour, midnight + 6 * hour, midnight + 6 * hour]


def test_created_times_come_with_the_rows(tmp_path):
    """A null one counts as 0, the earliest that a source can state."""
    created = pa.array([5, None], pa.timestamp("ms"))
    path = _write(tmp_path / "a.parquet", _table([1, 2], made=created))
    wanted = SourceColumns("stats", WANTED.columns, "at", "made")
    (batch,) = open_parquet(path, wanted).batches(Interval())
    assert batch.created_time_us.tolist() == [5_000, 0]


def test_no_rows_are_no_error(tmp_path):
    """An empty file is a file."""
    reader = open_parquet(_write(tmp_path / "a.parquet", _table([])), WANTED)
    assert reader.rows(Interval()) == 0
    assert _ids(reader, Interval()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop_columns("rate"), ["field: there is no column 'rate'", "add it to the file"]),
        (lambda t: t.rename_columns(["driver_id", "rates", "at"]), ["'rate'; did you mean rates, at?"]),
        (lambda t: t.drop_columns("driver_id"), ["join key: there is no column 'driver_id'"]),
        (lambda t: t.drop_columns("at"), ["event time: there is no column 'at'"]),
        (lambda t: t.append_column("rate", t["rate"]), ["column 'rate' is there 2 times"]),
        (
            lambda t: t.set_column(0, "driver_id", t["driver_id"].cast(pa.string())),
            ["column 'driver_id' does not fit Int64 of the join key: it holds string", "cast it"],
        ),
        (
            lambda t: t.set_column(2, "at", t["at"].cast(pa.int64())),
            ["column 'at' does not fit timestamps of the event time: it holds int64"],
        ),
        (
            lambda t: t.set_column(2, "at", pa.nulls(t.num_rows, pa.timestamp("us"))),
            ["column 'at' has no event time in any of its 3 rows"],
        ),
        (lambda t: t.set_column(2, "at", pa.nulls(t.num_rows)), ["'at' has no event time"]),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_work_starts(tmp_path, change, says):
    """The message names the view, the file, the column and the remedy."""
    path = _write(tmp_path / "a.parquet", change(_table([1, 2, 3])))
    with pytest.raises(HotrowError) as caught:
        open_parquet(path, WANTED)
    assert caught.value.code is Code.INVALID
    for part in ("view stats", str(path), *says):
        assert part in caught.value.message


def test_one_wrong_file_of_a_folder_is_named(tmp_path):
    """Each file is looked at, not the first alone."""
    _write(tmp_path / "a.parquet", _table([1]))
    _write(tmp_path / "b.parquet", _table([1]).drop_columns("rate"))
    with pytest.raises(HotrowError, match=r"b\.parquet, field: there is no column 'rate'"):
        open_parquet(tmp_path, WANTED)


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (lambda path: None, Code.NOT_FOUND, "there is no file or folder"),
        (lambda path: path.mkdir(), Code.NOT_FOUND, "has no *.parquet file"),
        (lambda path: path.write_bytes(b"id,rate\n1,2\n" * 9), Code.INVALID, "no readable Parquet"),
        (lambda path: path.write_bytes(b""), Code.INVALID, "no readable Parquet"),
    ],
)
def test_what_is_not_there_or_no_parquet_is_said(tmp_path, make, code, says):
    """A wrong path and a wrong format read differently."""
    path = tmp_path / "source"
    make(path)
    with pytest.raises(HotrowError) as caught:
        open_parquet(path, WANTED)
    assert caught.value.code is code
    assert says in caught.value.message
    assert str(path) in caught.value.message


def test_a_cut_off_file_is_refused(tmp_path):
    """The footer is at the end, so a file that was not finished has none."""
    path = _write(tmp_path / "a.parquet", _table(range(1000)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HotrowError, match="no readable Parquet"):
        open_parquet(path, WANTED)


def test_damage_inside_is_told_when_it_is_met(tmp_path):
    """A good footer over broken pages: an error that names the file, and no rows made up."""
    path = _write(tmp_path / "a.parquet", _table(range(1000)), compression="snappy", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xff" * 1996
    path.write_bytes(data)
    reader = open_parquet(path, WANTED)
    with pytest.raises(HotrowError, match=r"a\.parquet cannot be read to its end"):
        _ids(reader, Interval())


def test_a_date_reads_as_midnight_in_utc(tmp_path):
    """Naive timestamps are UTC."""
    naive = pa.array([datetime(2024, 5, 1)], pa.timestamp("us"))  # noqa: DTZ001 - naive is the point
    path = _write(tmp_path / "a.parquet", _table([0]).set_column(2, "at", naive))
    (batch,) = open_parquet(path, WANTED).batches(Interval())
    assert batch.event_time_us[0] == int(datetime(2024, 5, 1, tzinfo=UTC).timestamp()) * 1_000_000
