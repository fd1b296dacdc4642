"""Requests say what the caller said, in protobuf's own bytes; replies come back as arrays."""

import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from hotrow.codec.column import decode_column
from hotrow.errors import Code, HotrowError
from hotrow.types import Float64, Int32, Int64, UnixTimestamp
from hotrow.v1.column_pb2 import NOT_FOUND, NULL_VALUE, PRESENT, Column
from hotrow.v1.feature_server_pb2 import EventTimes, FeatureNames, GetOnlineFeaturesRequest, Matrix, ReadOptions
from hotrow.v1.push_pb2 import BOTH, DELETE, PushFeaturesRequest, Rejection
from hotrow_client import AsyncClient, Client, HotrowRpcError, RejectedRowsError, push_request


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
    reply = client.push("p", {"id": [1]}, on_rejected="return")
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


def test_options_that_are_none_are_left_out(server, client):
    """As in programs that hand on what they were given; one name is a list of it, and a text is a time."""
    client.read("v:a", {"id": [1]}, snapshot=None, min_token=None, timeout_s=None, request_data=None, types=None)
    client.push("p", {"id": [1], "t": ["2024-01-01T12:00"]}, event_time="t", request_id="r", units=None)
    client.push("p", {"id": [1, 2]}, event_time="2024-01-01T12:00:00+00:00")
    client.push("p", {"t": ["2024-01-01T12:00Z", None]}, types={"t": UnixTimestamp})
    read, first, second, third = server.answers.requests
    assert list(read.features.names) == ["v:a"]
    assert (read.snapshot, read.min_token, list(read.request_data)) == ("", b"", [])
    assert (list(first.event_time_us), list(second.event_time_us)) == ([1704110400000000], [1704110400000000] * 2)
    assert third.rows[0] == Column(
        name="t", timestamp_us={"values": [1704110400000000, 0]}, statuses=[PRESENT, NULL_VALUE]
    )


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("address", "options", "complaint"),
    [
        ("localhost", {}, "address 'localhost' is not host:port; write it as in '127.0.0.1:6565'"),
        ("[::1]", {}, "is not host:port"),
        ("", {}, "is not host:port"),
        ("a:http", {}, "is not host:port"),
        ("a:65536", {}, "is not host:port"),
        ("http://a:6565/", {}, "is a URL; write 'a:6565', host and port alone$"),
        ("grpc://a:6565", {}, "is a URL; write 'a:6565'"),
        ("https://a:6565", {}, "is a URL; write 'a:6565', .*; for TLS give `tls=ChannelTls"),
        (None, {}, "address is text such as '127.0.0.1:6565', not a NoneType"),
        ("a:1", {"ingest_address": "a"}, "ingest_address 'a' is not host:port"),
        ("a:1", {"project": 5}, "project is a name"),
        ("a:1", {"timeout_s": 0}, "timeout_s is a number of seconds above 0"),
        ("a:1", {"tls": True}, "tls is ChannelTls"),
        ("a:1", {"connections": "4"}, "connections is a positive number"),
    ],
)
def test_a_client_that_cannot_be_is_not_made(make, address, options, complaint):
    with pytest.raises((TypeError, HotrowError), match=complaint):
        make(address, **options)


def test_rejected_rows_raise_once_the_others_are_written(server, client):
    """The error has the reply; on request the reply is returned."""
    server.answers.push_reply.written = 1
    server.answers.push_reply.rejected = 4
    server.answers.push_reply.results.extend([1, 3, 3, 3, 3])
    for row in (1, 2, 3, 4):
        server.answers.push_reply.rejections.append(Rejection(row=row, field="fare", reason="is NaN"))
    with pytest.raises(RejectedRowsError) as raised:
        client.push("p", {"id": [1] * 5})
    error = raised.value
    assert (error.code, error.field, error.reply.written) == (Code.INVALID, "fare", 1)
    assert (
        "4 of 5 rows were rejected: row 1, fare: is NaN; row 2, fare: is NaN; row 3, fare: is NaN; and others."
        in str(error)
    )
    assert "1 written" in str(error)
    assert client.push("p", {"id": [1] * 5}, on_rejected="return").rejected == 4
    with pytest.raises(RejectedRowsError, match="Nothing was written, as by any dry run"):
        client.push("p", {"id": [1] * 5}, dry_run=True)


def test_a_push_of_many_rows_is_sent_in_parts(server, client, monkeypatch):
    """In order, bounded in rows and bytes, each once under an id of its own; lists and nulls are cut with them."""
    monkeypatch.setattr(push_request, "PART_ROWS", 4)
    monkeypatch.setattr(push_request, "PART_BYTES", 150)
    done = []
    rows = {
        "id": np.arange(10),
        "text": ["x", None, "y", "z", "w" * 100, "v" * 100, "", "", "a", "b"],
        "list": [[1], [], None, [2, 3], [4], [5], [6, 7, 8], [], [9], []],
        "none": [None] * 10,
    }
    reply = client.push("p", rows, event_time=list(range(10)), request_id="r", progress=lambda *at: done.append(at))
    requests = server.answers.requests
    sent = [decode_column(column).to_list() for request in requests for column in request.rows]
    assert {tuple(column.name for column in request.rows) for request in requests} == {("id", "text", "list", "none")}
    joined = [[value for column in sent[place::4] for value in column] for place in range(4)]
    assert joined == [[int(one) for one in rows["id"]], rows["text"], rows["list"], rows["none"]]
    assert [time for request in requests for time in request.event_time_us] == list(range(10))
    assert [request.request_id for request in requests] == [f"r/{number}" for number in range(len(requests))]
    assert [len(request.event_time_us) for request in requests] == [2, 2, 1, 1, 2, 2]
    assert done == [(2, 10), (4, 10), (5, 10), (6, 10), (8, 10), (10, 10)]
    assert reply.request_id == "r"


def test_progress_is_written_on_request(server, client, monkeypatch, capsys):
    monkeypatch.setattr(push_request, "PART_ROWS", 1000)
    client.push("p", {"id": range(1500)})
    assert capsys.readouterr() == ("", "")
    client.push("p", {"id": range(1500)}, progress=True)
    assert capsys.readouterr().err == "\rpushed 1,000 of 1,500 rows\rpushed 1,500 of 1,500 rows\n"


def test_a_push_that_stops_between_parts_says_how_to_go_on(server, client, monkeypatch):
    monkeypatch.setattr(push_request, "PART_ROWS", 1)
    disk = lambda context: context.abort(grpc.StatusCode.DATA_LOSS, "disk")  # noqa: E731
    server.answers.failures.extend([lambda _: None, disk])
    with pytest.raises(HotrowRpcError, match=r"disk \(in rows 1 to 1; .* push all rows again with request_id='r'"):
        client.push("p", {"id": [1, 2, 3]}, request_id="r")


def test_an_atomic_push_is_one_message(server, client, monkeypatch):
    monkeypatch.setattr(push_request, "PART_ROWS", 1)
    monkeypatch.setattr(push_request, "ATOMIC_BYTES", 100)
    client.push("p", {"id": [1, 2]}, atomic=True)
    assert len(server.answers.requests) == 1
    with pytest.raises(HotrowError, match="an atomic push is one message of at most 100 bytes, and these 99 rows have"):
        client.push("p", {"id": [1] * 99}, atomic=True)


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
        (
            lambda c: c.push("p", {"id": [1]}, event_time=["noon"]),
            "'event_time' has 'noon', which is no time; write it as",
        ),
        (lambda c: c.push("p", {"id": [1]}, event_time="noon"), "'noon' is neither a column nor a time; columns: id"),
        (lambda c: c.push("p", {"id": [1]}, event_time="1717236000000"), "and 2024-06-01T10:00:00Z as milliseconds"),
        (lambda c: c.push("p", {"id": [1]}, on_rejected="skip"), "on_rejected is 'raise' or 'return'"),
        (lambda c: c.push("p", {"id": [1]}, progress=5), "progress is True, or a function"),
        (lambda c: c.push({"id": [1]}), "push_source is a name, not a dict"),
        (lambda c: c.push("p", {"id": [1]}, request_id=5), "request_id is a name, not a int"),
        (lambda c: c.push("p", {"id": [1]}, units="SEK"), "units gives columns their units"),
        (lambda c: c.push("p", {1: [1]}), "a column is named 1"),
        (lambda c: c.push("p", {"id": "ann"}), "not a str; for one row write"),
        (lambda c: c.read(None, {"id": [1]}), "give one of the two"),
        (lambda c: c.read(5, {"id": [1]}), "features are references such as .* not a int"),
        (lambda c: c.read(SimpleNamespace(name="s"), {"id": [1]}), "give feature_service='s'"),
        (lambda c: c.read(["v:a", None], {"id": [1]}), "not a NoneType"),
        (lambda c: c.read(feature_service=["s"]), "feature_service is a name, not a list"),
        (lambda c: c.read("v:a", {"id": [1]}, timeout_s="5"), "timeout_s is a number of seconds above 0, not '5'"),
        (lambda c: c.read("v:a", {"id": [1]}, min_token="t"), "the `token` of a push's reply"),
        (lambda c: c.read("v:a", {"id": [1]}, types={"id": int}), "the type of 'id' is one of hotrow's"),
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
