"""Requests say what the caller said, in protobuf's own bytes; replies come back as arrays."""

import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from hotrow.errors import HotrowError
from hotrow.types import Float64, Int32, Int64, UnixTimestamp
from hotrow.v1.column_pb2 import NOT_FOUND, NULL_VALUE, PRESENT, Column
from hotrow.v1.feature_server_pb2 import EventTimes, FeatureNames, GetOnlineFeaturesRequest, Matrix, ReadOptions
from hotrow.v1.push_pb2 import BOTH, DELETE, PushFeaturesRequest, Rejection
from hotrow_client import Client


@pytest.fixture
def client(server):
    with Client(server.address, project="rides", timeout_s=5) as client:
        yield client


def test_a_read_sends_what_was_asked(server, client):
    """Every option has its field."""
    client.read(
        ["v:a", "v:b"],
        {"driver_id": np.array([1, 2]), "city": ["a", "b"]},
        request_data={"distance": [1.5, 2.5]},
        snapshot="s1",
        signature="sig",
        min_token=b"t",
        event_timestamps=True,
        full_names=True,
        matrix=True,
    )
    assert server.answers.requests == [
        GetOnlineFeaturesRequest(
            project="rides",
            features=FeatureNames(names=["v:a", "v:b"]),
            entities=[
                Column(name="driver_id", int64={"values": [1, 2]}),
                Column(name="city", string={"values": ["a", "b"]}),
            ],
            request_data=[Column(name="distance", float64={"values": [1.5, 2.5]})],
            snapshot="s1",
            signature="sig",
            min_token=b"t",
            options=ReadOptions(event_timestamps=True, full_names=True, matrix=True),
        )
    ]


def test_a_read_by_feature_service(server, client):
    """With rows in place of columns, a type where the values show none, and no entities at all."""
    client.read(feature_service="activity", entities=[{"id": 1}, {"id": 2}], types={"id": Int32})
    client.read("v:a", {"id": []}, types={"id": Int64})
    client.read("v:a")
    client.read("v:a", {"id": [], "x": [None][:0]})
    client.read("v:a", [])
    first, second, third, fourth, fifth = server.answers.requests
    assert first.feature_service == "activity"
    assert first.entities == [Column(name="id", int32={"values": [1, 2]})]
    assert second.entities == [Column(name="id", int64={})]
    assert list(third.features.names) == ["v:a"]
    assert not third.entities
    assert list(fourth.entities) == [Column(name="id"), Column(name="x")]
    assert list(fifth.entities) == [Column()]


def test_a_reply_as_arrays(server, client):
    """Masked where there is no value, statuses beside them, times as datetime64."""
    server.answers.reply.columns.extend(
        [
            Column(name="pulse", float64={"values": [66, 0]}, statuses=[PRESENT, NOT_FOUND]),
            Column(name="seen", timestamp_us={"values": [1_000_000, 0]}, statuses=[PRESENT, NULL_VALUE]),
            Column(name="notes", string_list={"values": ["a", "b"], "lengths": [2, 0]}, statuses=[PRESENT, NOT_FOUND]),
        ]
    )
    server.answers.reply.event_times.append(EventTimes(view="v", values=[2_000_000, 0]))
    server.answers.reply.snapshot = "s1"
    reply = client.read("v:pulse", {"id": [1, 2]})
    assert len(reply) == 2
    assert reply.names == ("pulse", "seen", "notes")
    assert reply["pulse"].tolist() == [66.0, None]
    assert np.isnan(reply["pulse"].filled()[1])
    assert reply["seen"][0] == np.datetime64("1970-01-01T00:00:01")
    assert reply["notes"][0].tolist() == ["a", "b"]
    assert reply["notes"].mask.tolist() == [False, True]
    assert reply.statuses("pulse").tolist() == [PRESENT, NOT_FOUND]
    assert reply.event_times("v").tolist() == [datetime(1970, 1, 1, 0, 0, 2), None]  # noqa: DTZ001 - NumPy's are naive
    assert reply.snapshot == "s1"
    assert reply.to_dict()["seen"] == [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None]
    assert reply.to_rows()[1] == {"pulse": None, "seen": None, "notes": None}
    assert "pulse" in reply
    with pytest.raises(HotrowError, match="did you mean pulse"):
        reply["pulses"]
    with pytest.raises(HotrowError, match="unknown view 'w'"):
        reply.event_times("w")
    with pytest.raises(TypeError, match="'seen' is UnixTimestamp"):
        _ = reply.matrix


def test_a_matrix_reply(server, client):
    """The server's matrix, and its columns by name."""
    server.answers.reply.columns.extend([Column(name="a"), Column(name="b", statuses=[PRESENT, NULL_VALUE])])
    values = np.array([[1, 2], [3, np.nan]], "<f4").tobytes()
    server.answers.reply.matrix.CopyFrom(Matrix(values=values, rows=2, names=["a", "b"]))
    reply = client.read("v:a", {"id": [1, 2]}, matrix=True)
    assert np.array_equal(reply.matrix, [[1, 2], [3, np.nan]], equal_nan=True)
    assert reply["b"].tolist() == [2.0, None]
    assert reply.to_dict() == {"a": [1.0, 3.0], "b": [2.0, None]}


def test_a_matrix_of_columns(server, client):
    """Made here of numeric columns, NaN where there is no value."""
    server.answers.reply.columns.extend(
        [
            Column(name="a", int64={"values": [1, 0]}, statuses=[PRESENT, NULL_VALUE]),
            Column(name="b", bool={"values": [1, 0]}),
        ]
    )
    assert np.array_equal(client.read("v:a").matrix, [[1, 1], [np.nan, 0]], equal_nan=True)


def test_a_push_sends_what_was_said(server, client):
    """Every option has its field, in columns or rows."""
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    client.push(
        "stats_push",
        {"driver_id": [1, 2], "fare": [10.5, None]},
        event_time=noon,
        to="both",
        request_id="r1",
        atomic=True,
        dry_run=True,
        snapshot="s1",
        units={"fare": "SEK"},
    )
    client.push(view="stats", rows=[{"driver_id": 3}], op="delete", event_time=[5])
    first, second = server.answers.requests
    noon_us = 1704110400000000
    assert first == PushFeaturesRequest(
        project="rides",
        push_source="stats_push",
        rows=[
            Column(name="driver_id", int64={"values": [1, 2]}),
            Column(name="fare", float64={"values": [10.5, 0]}, unit="SEK", statuses=[PRESENT, NULL_VALUE]),
        ],
        event_time_us=[noon_us, noon_us],
        to=BOTH,
        request_id="r1",
        atomic=True,
        dry_run=True,
        snapshot="s1",
    )
    assert (second.view, second.op, list(second.event_time_us), second.rows[0].name) == (
        "stats",
        DELETE,
        [5],
        "driver_id",
    )


def test_a_push_without_event_time_or_id(server, client):
    """The server takes the time of receipt; an id is made, another one each time, and told."""
    replies = [client.push("p", {"id": [1]}) for _ in range(2)]
    ids = [request.request_id for request in server.answers.requests]
    assert not server.answers.requests[0].event_time_us
    assert ids == [reply.request_id for reply in replies]
    assert len(set(ids)) == 2
    assert min(map(len, ids)) >= 16


def test_a_push_reply(server, client):
    """Counts, a result a row, and why rows were refused."""
    server.answers.push_reply.written = 1
    server.answers.push_reply.skipped_stale = 2
    server.answers.push_reply.rejected = 3
    server.answers.push_reply.duplicates = 4
    server.answers.push_reply.results.extend([1, 2, 3])
    server.answers.push_reply.rejections.append(Rejection(row=2, field="fare", reason="is NaN"))
    server.answers.push_reply.token = b"t"
    server.answers.push_reply.snapshot = "s"
    reply = client.push("p", {"id": [1]})
    assert (reply.written, reply.skipped_stale, reply.rejected, reply.duplicates) == (1, 2, 3, 4)
    assert reply.results.tolist() == [1, 2, 3]
    assert [(r.row, r.field, r.reason) for r in reply.rejections] == [(2, "fare", "is NaN")]
    assert (reply.token, reply.snapshot) == (b"t", "s")


def test_pushes_go_to_the_ingest_worker_where_one_is_named(server):
    """And reads do not."""
    with Client(server.address, ingest_address=server.ingest_address) as client:
        client.push("p", {"id": [1]})
        client.read("v:a")
    assert [type(r) for r in server.ingest.requests] == [PushFeaturesRequest]
    assert [type(r) for r in server.answers.requests] == [GetOnlineFeaturesRequest]


def test_server_info(client):
    """As the worker says."""
    info = client.server_info()
    assert (info.version, info.project, info.served, info.worker) == ("1", "rides", {"ab": ("head",)}, 3)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda c: c.read(), "give one of the two"),
        (lambda c: c.read("v:a", feature_service="s"), "give one of the two"),
        (lambda c: c.read("v:a", full_name=True), "no option 'full_name'"),
        (lambda c: c.read("v:a", {"id": [1]}, request_data={"id": [1]}), "id stands among"),
        (lambda c: c.read("v:a", {"id": [1]}, types={"ids": Int64}), "no column; columns: id"),
        (lambda c: c.read("v:a", {"id": 5}), "'id' takes a list or an array"),
        (lambda c: c.push(rows={"id": [1]}), "give one of the two"),
        (lambda c: c.push("p", {"id": [1]}, op="upset"), "op is one of upsert, delete"),
        (lambda c: c.push("p", {"id": [1]}, to="disk"), "to is one of online, offline, both"),
        (lambda c: c.push("p", {"id": [1]}, atomics=True), "no option 'atomics'"),
        (lambda c: c.push("p", {"id": [1]}, units={"x": "m"}), "a unit is given for 'x'"),
        (lambda c: c.push("p", [{"id": 1}, {"id": 2, "x": 1}]), "row 1 and row 0 differ in 'x'"),
        (lambda c: c.push("p", {"id": [1]}, event_time=[None]), "event_time has a null"),
        (lambda c: c.push("p", {"id": [1]}, event_time=["noon"]), "'event_time' is UnixTimestamp"),
        (lambda c: c.push("p", {"id": [1]}, event_time=1717236000_000), "and 2024-06-01T10:00:00Z as milliseconds"),
        (lambda c: c.push("p", {"id": [1], "t": np.array([1717236000])}, event_time="t"), "10:00:00Z as seconds"),
        (lambda c: c.push("p", {"t": [1717236000]}, types={"t": UnixTimestamp}), "'t': 1717236000 is 1970"),
        (lambda c: c.push("p", {"id": [1]}, event_time=np.datetime64(10**6, "Y")), "does not fit in 64 bits"),
        (lambda c: c.push("p", {"id": [1]}, event_time=2**63), "does not fit in 64 bits"),
        (lambda c: c.push("p", {"fare": [True]}, types={"fare": Int64}), "'fare' is Int64 and takes whole numbers"),
        (lambda c: c.push("p", {"fare": ["x"]}, types={"fare": Float64}), "'fare' is Float64 and takes numbers"),
    ],
)
def test_what_cannot_be_sent_is_not(server, client, call, complaint):
    """A TypeError says what to do, and nothing is sent."""
    with pytest.raises((TypeError, HotrowError), match=complaint):
        call(client)
    assert server.answers.requests == []


def test_loads_no_compiler_and_no_store():
    """A caller pays for gRPC, NumPy and protobuf alone."""
    code = (
        "import hotrow_client, sys;"
        "heavy = {'numba', 'lmdb', 'pyarrow', 'msgspec', 'structlog', 'google.rpc', 'hotrow.stores'};"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
