"""Definitions that change, and go back, under a store that is served: what readers have of the rows of each time."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    Float64,
    HotrowError,
    Int64,
    ParquetSource,
    String,
)
from hotrow.errors import Code
from hotrow.settings import load_settings
from hotrow.supervisor.state import wait_served
from hotrow_client import Client

from tests.support.ports import free_ports

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
FARE, CITY = Field("fare", Float64, unit="SEK"), Field("city", String, default=None)
TIP = Field("tip", Float64, default=0.0)


def _view(*fields, **options):
    return FeatureView("stats", entities=[DRIVER], schema=fields, **options)


def _read(store, *features, driver=1):
    names = [f"stats:{feature}" for feature in features]
    return tuple(store.get_online_features(names, {"driver_id": [driver]}).to_rows()[0].values())


def _push(store, driver, **values):
    columns = {"driver_id": [driver], **{name: [value] for name, value in values.items()}}
    assert store.push(view="stats", rows=columns).written == 1


@pytest.fixture
def applied(tmp_path):
    """A project with nothing but the view `stats`."""
    server, ingest = free_ports(2)
    (tmp_path / "hotrow.toml").write_text(
        f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 1\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\n'
    )
    return FeatureStore(tmp_path).apply([_view(FARE, CITY)])


@pytest.fixture
def served(applied):
    """The same, served."""
    with applied.serving() as store:
        yield store


def test_rows_of_every_time_are_read_after_a_rollback(served):
    """Those of before, and those that were written under the definitions that are gone, field by field."""
    _push(served, 1, fare=10.0, city="Lund")
    later = served.apply([_view(FARE, TIP)])  # a field less, and a field more
    _push(later, 2, fare=20.0, tip=5.0)
    assert _read(later, "fare", "tip", driver=1) == (10.0, 0.0)
    back = later.rollback()
    assert back.snapshot().id == served.snapshot().id == FeatureStore(served.repo).snapshot().id
    assert _read(back, "fare", "city", driver=1) == (10.0, "Lund")
    assert _read(back, "fare", "city", driver=2) == (20.0, None)
    head = FeatureStore(served.repo)
    assert _read(head, "fare", "city", driver=2) == (20.0, None)
    with pytest.raises(HotrowError, match="tip") as caught:
        _read(head, "tip")
    assert caught.value.code is Code.NOT_FOUND
    _push(head, 2, fare=30.0, city="Umea")
    assert _read(later, "fare", "tip", driver=2) == (30.0, 0.0)  # what was the head is served still, by its id
    settings = load_settings(served.repo)
    wait_served(settings, back.snapshot().id, 30, as_head=True)
    with Client(settings.server.address) as client:  # one who knows of no snapshot has the head
        assert client.read(["stats:fare", "stats:city"], {"driver_id": [2]}).to_rows() == [
            {"fare": 30.0, "city": "Umea"}
        ]
    again = head.rollback(later.snapshot().id)
    assert _read(again, "fare", "tip", driver=2) == (30.0, 0.0)


def test_a_rollback_needs_the_head_that_was_seen(served):
    """Another's apply is not undone unseen; and a branch has no head to roll back."""
    later = served.apply([_view(FARE)])
    later.apply([_view(FARE, TIP)])
    with pytest.raises(HotrowError, match="this was planned on") as caught:
        later.rollback()
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(HotrowError, match="on branch 'try'") as caught:
        served.on_branch("try").rollback()
    assert caught.value.code is Code.FAILED_PRECONDITION


OTHER_FARE = Field("fare", Int64, unit="SEK")


def _refused(store, view, why):
    with pytest.raises(HotrowError, match=f"do not fit this: .*fare.*{why}.*hotrow apply --replace stats") as caught:
        store.apply([view])
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_a_type_changes_beside_a_server_that_has_no_row_of_it(served):
    """And not once there is one; a row of the type as it is now keeps nobody from adding fields."""
    changed = served.apply([_view(OTHER_FARE)])
    _push(changed, 1, fare=7)
    assert _read(changed, "fare") == (7,)
    _refused(changed, _view(FARE), "the store has rows of it")
    gone = changed.apply([_view(Field("km", Float64, default=None))])
    _refused(gone, _view(FARE), "the store has rows of it")
    back = gone.apply([_view(OTHER_FARE)])  # though it was another one in the first snapshot
    assert _read(back, "fare") == (7,)
    with pytest.raises(HotrowError, match="do not fit") as caught:
        back.rollback(served.snapshot().id)
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_rows_that_are_in_the_log_alone_count_too(applied):
    """Training sets read them, whether they wait in the outbox or are logged."""
    with applied.serving() as store:
        store.push(view="stats", rows={"driver_id": [1], "fare": [1.5], "city": ["Lund"]}, to="offline")
        _refused(store, _view(OTHER_FARE), "rows of it")
    _refused(applied, _view(OTHER_FARE), "the log of pushed rows has rows of it")
    replaced = applied.apply([_view(OTHER_FARE)], replace="stats")
    assert replaced.snapshot().views["stats"].generation == 1


def test_a_replaced_view_begins_without_rows(applied):
    """Online and in training sets; a pin reads the old ones until it goes and `hotrow store gc` has run."""
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [datetime(2100, 1, 1, tzinfo=UTC)]})
    with applied.serving() as store:
        store.push(view="stats", rows={"driver_id": [1], "fare": [10.0], "city": ["Lund"]}, to="both")
        replaced = store.apply([_view(OTHER_FARE)], replace=["stats"])
        assert _read(replaced, "fare") == (None,)
        assert _read(store, "fare") == (10.0,)
        replaced.push(view="stats", rows={"driver_id": [1], "fare": [3]}, to="both")
        assert (_read(replaced, "fare"), _read(store, "fare")) == ((3,), (10.0,))
        assert replaced.get_historical_features(frame, ["stats:fare"])["fare"].tolist() == [3]
        assert store.get_historical_features(frame, ["stats:fare"])["fare"].tolist() == [10.0]
        later = replaced.apply([_view(OTHER_FARE, TIP)])
        assert later.snapshot().views["stats"].generation == 1
        assert _read(later, "fare", "tip") == (3, 0.0)
        back = later.rollback(store.snapshot().id)
        assert _read(back, "fare") == (10.0,)
        again = back.apply([_view(Field("fare", String))], replace="stats")
        assert again.snapshot().views["stats"].generation == 2
    gc = [sys.executable, "-m", "hotrow.cli.main", "-C", str(applied.repo), "store", "gc", "--json"]
    assert _removed(gc) == 0  # the last heads have all of them
    for number in range(5):
        again = again.apply([_view(Field("fare", String), ttl=timedelta(days=number + 1))])
    registry = again._workspace.registry
    registry.pin("rides", "old", store.snapshot().id)
    assert _removed(gc) == 1  # generation 1
    registry.unpin("rides", "old")
    assert _removed(gc) == 1


def test_two_views_with_one_name_of_a_feature(served):
    """Apply says it, and how to read the service; renamed, both are columns of reads and training sets."""
    other = FeatureView("other", entities=[DRIVER], schema=[FARE])
    plain = FeatureService("plain", features=[served.snapshot().views["stats"][["fare"]], other])
    renamed = FeatureService("model", features=[_view(FARE, CITY)["fare"], other["fare"].renamed({"fare": "fare_2"})])
    store = served.apply([plain, renamed])
    _push(store, 1, fare=1.5, city="Lund")
    assert store.push(view="other", rows={"driver_id": [1], "fare": [2.5]}, to="both").written == 1
    with pytest.raises(HotrowError, match="would both be called 'fare'"):
        store.get_online_features("plain", {"driver_id": [1]})
    reply = store.get_online_features("plain", {"driver_id": [1]}, full_names=True)
    assert reply.to_rows() == [{"stats__fare": 1.5, "other__fare": 2.5}]
    assert store.get_online_features("model", {"driver_id": [1]}).to_rows() == [{"fare": 1.5, "fare_2": 2.5}]
    full = store.get_online_features("model", {"driver_id": [1]}, full_names=True)
    assert full.to_rows() == [{"stats__fare": 1.5, "other__fare_2": 2.5}]
    store.push(view="stats", rows={"driver_id": [1], "fare": [1.5], "city": ["Lund"]}, to="offline")
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [datetime(2100, 1, 1, tzinfo=UTC)]})
    training = store.get_historical_features(frame, "model")
    assert training[["fare", "fare_2"]].to_numpy().tolist() == [[1.5, 2.5]]
    signature = training.attrs["hotrow.signature"]
    assert store.get_online_features("model", {"driver_id": [1]}, signature=signature)["fare_2"].tolist() == [2.5]
    command = [sys.executable, "-m", "hotrow.cli.main", "-C", str(store.repo), "get", "model", "driver_id=1"]
    assert "FARE_2 (SEK)" in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_sources_have_to_be_there(applied):
    """Those of views that are new or changed; what was applied before is not looked at again."""
    there = _view(FARE, CITY, source=ParquetSource("later.parquet", event_time="at"))
    with pytest.raises(HotrowError, match=r"no file or folder .*later\.parquet.*\n.*offline=True") as caught:
        applied.apply([there])
    assert caught.value.code is Code.NOT_FOUND
    ahead = applied.apply([there], offline=True)
    pq.write_table(pa.table({"driver_id": [1], "fare": ["ten"], "at": [1]}), applied.repo / "later.parquet")
    assert ahead.apply([Entity("rider", join_keys={"rider_id": Int64})]).list_feature_views() == [there]
    with pytest.raises(HotrowError, match=r"'fare' does not fit Float64 .*\n.*'at' does not fit timestamps") as caught:
        ahead.apply([_view(FARE, source=ParquetSource("later.parquet", event_time="at"))])
    assert caught.value.code is Code.INVALID


def test_what_the_files_lack_is_not_removed_unasked(applied):
    """Objects are added to what is applied; the files of a repository are all there is to be."""
    head = applied.apply([Entity("rider", join_keys={"rider_id": Int64})])
    assert [entity.name for entity in head.list_entities()] == ["driver", "rider"]
    (applied.repo / "features.py").write_text(FILES)
    store = FeatureStore(applied.repo)
    with pytest.raises(
        HotrowError, match=r"would remove entity 'driver', feature view 'stats', which .* --yes"
    ) as caught:
        store.apply()
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert FeatureStore(applied.repo).snapshot().id == head.snapshot().id
    assert store.apply(allow_removals=True).list_feature_views() == []


FILES = """
from hotrow import Entity, Int64

rider = Entity("rider", join_keys={"rider_id": Int64})
"""


def _removed(gc):
    return json.loads(subprocess.run(gc, capture_output=True, check=True, timeout=60).stdout)["unserved"]
