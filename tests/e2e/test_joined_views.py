"""One view under two names, a buyer and a seller: read online, in training sets, by transforms, from the same rows."""

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
    transform,
)
from hotrow.errors import Code
from hotrow.settings import load_settings
from hotrow_client import Client

from tests.support.ports import free_ports

USER = Entity("user", join_keys={"user_id": Int64})
SOURCE = ParquetSource("users.parquet", event_time="at")
USERS = FeatureView(
    "users",
    entities=[USER],
    ttl=timedelta(days=30),
    schema=[Field("age", Float64, default=None), Field("city", String, default="?")],
    source=SOURCE,
)
BUYER = USERS.joined_as("buyer", {"user_id": "buyer_id"})
SELLER = USERS.joined_as("seller", {"user_id": "seller_id"})

# A composite key whose order turns round under the new names.
PAIR = Entity("pair", join_keys={"a_id": Int64, "b_id": String})
ROADS = FeatureView("roads", entities=[PAIR], schema=[Field("km", Float64)])
BACK = ROADS.joined_as("back", {"a_id": "z_id", "b_id": "c_id"})


@transform(sources=[BUYER, SELLER], outputs=[Field("gap", Float64)])
def gap(buyer__age, seller__age):
    return buyer__age - seller__age


@transform(sources=[USERS], outputs=[Field("months", Float64)], at="push")
def months(age):
    return age * 12.0


@transform(sources=[BUYER, SELLER], outputs=[Field("inverse", Float64)])
def inverse_gap(buyer__age, seller__age):
    return 1.0 / (buyer__age - seller__age)


SERVICE = FeatureService(
    "trade", features=[BUYER[["age"]].renamed({"age": "buyer_age"}), SELLER[["age", "city"]], USERS[["city"]], gap]
)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Users of a file, and one that was pushed, behind workers."""
    folder = tmp_path_factory.mktemp("joined")
    server, ingest = free_ports(2)
    (folder / "hotrow.toml").write_text(
        f'project = "trade"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 1\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\n'
    )
    old = NOW - timedelta(days=60)
    rows = {
        "user_id": [1, 1, 2, 3],
        "age": [30.0, 31.0, None, 50.0],
        "city": ["Lund", "Umea", "Kiruna", "Ystad"],
        "at": pa.array([NOW - timedelta(days=9), NOW - timedelta(days=2), NOW - timedelta(days=1), old]),
    }
    pq.write_table(pa.table(rows), folder / "users.parquet")
    store = FeatureStore(folder).apply([SERVICE, ROADS, BACK, months, inverse_gap])
    with store.serving() as serving:
        serving.materialize(NOW - timedelta(days=90), NOW)
        serving.push(view="users", rows={"user_id": [4], "age": [44.0], "city": ["Ronneby"]}, to="both")
        serving.push(view="roads", rows={"a_id": [7, 8], "b_id": ["x", "y"], "km": [1.0, 2.0]})
        yield serving


def _hotrow(store, *arguments):
    command = [sys.executable, "-m", "hotrow.cli.main", *arguments]
    return subprocess.run(command, cwd=store.repo, capture_output=True, text=True, timeout=100, check=False)


def test_each_name_has_the_rows_of_its_own_keys(served):
    """One and the same user on both sides among them, and the view itself beside them."""
    entities = {"buyer_id": [1, 2, 1, 9], "seller_id": [4, 1, 1, 3], "user_id": [2, 4, 1, 1]}
    names = ["buyer:age", "seller:age", "seller:city", "users:city", "gap:gap"]
    reply = served.get_online_features(names, entities, full_names=True)
    assert [tuple(row.values()) for row in reply.to_rows()] == [
        (31.0, 44.0, "Ronneby", "Kiruna", -13.0),
        (None, 31.0, "Umea", "Ronneby", None),
        (31.0, 31.0, "Umea", "Umea", 0.0),
        (None, None, None, "Umea", None),
    ]
    by_service = served.get_online_features("trade", entities, full_names=True)
    assert [tuple(row.values()) for row in by_service.to_rows()] == [tuple(row.values()) for row in reply.to_rows()]
    assert next(iter(by_service.to_rows()[0])) == "buyer__buyer_age"


def test_a_training_set_is_what_is_read(served):
    """Of every pair of users, those without a row and with one that is too old among them; and as it was before."""
    ids = [1, 2, 3, 4, 9]
    frame = pd.DataFrame(
        [(buyer, seller) for buyer in ids for seller in ids], columns=["buyer_id", "seller_id"]
    ).assign(user_id=1, event_timestamp=datetime.now(UTC))
    made = served.get_historical_features(frame, SERVICE, full_names=True)
    keys = {name: frame[name].tolist() for name in ("buyer_id", "seller_id", "user_id")}
    online = pd.DataFrame(served.get_online_features("trade", keys, full_names=True).to_rows())
    pd.testing.assert_frame_equal(made[online.columns.tolist()], online, check_dtype=False)
    before = frame.head(1).assign(event_timestamp=NOW - timedelta(days=5), seller_id=1)
    earlier = served.get_historical_features(before, ["buyer:age", "seller:city"])
    assert earlier[["age", "city"]].to_numpy().tolist() == [[30.0, "Lund"]]


def test_new_names_in_another_order_find_the_same_rows(served):
    """The stored key has the order of the names that the view has."""
    entities = {"z_id": [7, 8, 7], "c_id": ["x", "y", "y"]}
    assert [row["km"] for row in served.get_online_features(["back:km"], entities).to_rows()] == [1.0, 2.0, None]
    served.push(view="roads", rows={"a_id": [9], "b_id": ["z"], "km": [3.0]}, to="both")
    frame = pd.DataFrame({"z_id": [9, 9], "c_id": ["z", "x"], "event_timestamp": [datetime.now(UTC)] * 2})
    assert served.get_historical_features(frame, ["back:km"])["km"].tolist()[:1] == [3.0]


def test_rows_are_the_views_alone(served):
    """A joined view takes no rows, by any door, and the error names the view."""
    for write in (
        lambda: served.push(view="buyer", rows={"user_id": [1]}),
        lambda: served.materialize(NOW, NOW + timedelta(days=1), views=["buyer"]),
        lambda: served.get_historical_features("buyer", ["users:age"]),
    ):
        with pytest.raises(
            HotrowError, match="joined view 'buyer' has no rows of its own: name feature view 'users'"
        ) as e:
            write()
        assert e.value.code is Code.INVALID
    with (
        Client(load_settings(served.repo).server.address) as client,
        pytest.raises(HotrowError, match="name feature view 'users'"),
    ):
        client.push(view="buyer", rows={"user_id": [1], "age": [1.0], "city": ["x"]})


def test_a_read_without_the_new_name_says_which_is_missing(served):
    """And a name that is none is answered with those that are near."""
    with pytest.raises(HotrowError, match="buyer_id"):
        served.get_online_features(["buyer:age"], {"user_id": [1]})
    with pytest.raises(HotrowError, match=r"buyers:age.*buyer|buyers.*buyer"):
        served.get_online_features(["buyers:age"], {"buyer_id": [1]})
    frame = pd.DataFrame({"user_id": [1], "event_timestamp": [NOW]})
    with pytest.raises(HotrowError, match="buyer_id"):
        served.get_historical_features(frame, ["buyer:age"])


def test_times_of_each_are_columns_of_their_own(served):
    """Of the rows that answer, which differ though the view is one."""
    frame = pd.DataFrame({"buyer_id": [1], "seller_id": [2], "event_timestamp": [NOW]})
    made = served.get_historical_features(frame, ["buyer:city", "seller:age"], row_times=True)
    days = [(NOW - made[f"{name}__event_time"][0]).days for name in ("buyer", "seller")]
    assert days == [2, 1]
    reply = served.get_online_features(["buyer:city", "seller:age"], {"buyer_id": [2], "seller_id": [1]})
    assert reply.to_rows() == [{"city": "Kiruna", "age": 31.0}]


def test_what_a_transform_raises_is_explained(served):
    """With the values of both sides."""
    got = _hotrow(served, "get", "inverse_gap:inverse", "buyer_id=1", "seller_id=1", "--explain")
    assert got.returncode == 0, got.stderr
    assert "buyer__age=31.0, seller__age=31.0" in got.stdout + got.stderr


def test_the_commands_know_them(served):
    """`get`, `features` and `registry show`."""
    got = _hotrow(served, "get", "buyer:age", "seller:city", "buyer_id=1", "seller_id=4", "--json")
    assert got.returncode == 0, got.stderr
    assert "31.0" in got.stdout
    assert "Ronneby" in got.stdout
    listed = json.loads(_hotrow(served, "features", "list", "--json").stdout)
    (age,) = [one for one in listed if one["name"] == "buyer:age"]
    assert age["join_keys"] == {"buyer_id": "Int64"}
    shown = json.loads(_hotrow(served, "features", "show", "buyer", "--json").stdout)
    assert (shown["kind"], shown["rows_of"], shown["feature_services"]) == ("joined view", "users", ["trade"])
    assert shown["view_id"] == served.snapshot().view_id("users").hex()
    assert "joined views\n  back\n  buyer\n  seller" in _hotrow(served, "registry", "show").stdout
