"""What every kind of source has to give: the same rows, whatever holds them.

Another adapter is one more entry of `_HOLDERS`: it puts a table of rows where its reader finds them.
"""

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import HotrowError, ParquetSource, SqliteSource
from hotrow.errors import Code
from hotrow.offline.conversion import convert
from hotrow.offline.open import open_source
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import DEFAULT_SIZE, BatchSize, Column, Interval, SourceColumns
from hotrow.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

EVER = Interval()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEYS = (Column("driver_id", Int64, key=True), Column("city", String, key=True))
FIELDS = (
    Column("rides", Int32),
    Column("rate", Float32),
    Column("fare", Float64),
    Column("on_duty", Bool),
    Column("photo", Bytes),
    Column("hired", UnixTimestamp),
    Column("note", String, optional=True),
)
WANTED = SourceColumns("stats", KEYS + FIELDS, "at", "made")
HELD = {Int64: pa.int64(), Int32: pa.int32(), Float32: pa.float32(), Float64: pa.float64(), String: pa.string()}
HELD |= {Bool: pa.bool_(), Bytes: pa.binary(), UnixTimestamp: pa.timestamp("us", tz="UTC")}
SQL = {Bool: int, UnixTimestamp: datetime.isoformat}


def _rows(count, seed=1):
    """Rows with nulls in every column but the keys, in no order, two rows of the same times among them."""
    random = np.random.default_rng(seed)

    def sometimes(value):
        return None if random.random() < 0.2 else value

    def at():
        return EPOCH + timedelta(microseconds=int(random.integers(-(10**15), 4 * 10**15)))

    rows = [
        {
            "driver_id": int(random.integers(-(1 << 62), 1 << 62)),
            "city": ["Malmö", "", "東京", "a/b=c%20d"][int(random.integers(4))],
            "rides": sometimes(int(random.integers(-(1 << 31), 1 << 31))),
            "rate": sometimes(float(np.float32(random.normal()))),
            "fare": sometimes(float(random.normal())),
            "on_duty": sometimes(bool(random.integers(2))),
            "photo": sometimes(random.bytes(3) + b"\0"),
            "hired": sometimes(at()),
            "note": sometimes("x" * int(random.integers(5))),
            "at": sometimes(at()),
            "made": sometimes(at()),
        }
        for _ in range(count)
    ]
    return [*rows, rows[0] | {"note": "the same times"}]


def _arrow(rows, names=None):
    types = {column.name: column.type for column in WANTED.columns} | dict.fromkeys(WANTED.times, UnixTimestamp)
    return pa.table({name: pa.array([row[name] for row in rows], HELD[types[name]]) for name in names or types})


def _parquet_file(folder, rows):
    pq.write_table(_arrow(rows), folder / "rows.parquet", row_group_size=7)
    return ParquetSource("rows.parquet", event_time="at", created_time="made")


def _parquet_folder(folder, rows):
    for number, start in enumerate(range(0, len(rows), 40)):
        path = folder / "rows" / f"{number:03}" / "part.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(_arrow(rows[start : start + 40]), path)
    return ParquetSource("rows", event_time="at", created_time="made")


def _hive(folder, rows):
    """Partitioned by a join key, as `pyarrow.dataset` and Spark write it."""
    pq.write_to_dataset(_arrow(rows), folder / "rows", partition_cols=["city"])
    return ParquetSource("rows", event_time="at", created_time="made")


def _sqlite(folder, rows):
    names = [column.name for column in WANTED.columns] + WANTED.times
    types = {column.name: column.type for column in WANTED.columns} | dict.fromkeys(WANTED.times, UnixTimestamp)
    with sqlite3.connect(folder / "rows.db") as connection:
        connection.execute(f"CREATE TABLE readings ({', '.join(names)})")
        connection.executemany(
            f"INSERT INTO readings VALUES ({', '.join('?' * len(names))})",
            [
                [None if row[n] is None else SQL.get(types[n], lambda value: value)(row[n]) for n in names]
                for row in rows
            ],
        )
    connection.close()
    return SqliteSource("rows.db", query="SELECT * FROM readings -- all", event_time="at", created_time="made")


_HOLDERS = {"file": _parquet_file, "folder": _parquet_folder, "hive": _hive, "sqlite": _sqlite}


@pytest.fixture(params=_HOLDERS)
def hold(request, tmp_path):
    """Puts rows where a source of this kind reads them; the source, and the folder it is relative to."""
    return lambda rows: (_HOLDERS[request.param](tmp_path, rows), tmp_path)


def _open(held, wanted=WANTED):
    source, folder = held
    return open_source(source, folder, wanted)


def _read(reader, interval=EVER, size=DEFAULT_SIZE):
    """Rows as they are after conversion, and how many of them had no event time."""
    out, timeless = [], 0
    for batch in reader.batches(interval, size):
        columns = {c.name: convert(batch.rows.column(c.name), c.type) for c in batch.columns}
        made = batch.created_time_us if batch.created_time_us is not None else np.zeros(batch.rows.num_rows, np.int64)
        timeless += int(batch.timeless.sum())
        for i in range(batch.rows.num_rows):
            row = {name: None if cells.nulls[i] else cells.values[i].as_py() for name, cells in columns.items()}
            at_us = None if batch.timeless[i] else int(batch.event_time_us[i])
            out.append(row | {"at": at_us, "made": int(made[i])})
    return out, timeless


def _expected(rows):
    def us(time, absent):
        return absent if time is None else (time - EPOCH) // timedelta(microseconds=1)

    return [
        row | {"at": us(row["at"], None), "made": us(row["made"], 0), "hired": us(row["hired"], None)} for row in rows
    ]


def _in_any_order(rows):
    return sorted(rows, key=repr)


def test_every_row_comes_with_its_values_and_times(hold):
    """Whatever holds them; those without an event time too, marked."""
    rows = _rows(150)
    found, timeless = _read(_open(hold(rows)))
    assert _in_any_order(found) == _in_any_order(_expected(rows))
    assert timeless == sum(row["at"] is None for row in rows)


def test_intervals_are_half_open_and_partition_the_rows(hold):
    """A row is in exactly one of two intervals that meet at its event time; one without is in each."""
    rows = _rows(60)
    reader = _open(hold(rows))
    cut_us = _expected(rows)[0]["at"] or _expected(rows)[1]["at"]
    for interval, inside in (
        (Interval(None, cut_us), lambda at: at < cut_us),
        (Interval(cut_us, cut_us + 1), lambda at: at == cut_us),
        (Interval(cut_us, None), lambda at: at >= cut_us),
    ):
        wanted = [row for row in _expected(rows) if row["at"] is None or inside(row["at"])]
        assert _in_any_order(_read(reader, interval)[0]) == _in_any_order(wanted)


def test_rows_before_a_time_are_counted(hold):
    """So that those that come later are noticed; rows without a time are before none."""
    rows = _rows(60)
    parts = _open(hold(rows)).parts
    times = sorted(row["at"] for row in _expected(rows) if row["at"] is not None)
    for cut_us in (times[0], times[0] + 1, times[30], times[-1], times[-1] + 1):
        assert sum(part.rows_before(cut_us) for part in parts) == sum(at < cut_us for at in times)
    assert all(part.holder for part in parts)


def test_reading_again_gives_the_same_order_in_batches_that_are_bounded(hold):
    """The order decides between rows that are equal in both times."""
    reader = _open(hold(_rows(90)))
    first = _read(reader)[0]
    assert _read(reader, size=BatchSize(rows=11))[0] == first
    assert max(batch.rows.num_rows for batch in reader.batches(Interval(), BatchSize(rows=11))) <= 11
    assert sum(batch.scanned for batch in reader.batches(Interval())) == reader.rows(Interval()) == 91


def test_only_the_columns_asked_for_come(hold):
    """A training set of one feature reads that, and the keys."""
    reader = _open(hold(_rows(20)))
    for part in reader.parts:
        asked = [column for column in part.columns if column.name in ("driver_id", "fare")]
        for batch in part.batches(Interval(), asked):
            assert [column.name for column in batch.columns] == ["driver_id", "fare"]
            assert "photo" not in batch.rows.schema.names


def test_a_column_with_a_default_may_be_missing(hold):
    """One without may not: the error names view, column and remedy, and comes before any row is read."""
    more = Column("later", Float64, optional=True)
    held = hold(_rows(5))
    reader = _open(held, SourceColumns("stats", (*KEYS, *FIELDS, more), "at"))
    assert all("later" not in [column.name for column in part.columns] for part in reader.parts)
    with pytest.raises(HotrowError, match=r"view stats: .*no column 'latter'.*or give the field a default") as caught:
        _open(held, SourceColumns("stats", (*KEYS, Column("latter", Float64)), "at"))
    assert caught.value.code is Code.INVALID
    with pytest.raises(HotrowError, match=r"view stats: .*event time: there is no column 'att'; did you mean at"):
        _open(held, SourceColumns("stats", KEYS, "att"))


def test_a_column_of_another_type_is_refused_before_any_work(hold):
    """The text of a city is no number, in any row."""
    with pytest.raises(HotrowError, match=r"view stats: .*column 'note'|partition") as caught:
        _open(hold(_rows(9)), SourceColumns("stats", (*KEYS, Column("note", Int64)), "at"))
    assert caught.value.code is Code.INVALID


def test_digest_and_versions_change_with_the_rows(hold, tmp_path):
    """They tell that fitted statistics are stale, and that a run cannot go on where it stopped."""
    reader = _open(hold(_rows(9)))
    before, versions = reader.digest(), [part.version() for part in reader.parts]
    assert before == reader.digest()
    assert versions == [part.version() for part in reader.parts]
    assert len(set(versions)) == len(versions)
    for path in [*tmp_path.rglob("*.parquet"), *tmp_path.rglob("*.db")]:
        path.unlink()
    if (tmp_path / "rows").exists():
        for folder in sorted((tmp_path / "rows").rglob("*"), reverse=True):
            folder.rmdir()
    other = _open(hold(_rows(9, seed=2)))
    assert other.digest() != before
    assert not {part.version() for part in other.parts} & set(versions)


def test_rows_in_a_write_ahead_log_make_another_version_and_reading_makes_none(tmp_path):
    """Also where the path is a link: SQLite has its log beside the file that it leads to."""
    (tmp_path / "there").mkdir()
    (tmp_path / "x.db").symlink_to(tmp_path / "there" / "real.db")
    wanted = SourceColumns("stats", (Column("id", Int64, key=True),), "at")

    def version():
        source = SqliteSource("x.db", query="SELECT * FROM x", event_time="at")
        (part,) = open_source(source, tmp_path, wanted).parts
        assert sum(batch.rows.num_rows for batch in part.batches(EVER, part.columns)) > 0
        return part.version()

    def insert(connection, rows):
        connection.executemany("INSERT INTO x VALUES (?, ?)", [(row, "2024-01-01") for row in range(rows)])
        connection.commit()

    with contextlib.closing(sqlite3.connect(tmp_path / "there" / "real.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE x (id, at)")
        insert(connection, 1)
    before = version()
    assert version() == before
    with contextlib.closing(sqlite3.connect(tmp_path / "there" / "real.db")) as connection:
        insert(connection, 1)
        assert version() != before


def test_a_database_at_which_a_writer_is_or_was_cut_off(tmp_path, monkeypatch):
    """Nothing is wrong with the path or the query: the remedy is another one."""
    path = tmp_path / "x.db"
    wanted = SourceColumns("stats", (Column("id", Int64, key=True),), "at")
    source = SqliteSource("x.db", query="SELECT * FROM x", event_time="at")
    connect = sqlite3.connect
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE x (id, at)")
        writer.execute("INSERT INTO x VALUES (1, '2024-01-01')")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("PRAGMA cache_spill = 1")
        with monkeypatch.context() as patched:
            patched.setattr("sqlite3.connect", lambda *given, **more: connect(*given, **more, timeout=0.01))
            with pytest.raises(
                HotrowError, match=r"x\.db cannot be read .*another process writes it; run it"
            ) as caught:
                open_source(source, tmp_path, wanted)
        assert caught.value.code is Code.UNAVAILABLE
        writer.execute("INSERT INTO x VALUES (2, '2024-01-01')")
        writer.execute("PRAGMA cache_size = 1")
        writer.execute(
            "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n LIMIT 9000) "
            "INSERT INTO x SELECT i, '2024-01-01' FROM n"
        )
        journal = (tmp_path / "x.db-journal").read_bytes()
        assert journal[:8] != bytes(8)
        before = path.read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "x.db").write_bytes(before)
    (tmp_path / "cut" / "x.db-journal").write_bytes(journal)
    with pytest.raises(HotrowError, match="a process that wrote it was cut off; open it once"):
        open_source(source, tmp_path / "cut", wanted)
    with contextlib.closing(sqlite3.connect(tmp_path / "cut" / "x.db")) as anyone:
        assert anyone.execute("SELECT count(*) FROM x").fetchone() == (1,)
    assert [len(batch.event_time_us) for batch in open_source(source, tmp_path / "cut", wanted).batches(EVER)] == [1]


def test_an_empty_source_has_no_rows(hold):
    """It is no error: a table before its first row."""
    source, folder = hold([])
    if isinstance(source, ParquetSource) and not list(folder.rglob("*.parquet")):
        pytest.skip("a folder without a file is said to be a mistake")
    assert _read(open_source(source, folder, WANTED))[0] == []


@pytest.mark.parametrize("kind", [ParquetSource, SqliteSource])
def test_what_is_not_there_is_said(tmp_path, kind):
    """With the path and the kind of source to correct; a URL is no path."""
    more = {"query": "SELECT 1"} if kind is SqliteSource else {}
    with pytest.raises(HotrowError, match=rf"view stats: there is no file.*gone; correct .* {kind.__name__}") as caught:
        open_source(kind("gone", event_time="at", **more), tmp_path, WANTED)
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(HotrowError, match=rf"s3://bucket/x is a URL; a {kind.__name__} reads local files"):
        open_source(kind("s3://bucket/x", event_time="at", **more), tmp_path, WANTED)


def test_views_of_texts_and_bytes_are_columns_as_any(tmp_path):
    """Arrow keeps their types in a Parquet file, and has no functions for them."""
    columns = (Column("s", String), Column("b", Bytes), Column("l", Array(String)))
    rows = {"id": [1, 2, 3], "s": ["x" * 50, None, "å"], "b": [b"\0" * 50, b"", None], "l": [["y" * 50], [], None]}
    held = {"s": pa.string_view(), "b": pa.binary_view(), "l": pa.list_(pa.string_view())}
    arrays = {name: pa.array(values, held.get(name)) for name, values in rows.items()}
    at = pa.array([EPOCH, EPOCH + timedelta(1), EPOCH])
    pq.write_table(pa.table({**arrays, "at": at}), tmp_path / "x.parquet")
    wanted = SourceColumns("stats", (Column("id", Int64, key=True), *columns), "at")
    reader = open_source(ParquetSource("x.parquet", event_time="at"), tmp_path, wanted)
    (batch,) = reader.batches(Interval(None, 1))
    assert [batch.rows.column(name).to_pylist() for name in rows] == [values[::2] for values in rows.values()]


def _refused_of(part, columns):
    refusals = Refusals()
    for batch in part.batches(EVER, columns):
        kept_rows(batch, [convert(batch.rows.column(c.name), c.type) for c in columns], "at", refusals)
    return refusals.counts


def test_the_deciding_columns_are_those_that_refuse_rows(tmp_path):
    """In Parquet the keys, and the columns whose type holds values that do not fit."""
    wanted = SourceColumns("stats", (Column("id", Int64, key=True), Column("n", Int32), Column("f", Float64)), "at")
    at = pa.array([EPOCH, EPOCH, EPOCH])
    table = pa.table({"id": [1, None, 3], "n": [1, 2, 1 << 40], "f": [0.5, 1, 2], "at": at})
    pq.write_table(table, tmp_path / "x.parquet")
    (part,) = open_source(ParquetSource("x.parquet", event_time="at"), tmp_path, wanted).parts
    assert [column.name for column in part.deciding] == ["id", "n"]
    assert _refused_of(part, part.deciding) == _refused_of(part, part.columns) != {}


def test_values_of_other_types_are_refused_for_their_rows(tmp_path):
    """SQLite keeps what it is given: the rows whose value does not fit are left out, counted, and the others stay."""
    columns = (Column("n", Int32), Column("f", Float32), Column("s", String), Column("b", Bytes))
    wanted = SourceColumns("stats", (Column("id", Int64, key=True), *columns), "at")
    fits = {"id": 1, "n": 1, "f": 1.5, "s": "å", "b": b"\xff", "at": 0}
    broken = "CAST(X'FF41' AS TEXT)"
    misfits = {"id": "two", "n": 1 << 40, "f": 1e300, "s": b"no text", "b": "no blob", "at": None}
    values = [fits, fits | {"id": 5, "f": 5}]
    values += [fits | {"id": 10 + i, name: value} for i, (name, value) in enumerate(misfits.items()) if name != "id"]
    values += [fits | {"id": "two"}, fits | {"at": "soon"}, fits | {"at": 1704067200000}]
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE x (id, n, f, s, b, at)")
        connection.executemany("INSERT INTO x VALUES (:id, :n, :f, :s, :b, :at)", values)
        for name in ("s", "b"):
            connection.execute("INSERT INTO x SELECT id, n, f, s, b, at FROM x WHERE id = 1 AND at = 0 LIMIT 1")
            connection.execute(f"UPDATE x SET {name} = {broken} WHERE rowid = last_insert_rowid()")
    connection.close()
    source = SqliteSource("x.db", query="SELECT * FROM x;", event_time="at")
    refusals = Refusals()
    reader = open_source(source, tmp_path, wanted)
    ids = []
    for batch in reader.batches(Interval()):
        converted = [convert(batch.rows.column(c.name), c.type) for c in batch.columns]
        kept = kept_rows(batch, converted, "at", refusals)
        ids += batch.rows.filter(pa.array(kept)).column("id").to_pylist()
    assert ids == [1, 5]
    assert dict(refusals.counts) == {
        ("id", "is no Int64"): 1,
        ("n", "is no Int32"): 1,
        ("f", "is no Float32"): 1,
        ("s", "is no String"): 2,
        ("b", "is no Bytes"): 2,
        ("at", "is no UnixTimestamp"): 2,
        ("at", "has no event time"): 1,
    }
    assert _refused_of(reader.parts[0], reader.parts[0].deciding) == refusals.counts  # a training set reads these alone
    assert refusals.examples["id", "is no Int64"] == "'two'"
    assert refusals.examples["at", "is no UnixTimestamp"] == "'soon'"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM nowhere", "no such table: nowhere"),
        ("SELEC 1", "syntax error"),
        ("DELETE FROM x", "syntax error"),
        ("SELECT id, id FROM x", "no column 'n'"),
        ("SELECT x.*, y.* FROM x JOIN x AS y ON x.id = y.id", "column 'id' is there 2 times; name the columns"),
        ("SELECT id, n, NULL AS at FROM x", "no event time in any of its 2 rows"),
        ("SELECT id, 'a' AS n, at FROM x", "column 'n' is no Int64, such as 'a'; convert it in the query"),
        ("SELECT id, n, 2460000.5 AS at FROM x", "column 'at' is no UnixTimestamp, such as 2460000.5"),
        ("SELECT id, n, 1704067200000 AS at FROM x", "column 'at' is no UnixTimestamp, such as 1704067200000"),
    ],
)
def test_queries_that_do_not_do_are_refused(tmp_path, query, says):
    """Before any work, naming the database; and nothing is changed."""
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE x (id, n, at)")
        connection.executemany("INSERT INTO x VALUES (?, ?, ?)", [(1, 1, "2024-01-01"), (2, 2, 1704067200)])
    connection.close()
    wanted = SourceColumns("stats", (Column("id", Int64, key=True), Column("n", Int64)), "at")
    with pytest.raises(HotrowError, match=says) as caught:
        open_source(SqliteSource("x.db", query=query, event_time="at"), tmp_path, wanted)
    assert caught.value.code is Code.INVALID
    assert "x.db" in caught.value.message
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("SELECT count(*) FROM x").fetchone() == (2,)
    connection.close()


def test_a_file_that_is_no_database_is_refused(tmp_path):
    """By its path."""
    (tmp_path / "x.db").write_text("this is no database, and long enough to have a header of a hundred bytes" * 9)
    with pytest.raises(HotrowError, match=r"x\.db cannot be read \(file is not a database\)"):
        open_source(SqliteSource("x.db", query="SELECT * FROM x", event_time="at"), tmp_path, WANTED)


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        ("driver_id=x/city=a", "partition 'driver_id=x': 'x' is no Int64; rename the folder"),
        ("driver_id=1/at=yesterday/city=a", "partition 'at=yesterday': 'yesterday' is no UnixTimestamp"),
    ],
)
def test_folders_that_tell_no_value_are_refused(tmp_path, folders, says):
    """Naming the folder and the type."""
    path = tmp_path / "rows" / folders / "a.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(_arrow(_rows(3), ["rides", "rate", "fare", "on_duty", "photo", "hired", "made"]), path)
    with pytest.raises(HotrowError, match=says):
        open_source(ParquetSource("rows", event_time="at", created_time="made"), tmp_path, WANTED)


def test_folders_may_tell_times_and_nulls(tmp_path):
    """A day is midnight in UTC, and Hive's name for a null is one; the column of a file stands before its folder's."""
    path = tmp_path / "rows" / "at=2024-05-01" / "rides=7" / "note=__HIVE_DEFAULT_PARTITION__" / "a.parquet"
    path.parent.mkdir(parents=True)
    names = ["driver_id", "city", "rides", "rate", "fare", "on_duty", "photo", "hired", "made"]
    pq.write_table(_arrow(_rows(3), names), path)
    reader = open_source(ParquetSource("rows", event_time="at", created_time="made"), tmp_path, WANTED)
    found, timeless = _read(reader)
    assert {row["at"] for row in found} == {1714521600 * 1_000_000}
    assert [row["rides"] for row in found] == [row["rides"] for row in _rows(3)]
    assert [row["note"] for row in found] == [None] * 4
    assert timeless == 0


def test_a_change_is_told(hold, tmp_path):
    """Of what a reader has checked: who reads it in two goes must know."""
    reader = _open(hold(_rows(9)))
    assert not any(part.changed() for part in reader.parts)
    list(reader.batches(Interval()))
    assert not any(part.changed() for part in reader.parts)
    for path in tmp_path.rglob("*.db"):
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM readings")
        connection.close()
    for path in tmp_path.rglob("*.parquet"):
        path.write_bytes(path.read_bytes() + b"\0")
    assert any(part.changed() for part in reader.parts)
