"""Reads from end to end in one process: what was pushed comes back, and what is wrong is told."""

import random

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hotrow import clock
from hotrow.codec.token import Token, encode_token
from hotrow.errors import Code, HotrowError
from hotrow.rpc.timing import StageTimer, stages_ms
from hotrow.schema.field import Field
from hotrow.types import Array, Bool, Float64, Int64
from hotrow.v1.column_pb2 import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hypothesis import given
from hypothesis import strategies as st
from reference.column import column, values_of
from support.encoding import encodings
from support.world import DAY_US, RecordingCall, World, snapshot_of, stats_view


def drivers(*ids, type_="int64"):
    return column("driver_id", type_, list(ids))


def push(ids, trips, **fields):
    rows = [drivers(*ids), column("trips", "int64", trips), column("fare", "float64", [1.5] * len(ids))]
    return PushFeaturesRequest(view="stats", rows=rows, **fields)


def asked(*names, entities=(), **fields):
    return GetOnlineFeaturesRequest(features=FeatureNames(names=names), entities=entities, **fields)


def table(reply):
    return {one.name: list(zip(values_of_slots(one), one.statuses, strict=True)) for one in reply.columns}


def values_of_slots(one):
    return list(getattr(one, one.WhichOneof("values")).values)


def test_what_was_pushed_is_read(world):
    """With a status for every row, in the order asked; keys may be given as int32."""
    world.push(push([1, 2], [10, None], event_time_us=[100, clock.now_us()]))
    reply = world.read(
        asked(
            "stats:note",
            "stats:trips",
            entities=[drivers(2, 9, 1, 2, type_="int32")],
            options=ReadOptions(event_timestamps=True),
        )
    )
    assert table(reply) == {
        "note": [("none", PRESENT), ("", NOT_FOUND), ("", OUTSIDE_MAX_AGE), ("none", PRESENT)],
        "trips": [(0, NULL_VALUE), (0, NOT_FOUND), (0, OUTSIDE_MAX_AGE), (0, NULL_VALUE)],
    }
    [times] = reply.event_times
    assert times.view == "stats"
    assert list(times.values)[1:3] == [0, 100]
    assert times.values[0] == times.values[3] > clock.now_us() - DAY_US
    assert reply.snapshot == world.head.id


def test_views_of_several_entity_sets_in_one_request(world):
    """Of a driver, of a driver and a user, and of nobody, joined by row."""
    world.push(push([1, 2], [10, 20]))
    pair = [drivers(1, 2), column("user", "string", ["é", ""]), column("score", "float32", [0.5, 2.0])]
    world.push(PushFeaturesRequest(view="pair", rows=[*pair, column("trips", "int64", [1, 2])]))
    world.push(PushFeaturesRequest(view="state", rows=[column("open", "bool", [True])]))
    entities = [column("user", "string", ["é", "é", ""]), drivers(1, 2, 2)]
    reply = world.read(asked("state:open", "pair:score", "stats:trips", entities=entities))
    assert table(reply) == {
        "open": [(True, PRESENT)] * 3,
        "score": [(0.5, PRESENT), (0, NOT_FOUND), (2, PRESENT)],
        "trips": [(10, PRESENT), (20, PRESENT), (20, PRESENT)],
    }
    assert table(world.read(asked("state:open"))) == {"open": [(True, PRESENT)]}
    assert table(world.read(asked("stats:trips", "state:open", entities=[drivers()]))) == {"trips": [], "open": []}


def test_a_matrix_holds_the_numbers(world):
    """Row-major, NaN where there is none; the columns say why."""
    world.push(push([1, 2], [10, None]))
    reply = world.read(
        asked("stats:trips", "stats:fare", entities=[drivers(2, 1, 3)], options=ReadOptions(matrix=True))
    )
    matrix = np.frombuffer(reply.matrix.values, "<f4").reshape(reply.matrix.rows, len(reply.matrix.names))
    assert np.array_equal(matrix, np.array([[np.nan, 1.5], [10, 1.5], [np.nan, np.nan]], "f4"), equal_nan=True)
    assert list(reply.matrix.names) == ["trips", "fare"]
    assert [list(one.statuses) for one in reply.columns] == [[2, 1, 3], [1, 1, 3]]
    assert [(one.name, one.unit, one.WhichOneof("values")) for one in reply.columns] == [
        ("trips", "", None),
        ("fare", "SEK", None),
    ]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (asked("stats:trips"), Code.INVALID, "join key 'driver_id' is missing"),
        (asked("stats:trips", entities=[column("driver_id", "string", ["1"])]), Code.INVALID, "has String values"),
        (asked("stats:trips", entities=[drivers(1), drivers(1)]), Code.INVALID, "there twice"),
        (asked("stats:trips", entities=[drivers(1)], project="other"), Code.NOT_FOUND, "unknown project 'other'"),
        (
            asked("stats:trips", entities=[drivers(1)], snapshot="beta"),
            Code.FAILED_PRECONDITION,
            "'beta' is not served",
        ),
        (asked("stats:trips", entities=[drivers(1)], min_token=b"x"), Code.INVALID, "min_token is not a token"),
        (asked("stats:trips", entities=[drivers(1)], request_data=[drivers(1)]), Code.INVALID, "request_data"),
        (b"\x0a\x01\xff", Code.INVALID, "not a valid GetOnlineFeaturesRequest"),
        (b"\x12\x05abc", Code.INVALID, "not a valid GetOnlineFeaturesRequest"),
        (b"\x12\x03\x0a\x05a", Code.INVALID, "not a valid GetOnlineFeaturesRequest"),
    ],
)
def test_what_is_wrong_is_told(world, request_, code, message):
    """Before the store is asked, and the same when it is asked again."""
    for _ in range(2):
        with pytest.raises(HotrowError, match=message) as caught:
            world.read(request_)
        assert caught.value.code is code


def test_a_read_waits_for_the_commit_of_its_token(world):
    """And is answered when a write has made it visible."""
    first = world.push(push([1], [10]))
    assert table(world.read(asked("stats:trips", entities=[drivers(1)], min_token=first.token)))
    later = encode_token(Token(world.store.id, world.store.epoch, world.store.sequence() + 1))
    call = RecordingCall()
    call.timer = StageTimer()
    request = asked("stats:trips", entities=[drivers(1)], min_token=later)
    world.start(world.service.get_online_features, request, call)
    assert call.answers == []
    world.push(push([1], [11]))
    call.result()
    assert list(stages_ms(call.trailers)) == ["parse", "plan", "wait", "store", "reply"]
    assert world.start(world.service.get_online_features, asked("state:open", min_token=later)).result()


def test_a_token_that_does_not_come_is_unavailable(world):
    """Within the deadline of the call."""
    later = encode_token(Token(world.store.id, world.store.epoch, 1000))
    with pytest.raises(HotrowError) as caught:
        world.read(asked("state:open", min_token=later), RecordingCall(deadline_s=clock.now_s() + 0.05))
    assert caught.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize("token", [Token("0" * 32, 1, 1), Token("", 2, 1)])
def test_a_token_of_another_store_or_epoch_is_refused(world, token):
    """FAILED_PRECONDITION: to wait would be for nothing."""
    foreign = Token(token.store_id or world.store.id, token.epoch, 1)
    with pytest.raises(HotrowError, match="of another store") as caught:
        world.read(asked("state:open", min_token=encode_token(foreign)))
    assert caught.value.code is Code.FAILED_PRECONDITION


@pytest.mark.parametrize(
    "damage", [lambda row: row[:-1] + bytes([row[-1] ^ 1]), lambda row: bytes(4) + row[4:], lambda row: row[:9]]
)
def test_a_row_nobody_can_decode_is_an_error_that_names_the_key(worlds, damage):
    """Never a value, and never "not found"."""
    source, world = worlds(), worlds()
    source.push(push([1, 2, 3], [10, 20, 30]))
    for stored in source.store.scan():
        broken = stored.key.endswith(b"\2")
        world.store._rows[stored.view_id, stored.key] = damage(stored.row) if broken else stored.row
    assert table(world.read(asked("stats:trips", entities=[drivers(1, 3)])))["trips"] == [(10, 1), (30, 1)]
    for ids in ([2], [1, 2, 3], [3, 1, 2]):
        with pytest.raises(HotrowError, match="view 'stats' for driver_id=2 cannot be decoded") as caught:
            world.read(asked("stats:trips", entities=[drivers(*ids)]))
        assert caught.value.code is Code.DATA_LOSS


def test_rows_of_older_and_newer_schemas_are_read_by_name(worlds):
    """Fields come and go; a pinned snapshot reads what the head has written, and the other way round."""
    old = snapshot_of()
    wider = stats_view(fields=(Field("rank", Int64, default=3), Field("tags", Array(Int64)), Field("ok", Bool)))
    new = snapshot_of(wider)
    world = worlds(new, old)
    world.push(push([1], [10], snapshot=old.id))
    more = [column("tags", "int64_list", [[4, 5]]), column("ok", "bool", [None]), column("rank", "int64", [None])]
    request = push([2], [20])
    request.rows.extend(more)
    world.push(request)
    names = ["stats:trips", "stats:rank", "stats:tags", "stats:ok", "stats:note"]
    reply = world.read(asked(*names, entities=[drivers(1, 2, 3)]))
    assert {one.name: values_of(one)[:2] for one in reply.columns} == {
        "trips": [10, 20],
        "rank": [3, None],
        "tags": [None, [4, 5]],
        "ok": [None, None],
        "note": ["none", "none"],
    }
    pinned = world.read(asked("stats:trips", "stats:note", entities=[drivers(1, 2)], snapshot=old.id[:8]))
    assert table(pinned)["trips"] == [(10, PRESENT), (20, PRESENT)]
    assert pinned.snapshot == old.id


def test_rows_of_a_schema_with_another_unit_are_refused(worlds):
    """They must be written again; features that did not change are read."""
    world = worlds(snapshot_of())
    world.push(push([1], [10]))
    changed = stats_view()
    fields = [Field(f.name, f.type, unit="EUR" if f.name == "fare" else f.unit) for f in changed.fields]
    world.serve(snapshot_of(type(changed)("stats", entities=changed.entities, schema=fields, ttl=changed.ttl)))
    assert table(world.read(asked("stats:trips", entities=[drivers(1)])))["trips"] == [(10, PRESENT)]
    with pytest.raises(HotrowError, match="stored rows have 'fare' as Float64 'SEK'") as caught:
        world.read(asked("stats:fare", entities=[drivers(1)]))
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_a_read_of_more_values_than_memory_holds_is_refused(worlds):
    """Rows times features; many of either alone are read."""
    fields = tuple(Field(f"f{number}", Int64) for number in range(200))
    world = worlds(snapshot_of(stats_view(fields=fields)))
    few = [column("driver_id", "int64", [7] * 50)]
    many = [column("driver_id", "int64", [7] * 100_000)]
    names = [f"stats:f{number}" for number in range(200)]
    assert len(world.read(asked(*names, entities=few)).columns) == 200
    assert len(world.read(asked(names[0], entities=many)).columns[0].statuses) == 100_000
    with pytest.raises(HotrowError, match="100000 rows of 200 features are more than 16777216 values") as caught:
        world.read(asked(*names, entities=many))
    assert (caught.value.code, caught.value.field) == (Code.INVALID, "entities")


def test_a_new_head_is_read_at_once(world):
    """Plans of what was served before are not used again."""
    assert world.read(asked("state:open")).snapshot == world.head.id
    before = world.head.id
    world.serve(snapshot_of(stats_view(fields=(Field("x", Float64),))))
    assert world.read(asked("state:open")).snapshot == world.head.id != before
    world.read(asked("stats:x", entities=[drivers(1)]))


def test_server_info_tells_what_is_served(worlds):
    """Head first, with names; and how calls come in."""
    old, new = snapshot_of(), snapshot_of(stats_view(ttl=None))
    world = worlds(new, names={"prod": old})
    world.service.set_lane("off: tested")
    info = world.server_info()
    assert (info.project, info.snapshot, info.store_id, info.worker) == ("rides", new.id, world.store.id, 7)
    assert (info.store_type, info.lane, info.started_us) == ("memory", "off: tested", 8)
    assert {one.id: list(one.names) for one in info.served} == {new.id: ["head"], old.id: ["prod"]}


@pytest.fixture(scope="module")
def standing():
    """A world that is not changed."""
    made = World()
    made.push(push([1, 2], [10, 20]))
    yield made
    made.close()


@given(data=st.data())
def test_any_encoding_of_a_read_has_the_same_reply(standing, data):
    """Selection, entities and options in any order, split, with unknown fields."""
    sent = asked("stats:trips", "stats:note", entities=[drivers(1, 2)], options=ReadOptions(event_timestamps=True))
    assert standing.read(data.draw(encodings(sent))) == standing.read(sent)


def test_a_damaged_read_is_answered_as_protobuf_reads_it_or_refused(standing):
    """Bytes cut off, changed and put in: never a crash, never INTERNAL, never the answer to another question."""
    sent = asked("stats:trips", entities=[drivers(1, 2)], project="rides", snapshot="head")
    sound, chance = sent.SerializeToString(), random.Random(7)
    for number in range(2000):
        data = bytearray(sound[: number % len(sound)] if number < 2 * len(sound) else sound)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randrange(2)] = chance.choice(
                [b"\xff", b"\x80", b"\0", b"\x08", b"\x0a\x01a", b"\x42"]
            )
        found = outcome(standing, bytes(data))
        try:
            message = GetOnlineFeaturesRequest.FromString(bytes(data))
        except DecodeError:
            assert found in (Code.INVALID, Code.NOT_FOUND, Code.FAILED_PRECONDITION)
        else:
            assert found == outcome(standing, message)


def outcome(world, request):
    try:
        return world.read(request)
    except HotrowError as error:
        return error.code


def test_a_read_tells_its_stages_when_asked(world):
    """In the trailer, in milliseconds; nothing is sent to those who do not ask."""
    request = asked("stats:trips", entities=[drivers(1)]).SerializeToString()
    call = RecordingCall()
    call.timer = StageTimer()
    world.service.get_online_features(request, call)
    assert list(stages_ms(call.trailers)) == ["parse", "plan", "store", "reply"]
    silent = RecordingCall()
    world.service.get_online_features(request, silent)
    assert silent.trailers == ()
    assert silent.answers == call.answers


def test_a_selection_of_any_size_is_not_kept(world):
    """A caller may pad a selection with unknown fields; its plan is made for one request."""
    request = asked("stats:trips", entities=[drivers(1)]).SerializeToString()
    call = RecordingCall()
    world.service.get_online_features(request + b"\x7a\x80\x80\x40" + bytes(1 << 20), call)
    call.result()
    assert not world.service._plans._kept[1]
    world.service.get_online_features(request, RecordingCall())
    assert len(world.service._plans._kept[1]) == 1
