"""Pushes to the log by real processes: what a training set has of them is what was read online."""

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import grpc
import pandas as pd
import pytest
from hotrow import Entity, FeatureStore, FeatureView, Field, Float64, Int64, ParquetSource, PushSource, String
from hotrow.codec.protowire import length_delimited
from hotrow.v1.push_pb2 import PushFeaturesReply

from tests.support.ports import free_ports

USER = Entity("user", join_keys={"user_id": String, "shop": Int64})
CLICKS = FeatureView("clicks", entities=[USER], schema=[Field("n", Int64), Field("sum", Float64, unit="SEK")])
STATS = FeatureView(
    "stats",
    entities=[USER],
    schema=[Field("rate", Float64)],
    source=ParquetSource("stats.parquet", event_time="at", created_time="made"),
)
FEATURES = ["clicks:n", "clicks:sum", "stats:rate"]
WAIT_S = 60.0


@pytest.fixture
def store(request, tmp_path):
    """A store with a view that is pushed only and one with a source, applied; on Redis where a test says so."""
    server, ingest = free_ports(2)
    online_store = ""
    if getattr(request, "param", "") == "redis":
        url = request.getfixturevalue("redis_server").url
        online_store = f'[online_store]\ntype = "redis"\nurl = "{url}"\nprefix = "{tmp_path.name}:"\n'
    (tmp_path / "hotrow.toml").write_text(
        f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 1\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\n[offline_store]\nflush_interval_s = 0.1\n{online_store}'
    )
    rows = {"user_id": ["ann", "bob"], "shop": [1, 1], "rate": [0.25, 0.5]}
    at = [datetime(2024, 1, 1, tzinfo=UTC)] * 2
    pd.DataFrame(rows | {"at": at, "made": at}).to_parquet(tmp_path / "stats.parquet")
    sources = [PushSource("clicks_push", view=CLICKS), PushSource("stats_push", view=STATS)]
    return FeatureStore(tmp_path).apply([USER, CLICKS, STATS, *sources], author="ada")


def waiting(store):
    """How many entries wait in the outbox, as the command line tells it."""
    command = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(store.repo), "store", "info", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_S)
    return json.loads(done.stdout)["outbox"]


def until_logged(store):
    end_s = time.monotonic() + WAIT_S
    while waiting(store):
        assert time.monotonic() < end_s
        time.sleep(0.1)


def online(store, keys):
    """What a read has of each key, None for what is not there."""
    entities = {"user_id": [key[0] for key in keys], "shop": [key[1] for key in keys]}
    reply = store.get_online_features(FEATURES, entities)
    frame = reply.to_pandas()
    return [tuple(None if pd.isna(value) else value for value in row) for row in frame[["n", "sum", "rate"]].to_numpy()]


def offline(store, keys, times):
    frame = pd.DataFrame(
        {"user_id": [key[0] for key in keys], "shop": [key[1] for key in keys], "event_timestamp": times}
    )
    found = store.get_historical_features(frame, FEATURES)
    return [tuple(None if pd.isna(value) else value for value in row) for row in found[["n", "sum", "rate"]].to_numpy()]


def now():
    return datetime.now(UTC)


ON_BOTH = pytest.mark.parametrize("store", ["lmdb", "redis"], indirect=True)


@ON_BOTH
def test_a_training_set_has_what_was_read(store):
    """At the time of each read: pushed rows, deletions, rows of the source, and rows that are of the log alone."""
    keys = [("ann", 1), ("bob", 1), ("né\0w", -5)]
    asked, seen = [], []
    with store.serving():
        store.materialize("2020-01-01", "now", views=["stats"])

        def look():
            time.sleep(0.002)  # a push has the time of its receipt, by another process's clock
            asked.extend([(key, now()) for key in keys])
            seen.extend(online(store, keys))
            time.sleep(0.002)

        look()
        for number in range(5):
            values = {"user_id": ["ann", "né\0w"], "shop": [1, -5], "n": [number, -number], "sum": [number / 2, None]}
            assert store.push("clicks_push", values, to="both").written == 2
            look()
            store.push("stats_push", {"user_id": ["bob"], "shop": [1], "rate": [number / 8]}, to="both")
            look()
            if number == 2:
                gone = {"user_id": ["ann"], "shop": [1]}
                store.push("clicks_push", gone, op="delete", to="both")
                store.push("stats_push", gone, op="delete", to="both")
                look()
        before = now() - timedelta(days=30)
        old = {"user_id": ["bob"], "shop": [1], "n": [77], "sum": [7.5]}
        reply = store.push("clicks_push", old, event_time=before, to="offline")
        assert (reply.written, len(reply.token)) == (1, 28)
        assert online(store, [("bob", 1)])[0][0] is None
        until_logged(store)
    expected = [(77, 7.5, row[2]) if key[0] == "bob" else row for (key, _), row in zip(asked, seen, strict=True)]
    assert offline(store, [key for key, _ in asked], [at for _, at in asked]) == expected
    assert offline(store, [("bob", 1)], [before - timedelta(seconds=1)])[0][:2] == (None, None)


@ON_BOTH
def test_online_and_offline_agree_on_every_tie(store):
    """Random pushes of few keys and few event times, with deletions and doubles: the last value is one and the same."""
    rng = random.Random(7)
    keys = [(f"user {number}", number % 2) for number in range(6)]
    start = now() - timedelta(minutes=10)
    with store.serving():
        for number in range(150):
            some = rng.choices(keys, k=rng.randint(1, 8))
            rows = {"user_id": [key[0] for key in some], "shop": [key[1] for key in some]}
            times = [start + timedelta(seconds=rng.randint(0, 5)) for _ in some]
            view = rng.choice(["clicks", "stats"])
            if rng.random() < 0.15:
                store.push(view=view, rows=rows, op="delete", event_time=times, to="both")
                continue
            if view == "clicks":
                rows |= {"n": [1000 * number + i for i in range(len(some))], "sum": [float(number)] * len(some)}
            else:
                rows |= {"rate": [number + i / 16 for i in range(len(some))]}
            store.push(view=view, rows=rows, event_time=times, to="both")
        gone = {"user_id": [keys[0][0]], "shop": [keys[0][1]]}
        store.push(view="clicks", rows=gone, op="delete", event_time=start + timedelta(seconds=5), to="both")
        last = online(store, keys)
    assert last[0][0] is None
    assert sum(row[0] is not None for row in last) > 2
    assert offline(store, keys, [now()] * len(keys)) == last
    rebuild(store)
    with store.serving():
        assert online(store, keys) == last


def rebuild(store):
    command = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(store.repo), "store", "rebuild", "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_another_schema_reads_the_rows_of_the_first(store):
    """A field that they lack is its default, or null, offline as online; a view comes back after a rebuild."""
    keys = [("ann", 1), ("bob", 1)]
    with store.serving():
        store.push("clicks_push", {"user_id": ["ann"], "shop": [1], "n": [1], "sum": [0.5]}, to="both")
    wider = FeatureView(
        "clicks", entities=[USER], schema=[Field("n", Int64), Field("kind", String, default="web"), Field("x", Int64)]
    )
    changed = store.apply([USER, wider, PushSource("clicks_push", view=wider)])
    asked = ["clicks:n", "clicks:kind", "clicks:x"]
    with changed.serving():
        rows = {"user_id": ["bob"], "shop": [1], "n": [2], "kind": ["app"], "x": [9]}
        changed.push("clicks_push", rows, to="both")
        entities = {"user_id": [key[0] for key in keys], "shop": [key[1] for key in keys]}
        read = changed.get_online_features(asked, entities).to_pandas()[["n", "kind", "x"]]
    frame = pd.DataFrame(entities | {"event_timestamp": [now()] * 2})
    found = changed.get_historical_features(frame, asked)[["n", "kind", "x"]]
    assert found.astype(object).where(found.notna(), None).to_numpy().tolist() == [[1, "web", None], [2, "app", 9]]
    assert read.astype(object).where(read.notna(), None).to_numpy().tolist() == [[1, "web", None], [2, "app", 9]]


def test_bytes_of_any_client_are_logged(store):
    """A request put together by hand, as any other language's client would."""
    address = store._workspace.settings.server.address

    def column(name, kind, value):
        block = length_delimited(kind + 1, length_delimited(1, value))
        return length_delimited(4, length_delimited(1, name) + block)

    columns = column(b"user_id", 6, b"eve") + column(b"shop", 3, (4).to_bytes(8, "little"))
    columns += column(b"n", 3, (6).to_bytes(8, "little")) + column(b"sum", 1, bytes(8))
    request = length_delimited(3, b"clicks") + columns + b"\x30\x02"  # to: BOTH
    with store.serving(), grpc.insecure_channel(address) as channel:
        online(store, [("eve", 4)])  # which waits for the server
        call = channel.unary_unary("/hotrow.v1.FeatureServer/PushFeatures", None, None)
        reply = PushFeaturesReply.FromString(call(request, timeout=WAIT_S))
        assert reply.written == 1
        assert online(store, [("eve", 4)]) == [(6, 0.0, None)]
    assert offline(store, [("eve", 4)], [now()]) == [(6, 0.0, None)]


def test_rows_wait_while_the_log_cannot_be_written(store):
    """Pushes go on, `hotrow store info` counts what waits, and later it is logged."""
    data = store.repo / "data"
    data.mkdir(exist_ok=True)
    (data / "log").write_text("in the way")
    with store.serving():
        for number in range(5):
            rows = {"user_id": ["ann"], "shop": [1], "n": [number], "sum": [0.5]}
            assert store.push("clicks_push", rows, to="both").written == 1
        assert online(store, [("ann", 1)])[0][0] == 4
        assert waiting(store) == 5
        (data / "log").unlink()
        until_logged(store)
    assert offline(store, [("ann", 1)], [now()])[0][:2] == (4, 0.5)
