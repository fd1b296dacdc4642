"""Training sets against the join row by row, and the rules that docs/training-sets.md states."""

import contextlib
import sqlite3
import tempfile
from datetime import timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import (
    Array,
    Bool,
    Bytes,
    Entity,
    FeatureView,
    Field,
    Float32,
    Float64,
    HotrowError,
    Int32,
    Int64,
    ParquetSource,
    SqliteSource,
    String,
    UnixTimestamp,
)
from hotrow.errors import Code
from hotrow.offline import training, view_join
from hotrow.offline.entity_rows import EntityColumns
from hotrow.offline.progress import SilentProgress
from hotrow.offline.selection import select_features
from hotrow.offline.source import BatchSize
from hotrow.offline.training import join_table, plan_training
from hotrow.offline.view_source import Folders
from hotrow.registry.snapshot import Snapshot
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.training import SourceRow, latest

TIME = pa.timestamp("us", tz="UTC")
DRIVER = Entity("driver", join_keys={"driver_id": Int64})

KEY_VALUES = {
    Int64: st.integers(0, 2) | st.sampled_from([-(2**63), 2**63 - 1]),
    Int32: st.integers(0, 2),
    String: st.sampled_from(["", "a", "b\0", "é" * 300]),
    Bytes: st.sampled_from([b"", b"\0\xff", b"b"]),
    Bool: st.booleans(),
    UnixTimestamp: st.integers(-1, 1),
}
ARROW = {Int64: pa.int64(), Int32: pa.int32(), String: pa.string(), Bytes: pa.binary(), Bool: pa.bool_()}
TIMES = st.integers(0, 12) | st.sampled_from([-(2**62), 2**62, -(2**63), 2**63 - 1])


def _key_arrow(declared):
    return ARROW.get(declared, TIME)


def join(view, path, entities, features, reports=None):
    """The feature columns of a table, by the way that a store goes."""
    snapshot = Snapshot("p", entities={e.name: e for e in view.entities}, views={view.name: view})
    selection = select_features(snapshot, features)
    plan = plan_training(selection, Folders(path, path / "log"))
    columns = EntityColumns("the entity frame", selection.join_keys(), "at")
    columns.check_names(entities.column_names, plan.columns)
    columns.check_types(entities.schema)
    made = plan.reports()
    out = join_table(plan, columns.read(entities), made, SilentProgress())
    if reports is not None:
        reports.update(made)
    return out


@st.composite
def cases(draw):
    """Keys, ttl, entity rows and source rows in some files, with much that collides."""
    types = draw(st.lists(st.sampled_from(list(KEY_VALUES)), max_size=3))
    key = st.tuples(*(st.none() | KEY_VALUES[t] for t in types)) if types else st.just(())
    ttl = draw(st.none() | st.integers(1, 8))
    with_created = draw(st.booleans())
    row = st.builds(
        lambda key, event, created, number, text: (key, event, created, number, text),
        key,
        st.none() | TIMES,
        st.none() | st.integers(-1, 2) if with_created else st.none(),
        st.none() | st.integers(0, 9) | st.just(2**40),
        st.none() | st.sampled_from(["x", "y"]),
    )
    files = draw(st.lists(st.lists(row, max_size=12), min_size=1, max_size=3))
    entities = draw(st.lists(st.tuples(key, TIMES), max_size=12))
    return types, ttl, with_created, files, entities


def _write(folder, types, files, *, with_created):
    for place, rows in enumerate(files):
        columns = {f"k{i}": pa.array([row[0][i] for row in rows], _key_arrow(t)) for i, t in enumerate(types)}
        columns["at"] = pa.array([row[1] for row in rows], TIME)
        if with_created:
            columns["made"] = pa.array([row[2] for row in rows], TIME)
        columns["number"] = pa.array([row[3] for row in rows], pa.int64())
        columns["text"] = pa.array([row[4] for row in rows], pa.string())
        pq.write_table(pa.table(columns), folder / f"{place}.parquet")


def _encoded_bytes(key):
    """The length of an entity key, as docs/architecture.md lays it out."""
    texts = [part.encode() if isinstance(part, str) else part for part in key if isinstance(part, str | bytes)]
    return sum(len(text) + text.count(b"\0") + 2 for text in texts) + 9 * (len(key) - len(texts))


@contextlib.contextmanager
def small_pieces():
    """Blocks of three rows, chunks of a few, and no slack before replaced rows go."""
    with (
        mock.patch.object(view_join, "BLOCK", BatchSize(rows=3)),
        mock.patch.object(training, "CHUNK_BYTES", 1000),
    ):
        yield


@settings(max_examples=300)
@given(cases())
def test_it_is_the_join_row_by_row(case):
    """Ties, duplicates, nulls, times at the ends of the range, ages at the ttl, unsorted and empty sources."""
    types, ttl, with_created, files, entities = case
    keys = {f"k{i}": t for i, t in enumerate(types)}
    view = FeatureView(
        "v",
        entities=[Entity("e", join_keys=keys)] if keys else [],
        ttl=None if ttl is None else timedelta(microseconds=ttl),
        schema=[Field("number", Int32), Field("text", String)],
        source=_source(with_created),
    )
    source = [
        SourceRow(
            key,
            event,
            created,
            {"number": number, "text": text},
            refused=number == 2**40 or (None not in key and _encoded_bytes(key) > 480),
        )
        for rows in files
        for key, event, created, number, text in rows
    ]
    table = pa.table(
        {
            **{f"k{i}": pa.array([key[i] for key, _ in entities], _key_arrow(t)) for i, t in enumerate(types)},
            "at": pa.array([at for _, at in entities], TIME),
        }
    )
    assume(not source or any(row.event_us is not None for row in source))  # else it is refused before work starts
    expected = [latest(source, key, at, ttl) if None not in key else None for key, at in entities]
    with tempfile.TemporaryDirectory() as folder, small_pieces():
        _write(Path(folder), types, files, with_created=with_created)
        out = join(view, Path(folder), table, ["v:text", "v:number"])
    for name in ("text", "number"):
        values = [None if row is None else row.values[name] for row in expected]
        assert out.column(name).to_pylist() == values


def _source(with_created):
    return ParquetSource(".", event_time="at", created_time="made" if with_created else "")


VALUES = {
    Float64: (pa.float32(), [0.5, None, float("inf")]),
    Float32: (pa.float64(), [0.1, None, -2.0]),
    Int64: (pa.uint8(), [255, None, 0]),
    Int32: (pa.int64(), [-(2**31), None, 5]),
    Bool: (pa.bool_(), [True, None, False]),
    String: (pa.dictionary(pa.int8(), pa.string()), ["é", None, ""]),
    Bytes: (pa.binary(), [b"\xff", None, b""]),
    UnixTimestamp: (pa.timestamp("ns"), [-1, None, 1999]),
    Array(Float32): (pa.list_(pa.float64()), [[0.1, 2.0], None, []]),
    Array(String): (pa.list_(pa.string()), [["a", ""], None, []]),
    Array(UnixTimestamp): (pa.list_(pa.timestamp("s")), [[1], None, []]),
}


@pytest.mark.parametrize("declared", VALUES, ids=str)
def test_every_type_comes_as_declared(tmp_path, declared):
    """Values are converted as materialization converts them, and a null stays one."""
    held, values = VALUES[declared]
    view = FeatureView(
        "v",
        entities=[DRIVER],
        schema=[Field("f", declared, unit="u")],
        source=ParquetSource("a.parquet", event_time="at"),
    )
    array = (
        pa.array(values, pa.string()).dictionary_encode() if pa.types.is_dictionary(held) else pa.array(values, held)
    )
    pq.write_table(
        pa.table({"driver_id": [1, 2, 3], "at": pa.array([5, 5, 5], TIME), "f": array}), tmp_path / "a.parquet"
    )
    entities = pa.table({"driver_id": [3, 2, 1, 9], "at": pa.array([5, 5, 5, 5], TIME)})
    out = join(view, tmp_path, entities, ["v:f"])
    expected = {
        Float32: [-2.0, None, float(np.float32(0.1)), None],
        Array(Float32): [[], None, [float(np.float32(0.1)), 2.0], None],
    }.get(declared, [*values[::-1], None])
    column = out.column("f").combine_chunks()
    if declared is UnixTimestamp:
        assert column.cast(pa.int64()).to_pylist() == [1, None, -1, None]
    elif declared == Array(UnixTimestamp):
        assert column.cast(pa.large_list(pa.int64())).to_pylist() == [[], None, [1_000_000], None]
    else:
        assert column.to_pylist() == expected
    assert out.schema.field("f").metadata == {b"feature": b"v:f", b"unit": b"u"}


def test_a_column_that_a_file_lacks_is_the_default(tmp_path):
    """As the ingest worker stores it; an explicit null is a null, and a row that is not there gives no default."""
    view = FeatureView(
        "v",
        entities=[DRIVER],
        schema=[Field("a", Int64), Field("d", Array(Int32), default=[1, 2]), Field("n", String, default=None)],
        source=ParquetSource(".", event_time="at"),
    )
    at = pa.array([1], TIME)
    pq.write_table(pa.table({"driver_id": [1], "at": at, "a": [7]}), tmp_path / "0.parquet")
    null = pa.array([None], pa.list_(pa.int32()))
    pq.write_table(pa.table({"driver_id": [2], "at": at, "a": [8], "d": null}), tmp_path / "1.parquet")
    entities = pa.table({"driver_id": [1, 2, 3], "at": pa.array([2, 2, 2], TIME)})
    out = join(view, tmp_path, entities, ["v:a", "v:d", "v:n"])
    assert out.column("a").to_pylist() == [7, 8, None]
    assert out.column("d").to_pylist() == [[1, 2], None, None]
    assert out.column("n").to_pylist() == [None, None, None]


def test_a_row_that_materialization_rejects_is_no_answer(tmp_path):
    """By a column that is not asked for too; the report counts it once, however often the source is read."""
    view = FeatureView(
        "v",
        entities=[DRIVER],
        schema=[Field("a", Int64), Field("b", Int32)],
        source=ParquetSource("a.parquet", event_time="at"),
    )
    table = {"driver_id": [1, 1, None], "at": pa.array([1, 2, 3], TIME), "a": [10, 20, 30], "b": [1, 2**40, 1]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    entities = pa.table({"driver_id": [1] * 40, "at": pa.array([9] * 40, TIME)})
    reports = {}
    with small_pieces():
        out = join(view, tmp_path, entities, ["v:a"], reports)
    assert out.column("a").to_pylist() == [10] * 40
    report = reports["v"]
    assert (report.found, report.missing) == (40, 0)
    assert report.left_out == {
        ("b", "does not fit Int32"): 1,
        ("driver_id", "is null in the source, and a join key must have a value"): 1,
    }
    assert "v: 1 source rows left out: b does not fit Int32, such as 1099511627776" in report.warnings()


def test_a_value_of_another_type_in_sqlite_makes_its_row_no_answer(tmp_path):
    """As in materialization: the row before it is, whichever column is asked for."""
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute("CREATE TABLE x (driver_id, at, a, b)")
        rows = [(1, "2024-01-01", 10.5, 1), (1, "2024-01-02", "none", 2), (1, "2024-01-03", 30.5, 1 << 40)]
        connection.executemany("INSERT INTO x VALUES (?, ?, ?, ?)", rows)
    view = FeatureView(
        "v",
        entities=[DRIVER],
        schema=[Field("a", Float64), Field("b", Int32)],
        source=SqliteSource("x.db", query="SELECT * FROM x", event_time="at"),
    )
    entities = pa.table({"driver_id": [1], "at": pa.array([1706745600000000], TIME)})
    reports = {}
    assert join(view, tmp_path, entities, ["v:a", "v:b"], reports).to_pylist() == [{"a": 10.5, "b": 1}]
    assert join(view, tmp_path, entities, ["v:b"]).to_pylist() == [{"b": 1}]
    assert reports["v"].left_out == {("a", "is no Float64"): 1, ("b", "is no Int32"): 1}


def test_row_groups_that_cannot_matter_are_not_read(tmp_path):
    """Those after the last event time, and those that are too old for the first."""
    view = FeatureView(
        "v",
        entities=[DRIVER],
        ttl=timedelta(microseconds=15),
        schema=[Field("a", Int64)],
        source=ParquetSource("a.parquet", event_time="at"),
    )
    table = pa.table({"driver_id": [1] * 100, "at": pa.array(range(100), TIME), "a": list(range(100))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    reports = {}
    entities = pa.table({"driver_id": [1, 1], "at": pa.array([45, 57], TIME)})
    assert join(view, tmp_path, entities, ["v:a"], reports).column("a").to_pylist() == [45, 57]
    assert reports["v"].read == 30


def test_a_damaged_file_ends_all_threads(tmp_path):
    """The error names the file; nothing hangs."""
    view = FeatureView(
        "v", entities=[DRIVER], schema=[Field("a", Int64)], source=ParquetSource("a.parquet", event_time="at")
    )
    path = tmp_path / "a.parquet"
    rng = np.random.default_rng(1)
    columns = {"driver_id": rng.integers(0, 9, 50_000), "at": pa.array(range(50_000), TIME), "a": range(50_000)}
    pq.write_table(pa.table(columns), path, compression="NONE")
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xff" * 1996
    path.write_bytes(data)
    entities = pa.table({"driver_id": [1], "at": pa.array([45], TIME)})
    with pytest.raises(HotrowError, match=r"a\.parquet cannot be read to its end"):
        join(view, tmp_path, entities, ["v:a"])


def test_features_are_fetched_of_rows_that_answer_alone(tmp_path):
    """In blocks of three, of a source in the order of time: the last row of each key at or before a time answers."""
    view = FeatureView(
        "v", entities=[DRIVER], schema=[Field("a", Int64)], source=ParquetSource("a.parquet", event_time="at")
    )
    n = 300
    table = pa.table({"driver_id": [i % 3 for i in range(n)], "at": pa.array(range(n), TIME), "a": list(range(n))})
    pq.write_table(table, tmp_path / "a.parquet")
    entities = pa.table({"driver_id": [2, 0, 1, 0, 0], "at": pa.array([n, 100, n, n, n], TIME)})
    fetched = []
    features = view_join.ViewJoin._features

    def counted(self, batch, rows):
        fetched.append(len(rows))
        return features(self, batch, rows)

    with (
        mock.patch.object(view_join, "BLOCK", BatchSize(rows=3)),
        mock.patch.object(view_join.ViewJoin, "_features", counted),
    ):
        out = join(view, tmp_path, entities, ["v:a"])
    assert out.column("a").to_pylist() == [299, 99, 298, 297, 297]
    assert sum(fetched) == 4


def test_a_source_that_changes_meanwhile_is_no_answer(tmp_path):
    """Rows are found in one reading and fetched in the next: of another file they would be others."""
    view = FeatureView(
        "v", entities=[DRIVER], schema=[Field("a", Int64)], source=ParquetSource("a.parquet", event_time="at")
    )
    table = pa.table({"driver_id": [1, 2, 2], "at": pa.array([5, 6, 7], TIME), "a": [1, 2, 3]})
    pq.write_table(table, tmp_path / "a.parquet")
    fetch = view_join.ViewJoin._fetch

    def changed(self, *arguments):
        pq.write_table(table.set_column(2, "a", pa.array([7, 8, 9])), tmp_path / "other.parquet")
        (tmp_path / "other.parquet").replace(tmp_path / "a.parquet")
        return fetch(self, *arguments)

    entities = pa.table({"driver_id": [2], "at": pa.array([9], TIME)})
    with (
        mock.patch.object(view_join.ViewJoin, "_fetch", changed),
        pytest.raises(HotrowError, match=r"view v: .* has changed since the work began; run it again") as caught,
    ):
        join(view, tmp_path, entities, ["v:a"])
    assert caught.value.code is Code.INVALID
