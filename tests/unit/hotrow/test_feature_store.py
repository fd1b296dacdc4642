"""FeatureStore: frames of each kind, definitions from the registry, and what is refused before work starts."""

import subprocess
import sys
import warnings
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    Float32,
    Float64,
    Int64,
    ParquetSource,
    String,
    transform,
)
from hotrow.errors import Code, HotrowError
from hotrow.registry.open import open_registry
from hotrow.registry.signature import feature_signature
from hotrow.registry.snapshot import Snapshot
from hotrow.types import Array, Bool, Int32

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
ROUTE = Entity("route", join_keys={"driver_id": Int64, "city": String})
TIME = pa.timestamp("us", tz="UTC")
BIG = 2**60 + 1


def _at(hour):
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


def _snapshot(namespace="", **options):
    stats = FeatureView(
        "stats",
        entities=[DRIVER],
        ttl=options.pop("ttl", timedelta(hours=2)),
        schema=[Field("fare", Float32, unit="SEK"), Field("trips", Int64), Field("on", Bool)],
        source=ParquetSource("stats.parquet", event_time="at", created_time="made"),
    )
    routes = FeatureView(
        "routes",
        entities=[ROUTE],
        schema=[Field("fare", Float32, unit="USD"), Field("tags", Array(String))],
        source=ParquetSource("routes", event_time="at"),
    )
    pushed = FeatureView("pushed", entities=[DRIVER], schema=[Field("clicks", Int32)])
    services = [FeatureService("model", features=[stats[["trips", "fare"]]])]
    return Snapshot(
        "rides",
        namespace,
        entities={"driver": DRIVER, "route": ROUTE},
        views={view.name: view for view in (stats, routes, pushed)},
        services={service.name: service for service in services},
    )


@pytest.fixture
def repo(tmp_path):
    """A repository with two views, and something applied."""
    (tmp_path / "hotrow.toml").write_text('project = "rides"\n')
    open_registry(str(tmp_path / "registry")).apply(_snapshot(), expected_head=None, author="")
    pq.write_table(
        pa.table(
            {
                "driver_id": [1, 1, 1, 2],
                "at": pa.array([_at(1), _at(3), _at(3), _at(3)], TIME),
                "made": pa.array([_at(1), _at(9), _at(8), _at(3)], TIME),
                "fare": [1.0, 2.5, 9.0, None],
                "trips": [10, BIG, 9, 20],
                "on": [True, False, True, None],
            }
        ),
        tmp_path / "stats.parquet",
    )
    (tmp_path / "routes").mkdir()
    pq.write_table(
        pa.table(
            {
                "city": ["Umeå", "Lund"],
                "driver_id": pa.array([1, 1], pa.int32()),
                "at": pa.array([_at(2), _at(2)], pa.timestamp("ns")),
                "fare": [7.0, 8.0],
                "tags": [["x"], []],
            }
        ),
        tmp_path / "routes" / "a.parquet",
    )
    return tmp_path


ENTITIES = {"driver_id": [2, 1, 1, 3], "event_timestamp": [_at(3), _at(4), _at(0), _at(4)], "label": [1, 2, 3, 4]}
FARES, TRIPS = [None, 2.5, None, None], [20, BIG, None, None]


def test_arrow(repo):
    """The caller's columns and metadata stay; units are with the fields, and where it is from with the schema."""
    entities = pa.table(ENTITIES).replace_schema_metadata({"mine": "1"})
    out = FeatureStore(repo).get_historical_features(entities, ["stats:trips", "stats:fare"])
    assert out.column_names == ["driver_id", "event_timestamp", "label", "trips", "fare"]
    assert out.select(entities.column_names).equals(entities)
    assert (out["trips"].to_pylist(), out["fare"].to_pylist()) == (TRIPS, FARES)
    assert out.schema.field("fare").metadata == {b"unit": b"SEK", b"feature": b"stats:fare"}
    snapshot = _snapshot()
    assert out.schema.metadata == {
        b"mine": b"1",
        b"hotrow.project": b"rides",
        b"hotrow.namespace": b"",
        b"hotrow.snapshot": snapshot.id.encode(),
        b"hotrow.signature": feature_signature(
            snapshot, [snapshot.services["model"].features[0], snapshot.services["model"].features[1]]
        ).encode(),
    }


def test_the_registry_keeps_what_the_signature_stands_for(repo, monkeypatch):
    """For the errors of readers; where it cannot be written, the training set is none the worse."""
    entities = pa.table(ENTITIES)
    out = FeatureStore(repo).get_historical_features(entities, ["stats:trips", "stats:fare"])
    registry = open_registry(str(repo / "registry"))
    kept = registry.signed(out.schema.metadata[b"hotrow.signature"].decode())
    assert kept == (("stats:trips", "Int64", ""), ("stats:fare", "Float32", "SEK"))

    def full(*_):
        raise HotrowError(Code.EXHAUSTED, "the disk is full")

    monkeypatch.setattr("hotrow.registry.folder.FolderBackend.put_object", full)
    other = FeatureStore(repo).get_historical_features(entities, ["stats:fare"])
    assert registry.signed(other.schema.metadata[b"hotrow.signature"].decode()) == ()


def test_pandas(repo):
    """An index of any kind stays, integers stay exact beside nulls, and units are in attrs."""
    entities = pd.DataFrame(ENTITIES, index=["a", "b", "a", "c"])
    out = FeatureStore(repo).get_historical_features(entities, ["stats:trips", "stats:fare", "stats:on"])
    pd.testing.assert_frame_equal(out[list(ENTITIES)], entities)
    assert out["trips"].dtype == pd.Int64Dtype()
    assert [None if value is pd.NA else value for value in out["trips"]] == TRIPS
    assert out["fare"].dtype == np.float32
    assert out["fare"].isna().tolist() == [True, False, True, True]
    assert out["on"].dtype == pd.BooleanDtype()
    assert out.attrs["hotrow.units"] == {"fare": "SEK"}
    assert out.attrs["hotrow.snapshot"] == _snapshot().id


def test_polars(repo):
    """The same of Polars."""
    out = FeatureStore(repo).get_historical_features(pl.DataFrame(ENTITIES), "model")
    assert isinstance(out, pl.DataFrame)
    assert out.columns == [*ENTITIES, "trips", "fare"]
    assert (out["trips"].to_list(), out["fare"].to_list()) == (TRIPS, FARES)


def test_a_service_as_an_object(repo):
    """One that is what was applied; another one is refused."""
    store, applied = FeatureStore(repo), _snapshot()
    entities = pa.table(ENTITIES)
    by_name = store.get_historical_features(entities, "model")
    assert store.get_historical_features(entities, applied.services["model"]).equals(by_name)
    other = FeatureService("model", features=[applied.views["stats"][["on"]]])
    with pytest.raises(HotrowError, match="has other features than in the snapshot") as error:
        store.get_historical_features(entities, other)
    assert error.value.code is Code.FAILED_PRECONDITION


def test_several_views_and_composite_keys(repo):
    """Each view by its own keys; equal names need full names."""
    store = FeatureStore(repo)
    entities = pa.table({**ENTITIES, "city": ["Lund", "Umeå", None, "Umeå"]})
    wanted = ["routes:fare", "stats:fare", "routes:tags"]
    with pytest.raises(HotrowError, match="'routes:fare' and 'stats:fare' would both be called 'fare'"):
        store.get_historical_features(entities, wanted)
    out = store.get_historical_features(entities, wanted, full_names=True)
    assert out["routes__fare"].to_pylist() == [None, 7.0, None, None]
    assert out["stats__fare"].to_pylist() == FARES
    assert out["routes__tags"].to_pylist() == [None, ["x"], None, None]


def test_the_ttl_and_time_zones(repo):
    """An age equal to the ttl is valid, a microsecond more is not; times of any zone and none are compared in UTC."""
    store = FeatureStore(repo)
    edge = _at(5)
    for times in (
        pd.Series([edge, edge + timedelta(microseconds=1)]),
        pd.Series([edge, edge + timedelta(microseconds=1)]).dt.tz_convert("Asia/Tokyo"),
        pd.Series([edge, edge + timedelta(microseconds=1)]).dt.tz_localize(None),
    ):
        frame = pd.DataFrame({"driver_id": [1, 1], "when": times})
        out = store.get_historical_features(frame, ["stats:fare"], timestamp_column="when")
        assert out["fare"].isna().tolist() == [False, True]


def test_a_pinned_snapshot(repo):
    """The store answers by the definitions that it was opened for, and says which."""
    registry = open_registry(str(repo / "registry"))
    branch = _snapshot("longer", ttl=None)
    registry.apply(branch, expected_head=_snapshot().id, author="", branch="longer")
    entities = pa.table({"driver_id": [1], "event_timestamp": pa.array([_at(9)], TIME)})
    assert FeatureStore(repo).get_historical_features(entities, ["stats:fare"])["fare"].to_pylist() == [None]
    out = FeatureStore(repo, snapshot="longer").get_historical_features(entities, ["stats:fare"])
    assert out["fare"].to_pylist() == [2.5]
    assert out.schema.metadata[b"hotrow.namespace"] == b"longer"
    assert out.schema.metadata[b"hotrow.snapshot"] == branch.id.encode()


@pytest.mark.parametrize("kind", [pa.table, pd.DataFrame, pl.DataFrame])
def test_an_empty_frame(repo, kind):
    """All columns and no row."""
    table = pa.table(ENTITIES).slice(0, 0)
    frame = {pa.table: lambda: table, pd.DataFrame: table.to_pandas, pl.DataFrame: lambda: pl.from_arrow(table)}[kind]()
    out = FeatureStore(repo).get_historical_features(frame, "model")
    assert out.shape == (0, 5)


def test_rows_that_are_left_out_are_told(repo):
    """As a warning, which a notebook shows."""
    table = pq.read_table(repo / "stats.parquet")
    pq.write_table(table.set_column(0, "driver_id", pa.array([1, None, None, 2])), repo / "stats.parquet")
    with pytest.warns(UserWarning, match="stats: 2 source rows left out: driver_id is null in the source") as told:
        FeatureStore(repo).get_historical_features(pa.table(ENTITIES), "model")
    assert told[0].filename == __file__  # at the line that the user knows


@pytest.mark.parametrize(
    "time",
    [
        np.int64(1_714_521_600_000_000),
        np.datetime64("2024-05-01"),
        np.datetime64("2024-05-01T00:00:00.000000999", "ns"),
        pd.Timestamp("2024-05-01"),
        date(2024, 5, 1),
        "2024-05-01",
    ],
)
def test_times_of_many_kinds(repo, time):
    """NumPy's and pandas' too, as they come out of a frame."""
    (report,) = FeatureStore(repo).materialize(time, "2024-06-01", views=["stats"], dry_run=True)
    assert report.interval.start_us == 1_714_521_600_000_000


@pytest.mark.parametrize("time", [pd.NaT, np.datetime64("NaT"), True, 1.5, "soon", None])
def test_what_is_no_time_is_refused(repo, time):
    """By the name of the argument."""
    with pytest.raises(HotrowError, match=r"end is .*give a datetime"):
        FeatureStore(repo).materialize("2024-01-01", time)


def _without(name):
    return {key: values for key, values in ENTITIES.items() if key != name}


NAIVE = [datetime(2024, 1, 1)]  # noqa: DTZ001 - a frame without zones


@pytest.mark.parametrize(
    ("frame", "features", "says"),
    [
        (ENTITIES, [], "the list of features is empty; name at least one"),
        (ENTITIES, ["stats:fair"], "feature view 'stats': unknown feature 'fair'; did you mean fare?"),
        (ENTITIES, ["stat:fare"], "unknown feature view 'stat'; did you mean stats?"),
        (ENTITIES, ["fare"], "feature 'fare' is not of the form \"view:feature\""),
        (ENTITIES, "stats:fare", "give a list of them: ['stats:fare']"),
        (ENTITIES, "modell", "unknown feature service 'modell'; known: model"),
        (ENTITIES, ["stats:fare", "stats:fare"], "feature 'stats:fare' is asked 2 times; ask it once"),
        (ENTITIES, "stats", "feature view 'stats' is no feature service; give a list: ['stats:fare', ...]"),
        (ENTITIES, ["stats:fare", 1], "features are a list with the type int; give a list of references"),
        (ENTITIES, {"stats:fare"}, "features are of the type set; give a list of references"),
        (ENTITIES, ["pushed:clicks"], "feature view 'pushed' has no source, and no pushed row of it is in the log"),
        (_without("driver_id"), "model", "the join key column 'driver_id' is missing"),
        (_without("event_timestamp"), "model", "the event time column 'event_timestamp' is missing"),
        ({**ENTITIES, "fare": [0] * 4}, "model", "has a column 'fare', and so would the result"),
        ({**ENTITIES, "driver_id": [1.0] * 4}, "model", 'astype("Int64")'),
        ({**ENTITIES, "driver_id": ["1"] * 4}, "model", "'driver_id' does not fit the join key, which is Int64"),
        ({**ENTITIES, "event_timestamp": ["x"] * 4}, "model", "does not fit timestamps of the event time: it holds"),
        ({**ENTITIES, "event_timestamp": [_at(1), None, None, _at(1)]}, "model", "in 2 of 4 rows, first in row 1"),
        ({**ENTITIES, "event_timestamp": [None] * 4}, "model", "has no event time in 4 of 4 rows"),
    ],
)
@pytest.mark.parametrize("kind", [pa.table, pd.DataFrame, pl.DataFrame])
def test_what_is_wrong_is_told_before_a_source_is_read(repo, kind, frame, features, says):
    """With the column and the remedy."""
    (repo / "stats.parquet").write_bytes(b"never opened")
    with pytest.raises(HotrowError) as error:
        FeatureStore(repo).get_historical_features(kind(frame), features)
    assert says in error.value.message


def test_more_that_is_no_frame(repo):
    """Another kind, a lazy frame, columns of mixed types, an integer that fits no key."""
    store = FeatureStore(repo)
    with pytest.raises(HotrowError, match=r"the entity frame is a builtins\.dict; give a pandas or Polars DataFrame"):
        store.get_historical_features(ENTITIES, "model")
    with pytest.raises(HotrowError, match=r"is a polars\.LazyFrame; .*collect it first"):
        store.get_historical_features(pl.DataFrame(ENTITIES).lazy(), "model")
    with pytest.raises(HotrowError, match="column 'driver_id' does not have values of one type"):
        store.get_historical_features(pd.DataFrame({**ENTITIES, "driver_id": [1, "a", 2, b""]}), "model")
    big = pa.table({**ENTITIES, "driver_id": pa.array([1, 2, 2**63, 4], pa.uint64())})
    with pytest.raises(HotrowError, match="join key 'driver_id' in row 2: 9223372036854775808 does not fit Int64"):
        store.get_historical_features(big, "model")
    twice = pd.DataFrame([[1, 1, NAIVE[0]]], columns=["driver_id", "driver_id", "event_timestamp"])
    with pytest.raises(HotrowError, match="column 'driver_id' is there 2 times"):
        store.get_historical_features(twice, "model")


def test_columns_of_pandas_whose_names_are_no_texts(repo):
    """They stay as they are; none of them is a key or a time."""
    store = FeatureStore(repo)
    numbered = pd.DataFrame({**ENTITIES, 0: range(4), ("a", 1): range(4)})
    assert store.get_historical_features(numbered, ["stats:fare"])[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(HotrowError, match="join key column 'driver_id' is missing"):
        store.get_historical_features(numbered.rename(columns={"driver_id": 1}), ["stats:fare"])
    levels = pd.DataFrame(ENTITIES).set_axis(pd.MultiIndex.from_product([["x"], ENTITIES]), axis=1)
    with pytest.raises(HotrowError, match="join key column 'driver_id' is missing"):
        store.get_historical_features(levels, ["stats:fare"])
    with pytest.raises(HotrowError, match=r"event time column 0 is missing.*or name the column"):
        store.get_historical_features(numbered, ["stats:fare"], timestamp_column=0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no file or folder"),
        (b"PAR1", "is no readable Parquet"),
        ({"driver_id": [1]}, "there is no column 'fare'"),
    ],
)
def test_a_source_that_is_wrong_is_told(repo, content, says):
    """With the file."""
    path = repo / "stats.parquet"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        pq.write_table(pa.table(content), path)
    with pytest.raises(HotrowError) as error:
        FeatureStore(repo).get_historical_features(pa.table(ENTITIES), "model")
    assert says in error.value.message
    assert "stats.parquet" in error.value.message


def test_no_repository_and_nothing_applied(tmp_path):
    """Each with its remedy."""
    with pytest.raises(HotrowError, match=r"hotrow\.toml"):
        FeatureStore(tmp_path)
    (tmp_path / "hotrow.toml").write_text('project = "rides"\n')
    with pytest.raises(HotrowError, match="run `hotrow apply`"):
        FeatureStore(tmp_path).get_historical_features(pa.table(ENTITIES), "model")


def test_arrow_needs_neither_pandas_nor_polars(repo):
    """Both are made not to be there; no store is loaded."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('pandas', 'polars'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import pyarrow as pa, datetime as d, hotrow\n"
        "t = pa.table({'driver_id': [1], 'event_timestamp': [d.datetime(2024, 1, 1, 4)]})\n"
        f"print(hotrow.FeatureStore({str(repo)!r}).get_historical_features(t, 'model')['fare'].to_pylist())\n"
        "print({'pandas', 'polars', 'lmdb'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[2.5]\nset()\n"


def test_no_warning_without_a_reason(repo):
    """A clean source says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FeatureStore(repo).get_historical_features(pa.table(ENTITIES), "model")


def test_what_is_applied_are_definitions_and_functions(repo):
    """A function with @transform is one, as in a file; anything else is refused by its type."""
    branch = FeatureStore(repo).on_branch("doubled")

    @transform(sources=[branch.snapshot().views["stats"]], outputs=[Field("twice", Float64)])
    def doubled(fare):
        return fare * 2

    assert list(branch.apply([doubled]).snapshot().transforms) == ["doubled"]
    for given, says in [
        (DRIVER, "definitions are of the type Entity; give a list of them"),
        ("stats", "definitions are of the type str; give a list of them"),
        (3, "definitions are of the type int; give a list of them"),
        ([DRIVER, _snapshot().views["stats"].source], "the type ParquetSource is no definition; give entities"),
        ([len], "no definition"),
    ]:
        with pytest.raises(HotrowError, match=says) as caught:
            branch.apply(given)
        assert caught.value.code is Code.INVALID


def test_a_snapshot_that_no_server_has_is_not_materialized(repo):
    """Told at once: to wait for it would be in vain. Training sets need no server."""
    branch = FeatureStore(repo).on_branch("gone")
    branch.remove_branch()
    with pytest.raises(HotrowError, match=r"is not served: .*pin it with `hotrow registry pin`") as caught:
        branch.materialize("2024-01-01", "now", views=["stats"])
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert branch.get_historical_features(pd.DataFrame(ENTITIES), "model")["trips"].notna().any()


def test_the_file_of_the_settings_is_its_folder(repo):
    """Paths of sources are relative to it."""
    store = FeatureStore(repo / "hotrow.toml")
    assert store.repo == repo
    assert store.get_historical_features(pd.DataFrame(ENTITIES), "model")["trips"].notna().any()
