"""Training sets as they were made before corrections, with the rows that answered, and of all rows of a view."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, Float64, HotrowError, Int64, ParquetSource

DAY = datetime(2024, 1, 1, tzinfo=UTC)
DRIVER = Entity("driver", join_keys={"driver_id": Int64})


def at(hours):
    return DAY + timedelta(hours=hours)


def _rows(*rows):
    """(driver, event hour, created hour, fare)"""
    names = ("driver_id", "at", "made", "fare")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    times = {
        name: pa.array([None if h is None else at(h) for h in columns[name]], pa.timestamp("us", "UTC"))
        for name in ("at", "made")
    }
    return pa.table({**columns, **times})


@pytest.fixture
def store(tmp_path):
    """A view with corrections, and one whose source says no created times."""
    (tmp_path / "hotrow.toml").write_text('project = "rides"\n')
    pq.write_table(
        _rows((1, 1, 1, 10.0), (1, 1, 5, 11.0), (1, 2, 2, 20.0), (2, 1, 9, 30.0), (3, 3, None, 40.0), (4, 4, 1, None)),
        tmp_path / "a.parquet",
    )
    source = ParquetSource("a.parquet", event_time="at", created_time="made")
    fares = FeatureView("fares", entities=[DRIVER], schema=[Field("fare", Float64)], source=source)
    timeless = FeatureView(
        "fares_old",
        entities=[DRIVER],
        schema=[Field("fare", Float64)],
        source=ParquetSource("a.parquet", event_time="at"),
    )
    return FeatureStore(tmp_path).apply([DRIVER, fares, timeless])


@pytest.fixture
def entities():
    return pa.table({"driver_id": [1, 1, 2, 3, 9], "event_timestamp": [at(1.5), at(3), at(3), at(3), at(3)]})


@pytest.mark.parametrize(
    ("known", "fares"),
    [
        (None, [11.0, 20.0, 30.0, 40.0, None]),
        (at(9), [11.0, 20.0, 30.0, 40.0, None]),
        (at(8), [11.0, 20.0, None, 40.0, None]),
        ("2024-01-01T04:59:59.999999Z", [10.0, 20.0, None, 40.0, None]),
        (at(1), [10.0, 10.0, None, 40.0, None]),
        (at(0), [None, None, None, 40.0, None]),
    ],
)
def test_what_was_created_later_is_not_seen(store, entities, known, fares):
    """The moment itself counts; a row without a created time was always there."""
    training = store.get_historical_features(entities, ["fares:fare"], as_known_at=known)
    assert training["fare"].to_pylist() == fares


def test_a_source_without_created_times_is_said(store, entities):
    """It cannot be made again as it was."""
    with pytest.warns(UserWarning, match="fares_old: its source has no created_time, so that all of its rows count as"):
        store.get_historical_features(entities, ["fares_old:fare"], as_known_at=at(0))


def test_the_rows_that_answered_say_their_times(store, entities):
    """By view, null where none did, in the kind of the frame."""
    wanted = ["fares:fare", "fares_old:fare"]
    training = store.get_historical_features(entities.to_pandas(), wanted, full_names=True, row_times=True)
    assert list(training.columns[-4:]) == [
        "fares__event_time", "fares__created_time", "fares_old__event_time", "fares_old__created_time",
    ]  # fmt: skip
    assert training["fares__event_time"].tolist()[:4] == [pd.Timestamp(at(h)) for h in (1, 2, 1, 3)]
    assert training["fares__created_time"].tolist()[:4] == [pd.Timestamp(t) for t in (at(5), at(2), at(9), 0)[:3]] + [
        pd.Timestamp(0, tz="UTC")
    ]
    assert training["fares_old__event_time"].tolist()[:4] == training["fares__event_time"].tolist()[:4]
    assert training["fares_old__created_time"].isna().all()
    assert training.iloc[4][["fares__event_time", "fares__created_time"]].isna().all()
    clash = entities.append_column("fares__event_time", pa.array([1] * 5))
    with pytest.raises(HotrowError, match="has a column 'fares__event_time', and so would the result"):
        store.get_historical_features(clash, ["fares:fare"], row_times=True)


def test_all_rows_of_a_view(store):
    """Each key and time once, with what was known; from START to before END."""
    training = store.get_historical_features("fares", ["fares:fare"])
    assert training.column_names == ["driver_id", "event_timestamp", "fare"]
    assert training.to_pydict() == {
        "driver_id": [1, 2, 1, 3, 4],
        "event_timestamp": [at(1), at(1), at(2), at(3), at(4)],
        "fare": [11.0, 30.0, 20.0, 40.0, None],
    }
    some = store.get_historical_features(
        "fares", ["fares:fare"], start=at(2), end="2024-01-01T04:00Z", timestamp_column="when"
    )
    assert some.to_pydict() == {"driver_id": [1, 3], "when": [at(2), at(3)], "fare": [20.0, 40.0]}
    early = store.get_historical_features("fares", ["fares:fare"], as_known_at=at(1), row_times=True)
    assert early["driver_id"].to_pylist() == [1, 3, 4]
    assert early["fares__event_time"].to_pylist() == [at(1), at(3), at(4)]
    assert store.get_historical_features("fares", ["fares:fare"], start=at(9)).num_rows == 0


@pytest.mark.parametrize(
    ("entity_df", "options", "says"),
    [
        ("fare", {}, "unknown feature view 'fare'; known: fares, fares_old"),
        ("fares", {"start": "soon"}, "start is 'soon'; give a datetime"),
        ("fares", {"as_known_at": 1704067200}, "as_known_at: 1704067200 is 1970.* as microseconds, and 2024-01-01"),
        (None, {"start": at(0)}, "start and end go with the name of a view"),
    ],
)
def test_what_cannot_be_asked_is_said(store, entities, entity_df, options, says):
    """Before any work."""
    with pytest.raises(HotrowError, match=says):
        store.get_historical_features(entities if entity_df is None else entity_df, ["fares:fare"], **options)


def test_an_option_that_there_is_not_is_refused(store, entities):
    """With those that there are."""
    with pytest.raises(TypeError, match="no option known_at; options: as_known_at, row_times, start, end"):
        store.get_historical_features(entities, ["fares:fare"], known_at=at(1))
