"""Rows of a source, written by materialization under the same compare-and-set as pushed ones."""

from hotrow import clock
from hotrow.codec.row import is_tombstone
from hotrow.codec.wire import parse_message
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from hotrow.v1.push_pb2 import DELETE
from reference.column import column
from support.pushing import rows_of, stats, trips_of


def test_rows_of_a_source_have_their_own_created_times(world):
    """Absent they are 0, so that a pushed row of the same event time wins; a later one corrects an earlier one."""
    now = clock.now_us()

    def source(trips, **fields):
        rows = stats([1], [trips]).rows
        return world.materialize(MaterializeRowsRequest(view="stats", rows=rows, event_time_us=[now], **fields))

    assert source(1).written == 1
    assert source(2).skipped_stale == 1
    assert source(3, created_time_us=[5]).written == 1
    assert source(4, created_time_us=[4]).skipped_stale == 1
    assert trips_of(world, 1) == [3]
    world.push(stats([1], [6], event_time_us=[now]))
    assert source(7, created_time_us=[6]).skipped_stale == 1
    assert trips_of(world, 1) == [6]


def test_of_rows_of_a_source_with_one_key_the_latest_version_counts(world):
    """Event time, then created time, then the place in the batch."""
    now = clock.now_us()
    rows = stats([1, 1, 1, 2, 2], [1, 2, 3, 4, 5]).rows
    times = {"event_time_us": [now, now, now - 1, now, now], "created_time_us": [9, 8, 10, 1, 1]}
    reply = world.materialize(MaterializeRowsRequest(view="stats", rows=rows, **times))
    assert (reply.written, reply.duplicates) == (2, 3)
    assert trips_of(world, 1, 2) == [1, 5]


def test_a_watermark_is_kept_with_its_rows_or_alone(world):
    """In the transaction of the rows; after the last of them without any."""
    view_id = world.head.view_id("stats")
    request = MaterializeRowsRequest(view="stats", rows=stats([1], [1]).rows, event_time_us=[5], watermark_us=-7)
    assert world.materialize(request).written == 1
    assert world.store.watermark_us(view_id) == -7
    assert world.materialize(MaterializeRowsRequest(view="stats", watermark_us=0)).written == 0
    assert world.store.watermark_us(view_id) == 0


def test_a_watermark_of_another_wire_type_is_unknown(world):
    """As protobuf has it: such a field is passed over."""
    view_id = world.head.view_id("stats")
    whole = MaterializeRowsRequest(view="stats", rows=stats([1], [1]).rows, event_time_us=[5]).SerializeToString()
    for extra in (b"\x62\x20" + b"\xff" * 32, b"\x60\x05"):
        assert not parse_message(MaterializeRowsRequest, whole + extra).HasField("watermark_us")
        world.materialize(whole + extra)
        assert world.store.watermark_us(view_id) is None


def test_only_the_first_hundred_rejections_of_a_source_are_told(world):
    """All are counted."""
    rows = stats([None] * 150 + [1], list(range(151))).rows
    reply = world.materialize(MaterializeRowsRequest(view="stats", rows=rows))
    assert (reply.rejected, reply.written, len(reply.rejections)) == (150, 1, 100)


def test_deleted_rows_of_a_log_are_written_as_tombstones(world):
    """With created times of their own, by the keys alone; a view of nobody has none."""
    now = clock.now_us()
    world.push(stats([1, 2], [10, 20], event_time_us=[now - 5, now - 1]))
    keys = stats([1, 2], [0, 0]).rows[:1]
    times = {"event_time_us": [now - 4, now - 4], "created_time_us": [7, 7]}
    reply = world.materialize(MaterializeRowsRequest(view="stats", rows=keys, op=DELETE, **times))
    assert (reply.written, reply.skipped_stale) == (1, 1)
    assert trips_of(world, 1, 2) == [None, 20]
    open_ = [column("open", "bool", [True])]
    assert world.materialize(MaterializeRowsRequest(view="state", rows=open_, event_time_us=[now - 4])).written == 1
    gone = MaterializeRowsRequest(view="state", op=DELETE, event_time_us=[now - 3], created_time_us=[7])
    assert world.materialize(gone).written == 1
    rows = rows_of(world)
    assert is_tombstone(rows[world.head.view_id("state"), b""])
    assert world.store.read_outbox(0) == []
