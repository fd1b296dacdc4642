"""historical: entity rows from files, the training set into one, and what is refused before work starts."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.offline import training

VIEW = "driver_hourly_stats"


@pytest.fixture
def applied(hotrow, rides):
    """The template rides, applied; its source has 48 hours of 5 drivers."""
    assert hotrow("apply", "-C", rides).code == 0
    return rides


@pytest.fixture
def source(applied):
    return pq.read_table(applied / "data" / "driver_stats.parquet")


@pytest.fixture
def entities(source, tmp_path):
    """The keys and times of the source, last first, and a driver whom it does not know."""
    keys = source.select(["driver_id", "event_timestamp"]).take(list(range(source.num_rows))[::-1])
    stranger = pa.table({"driver_id": [9], "event_timestamp": keys["event_timestamp"][:1]}, schema=keys.schema)
    table = pa.concat_tables([stranger, keys]).append_column("label", pa.array(range(keys.num_rows + 1)))
    pq.write_table(table, tmp_path / "entities.parquet")
    return tmp_path / "entities.parquet"


def test_a_service(hotrow, applied, source, entities, tmp_path):
    """Every row of the source is its own answer; the file has the entity rows as they were, in order."""
    out = tmp_path / "training.parquet"
    outcome = hotrow("historical", entities, "--service", "driver_activity", "-o", out, "-C", applied)
    assert outcome.code == 0, outcome.err
    heads, row, last = outcome.out.splitlines()
    assert heads.split() == ["VIEW", "READ", "FOUND", "NULL", "LEFT", "OUT", "SECONDS"]
    assert row.split()[:5] == [VIEW, "240", "240", "1", "0"]
    assert last.startswith(f"wrote {out}: 241 rows with 2 features of snapshot ")
    written = pq.read_table(out)
    assert written.column_names == ["driver_id", "event_timestamp", "label", "conv_rate", "avg_daily_trips"]
    assert written.select(["driver_id", "event_timestamp", "label"]).equals(pq.read_table(entities))
    assert written["conv_rate"].to_pylist() == [None, *source["conv_rate"].to_pylist()[::-1]]
    assert written.schema.metadata[b"hotrow.project"] == b"rides"
    assert [p.name for p in tmp_path.iterdir() if "unfinished" in p.name] == []


def test_in_parts_it_is_the_same(hotrow, applied, entities, tmp_path, monkeypatch):
    """An entity file that does not fit is joined and written a part at a time."""
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    assert hotrow("historical", entities, VIEW, "-o", whole, "-C", applied).code == 0
    monkeypatch.setattr(training, "CHUNK_BYTES", 5000)
    monkeypatch.setattr("hotrow.offline.entity_file._BATCH_ROWS", 7)
    outcome = hotrow("historical", entities, VIEW, "-o", parts, "-C", applied, "--json")
    assert pq.ParquetFile(parts).num_row_groups > 5
    assert pq.read_table(parts).equals(pq.read_table(whole))
    document = json.loads(outcome.out)
    assert (document["rows"], document["features"]) == (241, ["conv_rate", "avg_daily_trips", "fare"])
    assert document["views"][0]["found"] == 240


def test_csv(hotrow, applied, source, tmp_path):
    """Keys are read as the schema says, times with a zone or without one."""
    at = source["event_timestamp"][100].as_py()
    driver = source["driver_id"][100].as_py()
    naive = at.replace(tzinfo=None).isoformat(" ")
    (tmp_path / "a.csv").write_text(f"driver_id,at\n{driver},{at.isoformat()}\n,{at.isoformat()}\n")
    (tmp_path / "b.csv").write_text(f"driver_id,at\n{driver},{naive}\n")
    for name, expected in (("a.csv", [source["fare"][100].as_py(), None]), ("b.csv", [source["fare"][100].as_py()])):
        arguments = (f"{VIEW}:fare", "-o", tmp_path / "out.parquet", "--timestamp-column", "at", "-C", applied)
        outcome = hotrow("historical", tmp_path / name, *arguments)
        assert outcome.code == 0, outcome.err
        out = pq.read_table(tmp_path / "out.parquet")
        assert out["fare"].to_pylist() == expected
        assert out.schema.field("fare").metadata[b"unit"] == b"SEK"


def test_all_rows_of_a_view_as_they_were_known(hotrow, applied, source, tmp_path):
    """In place of a file: its rows from START to END, those that were created by then, with the times of each."""
    times = source["event_timestamp"].to_pylist()
    start, end, known = sorted(set(times))[5], sorted(set(times))[9], max(source["created"].to_pylist())
    out = tmp_path / "out.parquet"
    arguments = (VIEW, f"{VIEW}:fare", "-o", out, "--row-times", "--as-known-at", known.isoformat(), "-C", applied)
    outcome = hotrow("historical", *arguments, "--start", start.isoformat(), "--end", end.isoformat())
    assert outcome.code == 0, outcome.err
    written = pq.read_table(out)
    assert written.num_rows == sum(start <= time < end for time in times) == 20
    assert written[f"{VIEW}__event_time"].to_pylist() == written["event_timestamp"].to_pylist()
    assert set(written[f"{VIEW}__created_time"].to_pylist()) <= set(source["created"].to_pylist())
    outcome = hotrow("historical", *arguments[:-3], "2000-01-01", "-C", applied)
    assert outcome.code == 0, outcome.err
    assert pq.read_table(out).num_rows == 0


def test_no_row(hotrow, applied, tmp_path):
    """An empty file gives an empty training set with all columns."""
    (tmp_path / "a.parquet").write_bytes(b"")
    empty = pa.table({"driver_id": pa.array([], pa.int64()), "event_timestamp": pa.array([], pa.timestamp("ms"))})
    pq.write_table(empty, tmp_path / "a.parquet")
    assert hotrow("historical", tmp_path / "a.parquet", VIEW, "-o", tmp_path / "b.parquet", "-C", applied).code == 0
    assert pq.read_table(tmp_path / "b.parquet").shape == (0, 5)


def test_rows_of_the_source_that_are_left_out_are_told(hotrow, applied, source, entities, tmp_path):
    """On stderr, with the reason."""
    trips = source["avg_daily_trips"].to_pylist()
    broken = source.set_column(0, "driver_id", pa.array([None, *source["driver_id"].to_pylist()[1:]], pa.int64()))
    assert trips
    pq.write_table(broken, applied / "data" / "driver_stats.parquet")
    outcome = hotrow("historical", entities, VIEW, "-o", tmp_path / "b.parquet", "-C", applied)
    assert outcome.code == 0
    assert f"warning: {VIEW}: 1 source rows left out: driver_id is null in the source" in outcome.err
    assert outcome.out.splitlines()[1].split()[4] == "1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name the features: view:feature, a view, or --service NAME"),
        (("fair",), "unknown feature, view, transform or feature service 'fair'"),
        ((f"{VIEW}:fair",), "unknown feature 'fair'; did you mean fare?"),
        (("--service", "x"), "unknown feature service 'x'"),
        ((VIEW, "--service", "driver_activity"), "name features or a service, not both"),
        ((VIEW, "--snapshot", "nothing"), "unknown snapshot, branch or pin"),
        ((VIEW, "--timestamp-column", "when"), "the event time column 'when' is missing"),
        ((VIEW, "--timestamp-column", "label"), "column 'label' does not fit timestamps of the event time"),
        ((VIEW, "-o", "nowhere/t.parquet"), "there is no folder nowhere"),
        ((VIEW, "--start", "2024-01-01"), "--start and --end go with the name of a view"),
        ((VIEW, "--as-known-at", "soon"), "--as-known-at: 'soon' is no time"),
        ((VIEW, "-o", "."), ". is a folder; name a file in it"),
        ((VIEW, "-o", "t.csv"), "t.csv is the name of a CSV file, and a training set is Parquet"),
    ],
)
def test_what_is_wrong_is_told_before_work_starts(hotrow, applied, entities, tmp_path, arguments, says):
    """In one line, and nothing is written."""
    out = tmp_path / "training.parquet"
    given = (*arguments, *(() if "-o" in arguments else ("-o", out)))
    outcome = hotrow("historical", entities, *given, "-C", applied)
    assert outcome.code == 1
    assert says in outcome.err
    assert outcome.err.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", None, "there is no file"),
        ("a.parquet", b"driver_id\n1\n", "a.parquet is no readable Parquet (a CSV file is told by .csv)"),
        ("a.csv", b"", "a.csv is no readable CSV"),
        ("a.csv", b"driver,event_timestamp\n1,2024-01-01T00:00:00Z\n", "the join key column 'driver_id' is missing"),
        ("a.csv", b"driver_id,event_timestamp\nx,2024-01-01T00:00:00Z\n", "'driver_id': conversion error to int64"),
        ("a.csv", b"driver_id,event_timestamp\n1,2024-01-01T00:00:00Z\n2,\n", "in 1 of 2 rows, first in row 1"),
        ("a.csv", b"driver_id,event_timestamp\n1,yesterday\n", "in CSV, write all as ISO 8601"),
        ("a.csv", b"driver_id,event_timestamp,fare\n1,2024-01-01T00:00:00Z,2\n", "has a column 'fare'"),
    ],
)
def test_an_entity_file_that_is_wrong(hotrow, applied, tmp_path, name, content, says):
    """The file, the column and the remedy."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "training.parquet"
    outcome = hotrow("historical", tmp_path / name, VIEW, "-o", out, "-C", applied)
    assert outcome.code == 1
    assert says in outcome.err
    assert name in outcome.err
    assert not out.exists()


def test_an_interrupted_run_leaves_nothing(hotrow, applied, entities, tmp_path, monkeypatch):
    """The output is as it was, and no part of the new one stays."""
    out = tmp_path / "training.parquet"
    out.write_bytes(b"before")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(training, "CHUNK_BYTES", 5000)
    monkeypatch.setattr("hotrow.offline.entity_file._BATCH_ROWS", 7)
    joined = training.join_table
    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return joined(*arguments)

    monkeypatch.setattr("hotrow.offline.entity_file.join_table", interrupted)
    outcome = hotrow("historical", entities, VIEW, "-o", out, "-C", applied)
    assert outcome.code == 130
    assert f"interrupted: nothing of {out} was written" in outcome.err
    assert out.read_bytes() == b"before"
    assert sorted(tmp_path.iterdir()) == before


def test_the_output_is_not_the_input(hotrow, applied, entities):
    """By whatever path."""
    before = entities.read_bytes()
    outcome = hotrow("historical", entities, VIEW, "-o", entities, "-C", applied)
    assert "is the file of the entity rows" in outcome.err
    assert entities.read_bytes() == before


def test_the_output_is_no_source(hotrow, applied, entities):
    """Nor a file in the folder of one, which would be read from then on."""
    source = applied / "data" / "driver_stats.parquet"
    before = source.read_bytes()
    outcome = hotrow("historical", entities, VIEW, "-o", source, "-C", applied)
    assert f"view {VIEW!r} is read from" in outcome.err
    assert source.read_bytes() == before
    features = applied / "features.py"
    features.write_text(features.read_text().replace("data/driver_stats.parquet", "data"))
    assert hotrow("apply", "-C", applied).code == 0
    outcome = hotrow("historical", entities, VIEW, "-o", source.with_name("training.parquet"), "-C", applied)
    assert f"view {VIEW!r} is read from" in outcome.err
    assert list(source.parent.iterdir()) == [source]


def test_two_may_write_one_training_set(hotrow, applied, entities, tmp_path, monkeypatch):
    """The one that ends last is there in the end, and neither is a part of the other."""
    out = tmp_path / "training.parquet"
    joined = training.join_table
    codes = []

    def meanwhile(*arguments):
        if not codes:
            codes.append(0)
            codes.append(hotrow("historical", entities, f"{VIEW}:fare", "-o", out, "-C", applied).code)
            assert pq.read_schema(out).names[-1] == "fare"
        return joined(*arguments)

    monkeypatch.setattr("hotrow.offline.entity_file.join_table", meanwhile)
    assert hotrow("historical", entities, f"{VIEW}:conv_rate", "-o", out, "-C", applied).code == 0
    assert codes == [0, 0]
    assert pq.read_schema(out).names[-1] == "conv_rate"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [entities.name, out.name]


def test_a_path_that_cannot_be_written_is_told_before_any_work(hotrow, applied, entities, tmp_path, monkeypatch):
    """By the system's own words: here the name of the file that becomes the output is too long."""
    monkeypatch.setattr("hotrow.offline.entity_file.join_table", lambda *_: pytest.fail("it was joined"))
    outcome = hotrow("historical", entities, VIEW, "-o", tmp_path / ("x" * 250), "-C", applied)
    assert outcome.code == 1
    assert "File name too long" in outcome.err
