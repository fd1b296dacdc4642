"""Pushes from end to end in one process: what is written, skipped and refused, and what producers are told of it."""

import pytest
from hotrow import clock
from hotrow.codec.token import decode_token
from hotrow.errors import Code, HotrowError
from hotrow.rpc.timing import StageTimer, stages_ms
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import (
    DUPLICATE,
    REJECTED,
    SKIPPED_STALE,
    WRITTEN,
    PushFeaturesRequest,
)
from reference.column import column
from support.pushing import delete, rows_of, stats, trips_of
from support.world import FUTURE_US, PROJECT, RecordingCall, snapshot_of, stats_view


def test_a_push_is_written_and_read(world):
    """By the view or its push source; the token names the commit, the reply the snapshot."""
    now = clock.now_us()
    reply = world.push(stats([1, 2], [10, 20]))
    assert (reply.written, list(reply.results), reply.snapshot) == (2, [WRITTEN, WRITTEN], world.head.id)
    token = decode_token(reply.token, store_id=world.store.id, epoch=world.store.epoch)
    assert token.sequence == world.store.sequence()
    assert world.push(stats([3], [30], push_source="stats_push", project=PROJECT)).written == 1
    assert trips_of(world, 3, 2, 1, 4) == [30, 20, 10, None]
    assert all(now <= int.from_bytes(row[16:24], "big") - 2**63 <= clock.now_us() for row in rows_of(world).values())


def test_of_rows_with_one_key_the_latest_event_counts(world):
    """Of equal event times the last in the batch; the others are told to be duplicates."""
    now = clock.now_us()
    reply = world.push(
        stats([1, 1, 1, 2, 2, 3], [1, 2, 3, 4, 5, 6], event_time_us=[now - 5, now, now - 9, now, now, now - 1])
    )
    assert list(reply.results) == [DUPLICATE, WRITTEN, DUPLICATE, DUPLICATE, WRITTEN, WRITTEN]
    assert (reply.written, reply.duplicates) == (3, 3)
    assert trips_of(world, 1, 2, 3) == [2, 5, 6]


def test_a_row_that_is_refused_is_no_duplicate(world):
    """Of three rows of a key, the latest lies in the future."""
    now = clock.now_us()
    reply = world.push(stats([1, 1, 1], [1, 2, 3], event_time_us=[now - 5, now - 9, now + 10 * FUTURE_US]))
    assert list(reply.results) == [WRITTEN, DUPLICATE, REJECTED]
    assert trips_of(world, 1) == [1]


def test_older_rows_do_not_replace_newer_ones(world):
    """Of equal event times the later commit wins, so that a correction counts."""
    now = clock.now_us()
    assert world.push(stats([1], [1], event_time_us=[now])).written == 1
    stale = world.push(stats([1, 2], [2, 3], event_time_us=[now - 1, now - 1]))
    assert (stale.written, stale.skipped_stale, list(stale.results)) == (1, 1, [SKIPPED_STALE, WRITTEN])
    assert world.push(stats([1], [4], event_time_us=[now])).written == 1
    assert trips_of(world, 1, 2) == [4, 3]


def test_rejected_rows_are_told_by_field_and_reason(world):
    """The other rows are written; the columns beside a refused one still belong to their rows."""
    pair = PushFeaturesRequest(
        view="pair",
        rows=[
            column("driver_id", "int64", [None, 2, 3, 4]),
            column("user", "string", ["a", "b" * 481, "c", "d"]),
            column("score", "float64", [0.5, 0.5, 1e39, 0.25]),
            column("trips", "int64", [1, 2, 3, 4]),
        ],
    )
    reply = world.push(pair)
    assert list(reply.results) == [REJECTED, REJECTED, REJECTED, WRITTEN]
    assert [(one.row, one.field) for one in reply.rejections] == [(0, "driver_id"), (1, "user"), (2, "score")]
    assert "null" in reply.rejections[0].reason
    assert "480 bytes" in reply.rejections[1].reason
    assert "too large" in reply.rejections[2].reason or "range" in reply.rejections[2].reason
    assert (reply.rejected, reply.written) == (3, 1)


def test_the_bound_on_future_event_times(world, monkeypatch):
    """At the bound is accepted, a microsecond more is not; a source is not bound."""
    now = clock.now_us()
    monkeypatch.setattr(clock, "now_us", lambda: now)
    reply = world.push(stats([1, 2], [1, 2], event_time_us=[now + FUTURE_US, now + FUTURE_US + 1]))
    assert list(reply.results) == [WRITTEN, REJECTED]
    assert (reply.rejections[0].field, reply.rejections[0].row) == ("event_time_us", 1)
    rows = stats([3], [3]).rows
    materialized = MaterializeRowsRequest(view="stats", rows=rows, event_time_us=[now + 10 * FUTURE_US])
    assert world.materialize(materialized).written == 1


def test_atomic_pushes_are_written_whole_or_not_at_all(world):
    """One row that is refused refuses all, and names itself; stale rows and duplicates are no refusals."""
    now = clock.now_us()
    with pytest.raises(HotrowError, match=r"row 1: event_time_us: .*\(atomic: no row was written\)") as caught:
        world.push(stats([1, 2], [1, 2], event_time_us=[now, now + 10 * FUTURE_US], atomic=True))
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "event_time_us")
    assert rows_of(world) == {}
    assert world.push(stats([1, 1], [1, 2], atomic=True, event_time_us=[now, now])).written == 1
    assert world.push(stats([1], [3], atomic=True, event_time_us=[now - 1])).skipped_stale == 1


@pytest.mark.parametrize("op", [stats, delete])
def test_a_dry_run_tells_what_would_happen_and_writes_nothing(world, op):
    """The same counts, results and rejections as the real push that follows; no token."""
    now = clock.now_us()
    world.push(stats([1, 2], [1, 2], event_time_us=[now, now - 10]))
    args = ([1, 2, 2, 3, None],) if op is delete else ([1, 2, 2, 3, None], [5, 6, 7, 8, 9])
    times = [now - 1, now - 5, now - 6, now, now]
    before, sequence = rows_of(world), world.store.sequence()
    dry = world.push(op(*args, event_time_us=times, dry_run=True))
    assert (rows_of(world), world.store.sequence()) == (before, sequence)
    real = world.push(op(*args, event_time_us=times))
    assert list(real.results) == [SKIPPED_STALE, WRITTEN, DUPLICATE, WRITTEN, REJECTED]
    assert dry.token == b""
    real.token = b""
    assert dry == real


def test_deletes_are_rows_too(world):
    """A later delete hides the row, an older one is stale; a later push brings it back, an older one does not."""
    now = clock.now_us()
    world.push(stats([1, 2], [1, 2], event_time_us=[now - 100, now - 100]))
    reply = world.push(delete([1, 2, 3], event_time_us=[now - 50, now - 101, now - 50]))
    assert list(reply.results) == [WRITTEN, SKIPPED_STALE, WRITTEN]
    assert trips_of(world, 1, 2, 3) == [None, 2, None]
    assert list(world.push(stats([1, 3], [7, 7], event_time_us=[now - 51, now - 60])).results) == [SKIPPED_STALE] * 2
    assert trips_of(world, 1, 3) == [None, None]
    assert list(world.push(stats([1, 3], [8, 9], event_time_us=[now - 50, now])).results) == [WRITTEN] * 2
    assert trips_of(world, 1, 3) == [8, 9]


def test_a_delete_without_event_times_is_of_now(world):
    """So it hides what was pushed before it."""
    world.push(stats([1], [1]))
    assert world.push(delete([1])).written == 1
    assert trips_of(world, 1) == [None]


def test_a_request_id_is_answered_again(world):
    """The first reply, to the byte, though the store has moved on; nothing is written twice."""
    now = clock.now_us()
    push = stats([1, 1, 2, None], [1, 2, 3, 4], event_time_us=[now, now, now, now], request_id="r")
    first = world.push(push)
    assert list(first.results) == [DUPLICATE, WRITTEN, WRITTEN, REJECTED]
    world.push(stats([1], [9]))
    before = rows_of(world)
    assert world.push(push) == first
    assert rows_of(world) == before
    assert trips_of(world, 1) == [9]


def test_a_request_id_without_event_times_is_answered_again(world):
    """Though the time of receipt is another one."""
    push = stats([1], [1], request_id="r")
    assert world.push(push) == world.push(push)


def test_a_request_id_of_another_payload_is_refused(world):
    """INVALID, and nothing is written."""
    world.push(stats([1], [1], request_id="r"))
    before = rows_of(world)
    with pytest.raises(HotrowError, match="request_id was used for another payload") as caught:
        world.push(stats([1], [2], request_id="r"))
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "request_id")
    assert rows_of(world) == before


def test_a_request_id_is_of_its_target_and_caller(world):
    """The same id for another view, push source or caller is another request."""
    world.push(stats([1], [1], request_id="r"))
    assert world.push(stats([1], [2], request_id="r", push_source="stats_push")).written == 1
    assert world.push(stats([1], [3], request_id="r"), RecordingCall(caller="ann")).written == 1
    assert trips_of(world, 1) == [3]


def test_a_request_id_has_a_bound(world):
    """256 bytes of UTF-8."""
    assert world.push(stats([1], [1], request_id="é" * 128)).written == 1
    with pytest.raises(HotrowError, match="longer than 256 bytes"):
        world.push(stats([1], [1], request_id="é" * 128 + "r"))
    broken = stats([1], [1], request_id="xyz").SerializeToString().replace(b"xyz", b"\xff\xfe\xfd")
    with pytest.raises(HotrowError) as caught:
        world.push(broken)
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "request_id")


def test_defaults_stand_in_for_columns(world):
    """A field with one may be left out, another may not."""
    world.push(stats([1], [1]))
    entities = [column("driver_id", "int64", [1])]
    reply = world.read(GetOnlineFeaturesRequest(features=FeatureNames(names=["stats:note"]), entities=entities))
    assert list(reply.columns[0].string.values) == ["none"]
    push = stats([1], [1])
    del push.rows[1]
    with pytest.raises(HotrowError, match="view 'stats': feature 'trips' is missing; send an Int64 column"):
        world.push(push)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"rows": [column("trip", "int64", [1])]}, Code.INVALID, "column 'trip' is not known; .*trips"),
        ({"rows": [column("note", "string", ["x"], unit="m")]}, Code.INVALID, "'note' has no unit"),
        ({"rows": [column("note", "int64", [1])]}, Code.INVALID, "'note' is String, and the column has Int64"),
        ({"rows": [column("note", "string", ["x", "y"])]}, Code.INVALID, "column 'note' has 2 rows"),
        ({"event_time_us": [1, 2]}, Code.INVALID, "event_time_us does not have one value a row"),
        ({"view": "stat"}, Code.NOT_FOUND, "unknown feature view 'stat'"),
        ({"push_source": "stat_push"}, Code.NOT_FOUND, "unknown push source 'stat_push'.*stats_push"),
        ({"view": ""}, Code.INVALID, "no target is named"),
        ({"project": "other"}, Code.NOT_FOUND, "unknown project 'other'"),
        ({"snapshot": "beta"}, Code.FAILED_PRECONDITION, "snapshot 'beta' is not served"),
        ({"to": 7}, Code.INVALID, "to 7 is not known"),
        ({"op": 7}, Code.INVALID, "op 7 is not known"),
    ],
)
def test_what_is_wrong_with_a_push_is_told(world, change, code, message):
    """By name; nothing is written, and the same push without the fault works."""
    push = stats([1], [1])
    push.MergeFrom(PushFeaturesRequest(**change))
    with pytest.raises(HotrowError, match=message) as caught:
        world.push(push)
    assert caught.value.code is code
    assert rows_of(world) == {}
    assert world.push(stats([1], [1])).written == 1


@pytest.mark.parametrize("data", [b"\xff", b"\x12\x03a", b"\x1a\x01\xff", b"\x38"])
def test_bytes_that_are_no_push_are_refused(world, data):
    """INVALID, never INTERNAL."""
    with pytest.raises(HotrowError, match="not a valid PushFeaturesRequest") as caught:
        world.push(data)
    assert caught.value.code is Code.INVALID


def test_a_push_of_no_rows_writes_nothing(world):
    """And is no fault."""
    reply = world.push(stats([], []))
    assert (reply.written, list(reply.results)) == (0, [])
    assert rows_of(world) == {}


def test_a_push_to_a_pinned_snapshot(worlds):
    """By its definitions, while the head has others."""
    old, new = snapshot_of(), snapshot_of(stats_view(ttl=None))
    world = worlds(new, names={"prod": old})
    assert world.push(stats([1], [1], snapshot="prod")).snapshot == old.id
    assert world.push(stats([2], [2])).snapshot == new.id
    assert trips_of(world, 1, 2) == [1, 2]


def test_a_commit_that_fails_unforeseen_names_the_request(world, monkeypatch):
    """INTERNAL with the request id, under which the log is to be found, and nothing of the cause."""

    def fail(_writes):
        raise RuntimeError("secret")

    monkeypatch.setattr(world.store, "write", fail)
    with pytest.raises(HotrowError) as caught:
        world.push(stats([1], [1]))
    assert caught.value.code is Code.INTERNAL
    assert caught.value.message.endswith("; request id call-1")
    assert "secret" not in caught.value.message


def test_a_push_tells_its_stages_when_asked(world):
    """In the trailer, in milliseconds; nothing is sent to those who do not ask."""
    call = RecordingCall()
    call.timer = StageTimer()
    world.pipeline.push_features(stats([1], [10]).SerializeToString(), call)
    call.result()
    assert list(stages_ms(call.trailers)) == ["parse", "plan", "encode", "wait", "commit", "reply"]
    silent = RecordingCall()
    world.pipeline.push_features(stats([2], [10]).SerializeToString(), silent)
    silent.result()
    assert silent.trailers == ()


@pytest.mark.parametrize(
    ("request_", "stages"),
    [
        (stats([1], [10], dry_run=True), ["parse", "plan", "encode", "compare", "reply"]),
        (stats([1], [10], event_time_us=[1 << 62]), ["parse", "plan", "encode", "reply"]),
    ],
)
def test_a_push_that_commits_nothing_tells_its_stages_too(world, request_, stages):
    """A dry run, and one of which every row is refused before the store."""
    call = RecordingCall()
    call.timer = StageTimer()
    world.pipeline.push_features(request_.SerializeToString(), call)
    call.result()
    assert list(stages_ms(call.trailers)) == stages


def test_a_reply_explains_a_bounded_number_of_rows(world):
    """Every row has its result; a batch of nanoseconds in place of microseconds does not make a reply of megabytes."""
    n = 5000
    reply = world.push(stats(list(range(n)), [1] * n, event_time_us=[clock.now_us() * 1000] * n))
    assert (reply.rejected, list(reply.results)) == (n, [REJECTED] * n)
    assert len(reply.rejections) == 1000


def test_a_selection_of_any_size_is_not_kept(world):
    """A caller may pad what names a push with unknown fields; such a target is made for one request."""
    request = stats([1], [10]).SerializeToString()
    padded = request + b"\x7a\x80\x80\x40" + bytes(1 << 20)  # field 15, unknown
    before = len(world.pipeline._targets._kept[1])
    call = RecordingCall()
    world.pipeline.push_features(padded, call)
    call.result()
    assert len(world.pipeline._targets._kept[1]) == before


def test_an_unknown_destination_is_refused(world):
    """A number that this version has no name for is not taken for one that it has."""
    with pytest.raises(HotrowError, match="to 7 is not known") as caught:
        world.push(stats([1], [10], to=7))
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "to")
