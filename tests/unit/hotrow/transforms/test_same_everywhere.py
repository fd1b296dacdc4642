"""One function, four ways: a read, a push, a training set and plain Python give the same values, bit for bit."""

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hotrow import Entity, FeatureView, Field, Float32, Float64, Int32, Int64, RequestSource, String, hash64, transform
from hotrow.codec.column import encode_column
from hotrow.offline.arrow_column import arrow_type
from hotrow.offline.transformed import plan_computation
from hotrow.registry.needed import needed_columns
from hotrow.registry.snapshot import Snapshot
from hotrow.schema.service import FeatureRef
from hotrow.transforms.apart import with_certificates
from hotrow.v1.column_pb2 import NULL_VALUE, PRESENT, TRANSFORM_ERROR, Column
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesReply, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.world import PROJECT, World

DRIVER = Entity("driver", join_keys={"driver_id": Int64})
STATS = FeatureView(
    "stats",
    entities=[DRIVER],
    schema=[
        Field("fare", Float64),
        Field("rate", Float32),
        Field("trips", Int64),
        Field("age", Int32),
        Field("city", String),
    ],
)
OUTPUTS = [Field("log", Float64), Field("narrow", Float32), Field("start", String)]
REQUEST = RequestSource("asked", schema=[Field("distance", Float64), Field("note", String)])


@transform(sources=[STATS], outputs=OUTPUTS, at="push")
def stored(fare, rate, city):
    return math.log(fare), rate * 3, city[1:3]


@transform(sources=[STATS], outputs=OUTPUTS)
def computed(fare, rate, city):
    return math.log(fare), rate * 3, city[1:3]


@transform(
    sources=[STATS, REQUEST, computed],
    outputs=[Field("per_km", Float64), Field("hashed", Int64), Field("longer", String), Field("short", Int32)],
)
def chained(trips, trips_is_null, age, note, distance, log):
    if trips_is_null:
        return log / distance, hash64(note), note, None
    return log / distance, trips // age, note if len(note) > 3 else "kört", age * trips


FLOATS = st.one_of(st.none(), st.floats(width=64), st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf]))
NARROW = st.one_of(st.none(), st.floats(width=32))
WHOLE = st.one_of(st.none(), st.integers(-3, 3), st.integers(-(1 << 63), (1 << 63) - 1))
SMALL = st.one_of(st.none(), st.integers(-3, 3), st.integers(-(1 << 31), (1 << 31) - 1))
TEXTS = st.one_of(st.none(), st.text(max_size=6))
ROWS = st.lists(st.tuples(FLOATS, NARROW, WHOLE, SMALL, TEXTS, FLOATS, TEXTS), min_size=1, max_size=12)
NAMES = ("fare", "rate", "trips", "age", "city", "distance", "note")
ASKED = [(one, output.name) for one in ("stored", "computed", "chained") for output in globals()[one].transform.fields]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    made = Snapshot(
        PROJECT,
        entities={"driver": DRIVER},
        views={"stats": STATS},
        request_sources={"asked": REQUEST},
        transforms={one.transform.name: one.transform for one in (stored, computed, chained)},
    )
    return with_certificates(made)


def columns(names: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[Column]:
    fields = {field.name: field for field in (*STATS.fields, *REQUEST.fields)}
    return [
        Column.FromString(encode_column(name, [row[NAMES.index(name)] for row in rows], type=fields[name].type))
        for name in names
    ]


def online(snapshot: Snapshot, rows: list[tuple[object, ...]]) -> dict[tuple[str, str], list[tuple[int, object]]]:
    """What a read gives after the rows were pushed: status and value."""
    world = World(snapshot)
    keys = Column.FromString(encode_column("driver_id", list(range(len(rows))), type=Int64))
    push = PushFeaturesRequest(view="stats", rows=[keys, *columns(NAMES[:5], rows)])
    pushed = world.start(world.pipeline.push_features, push).result(PushFeaturesReply)
    assert pushed.written == len(rows)
    request = GetOnlineFeaturesRequest(
        features=FeatureNames(names=[f"{one}:{output}" for one, output in ASKED]),
        entities=[keys],
        request_data=columns(NAMES[5:], rows),
    )
    request.options.full_names = True
    reply = world.start(world.service.get_online_features, request).result(GetOnlineFeaturesReply)
    world.close()
    return {
        asked: list(zip(column.statuses, getattr(column, column.WhichOneof("values")).values, strict=True))
        for asked, column in zip(ASKED, reply.columns, strict=True)
    }


def offline(snapshot: Snapshot, rows: list[tuple[object, ...]]) -> dict[tuple[str, str], list[object]]:
    """What a training set gives from the same values."""
    needed = needed_columns(snapshot, [FeatureRef(one, output) for one, output in ASKED], stored=False)
    given_columns = {
        number: pa.array([row[NAMES.index(field.name)] for row in rows], arrow_type(field.type))
        for number, field in [*needed.of_views["stats"], *needed.of_request]
    }
    made = plan_computation(needed).run(given_columns, len(rows))
    return {
        (one, output): made[needed.column_of(snapshot.transforms[one], output)].to_pylist() for one, output in ASKED
    }


def in_python(row: tuple[object, ...]) -> dict[str, tuple[object, ...] | str]:
    """The plain functions, with nulls as transforms have them."""
    fare, rate, trips, age, city, distance, note = row
    results: dict[str, tuple[object, ...] | str] = {}
    results["computed"] = called(computed, fare, None if rate is None else float(np.float32(rate)), city)
    log = results["computed"][0] if isinstance(results["computed"], tuple) else results["computed"]
    if log == "error":
        results["chained"] = "error"
    else:
        needed = None if isinstance(log, str) else log
        masked = (0, True) if trips is None else (trips, False)
        results["chained"] = called(chained, *masked, age, note, distance, needed)
    return results


def called(function, *arguments: object) -> tuple[object, ...] | str:
    if None in arguments:
        return "null"
    try:
        return function(*arguments)
    except (ArithmeticError, ValueError):
        return "error"


def bits(value: object, type_) -> object:
    if type_ is Float64:
        return struct.pack("<d", value) if not math.isnan(value) else "nan"
    if type_ is Float32:
        with np.errstate(over="ignore"):
            return np.float32(value).tobytes() if not math.isnan(value) else "nan"
    return value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_reads_pushes_training_sets_and_python_agree(snapshot, rows):
    here, there = online(snapshot, rows), offline(snapshot, rows)
    for one, output in ASKED:
        type_ = snapshot.transforms[one].field(output).type
        for (status, value), trained in zip(here[one, output], there[one, output], strict=True):
            assert (status == PRESENT) == (trained is not None)
            if status == PRESENT:
                assert bits(value, type_) == bits(trained, type_)
    for row_number, row in enumerate(rows):
        plain = in_python(row)
        plain["stored"] = plain["computed"]
        for one, output in ASKED:
            status, value = here[one, output][row_number]
            expect(plain[one], one, output, status, value)


def expect(plain: tuple[object, ...] | str, one: str, output: str, status: int, value: object) -> None:
    """Within what docs/transforms.md says: an integer that leaves 64 (or 32) bits is an error of its row."""
    fields = globals()[one].transform.fields
    number = [field.name for field in fields].index(output)
    if plain == "null":
        assert status == NULL_VALUE
    elif plain == "error":
        assert status == (NULL_VALUE if one == "stored" else TRANSFORM_ERROR)
    elif any(overflows(made, field.type) for made, field in zip(plain, fields, strict=True)):
        assert status == TRANSFORM_ERROR
    elif plain[number] is None:
        assert status == NULL_VALUE
    else:
        assert status == PRESENT
        assert bits(value, fields[number].type) == bits(plain[number], fields[number].type)


def overflows(value: object, type_) -> bool:
    limit = {Int64: 63, Int32: 31}.get(type_)
    return limit is not None and value is not None and not -(1 << limit) <= value < 1 << limit
