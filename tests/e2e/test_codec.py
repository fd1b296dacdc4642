"""Every type through real processes: what was pushed comes back byte for byte as protobuf itself would write it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from hotrow import Entity, FeatureView, Field, Int64, clock
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest, ReadOptions
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest
from hypothesis import given
from hypothesis import strategies as st
from reference.column import TYPES, column
from reference.reply import Asked, AskedView, StoredRow, reply
from support.schema import TYPES as CLASSES
from support.strategies import rows_of

from .processes import Program, Repository

SERVICE = "/hotrow.v1.FeatureServer/"
SCHEMA = {f"f_{type_}": type_ for type_ in TYPES}
NUMBERS = [f"f_{type_}" for type_ in ("float64", "float32", "int64", "int32", "bool", "timestamp_us")]
UNITS = {"f_float64": "SEK", "f_int32_list": "km/h"}
DEFAULTS: dict[str, object] = {"f_string": "näme", "f_int64": -1, "f_float32_list": [0.5, -0.0], "f_bytes": b""}
HOUR_US, DAY = 3_600_000_000, timedelta(days=1)
TTL_US = {"every": None, "aged": 24 * HOUR_US}  # of `aged`, a pushed row is a minute or two days old


def snapshot() -> Snapshot:
    """Two views that hold every type; the fields of the second have defaults, and its rows an end."""
    thing = Entity("thing", join_keys={"id": Int64})
    plain = [Field(name, CLASSES[type_], unit=UNITS.get(name, "")) for name, type_ in SCHEMA.items()]
    aged = [
        Field(name, CLASSES[type_], **({"default": DEFAULTS[name]} if name in DEFAULTS else {}))
        for name, type_ in SCHEMA.items()
    ]
    views = {
        "every": FeatureView("every", entities=[thing], schema=plain),
        "aged": FeatureView("aged", entities=[thing], schema=aged, ttl=DAY),
    }
    return Snapshot("rides", entities={"thing": thing}, views=views)


@dataclass
class Served:
    """A channel to `hotrow serve`, the snapshot it serves, and ids that no row has had yet."""

    channel: grpc.Channel
    snapshot: str
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(-5))

    def call(self, method: str, request: PushFeaturesRequest | GetOnlineFeaturesRequest) -> bytes:
        return self.channel.unary_unary(SERVICE + method)(request.SerializeToString(), timeout=60)


@pytest.fixture(scope="module", params=["auto", "off"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`hotrow serve` with the lane, and with the ordinary door."""
    folder: Path = tmp_path_factory.mktemp("codec")
    repository = Repository(folder)
    head = open_registry(repository.settings.registry).apply(snapshot(), expected_head=None, author="test")
    program = Program(repository, "serve", "--workers", "1", HOTROW_SERVER_LANE=request.param)
    try:
        assert f"fast lane {'on' if request.param == 'auto' else 'off'}" in program.wait_ready()
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1))
        with grpc.insecure_channel(repository.settings.server.address, options) as channel:
            yield Served(channel, head)
        assert program.stop() == 0
    finally:
        program.end()


@dataclass(frozen=True)
class Case:
    """Rows of each view (None: none was pushed), and a read of them."""

    rows: dict[str, list[StoredRow | None]]
    features: list[tuple[str, str]]
    options: ReadOptions
    now_us: int


@st.composite
def cases(draw) -> Case:
    """One row, a few, or thousands: then the few again and again. Any value may be null, any row missing or expired."""
    now_us = clock.now_us()
    few, times = draw(st.sampled_from([4, 3, 2, 1])), draw(st.sampled_from([1, 1, 1, 700]))
    rows: dict[str, list[StoredRow | None]] = {}
    for name in TTL_US:
        left_out = draw(st.sets(st.sampled_from(sorted(DEFAULTS)))) if name == "aged" else set()
        schema = {field: type_ for field, type_ in SCHEMA.items() if field not in left_out}
        ages_us = draw(st.lists(st.sampled_from([HOUR_US // 60, 48 * HOUR_US]), min_size=few, max_size=few))
        made = [
            StoredRow(values, event_us=now_us - age_us)
            for values, age_us in zip(draw(rows_of(schema, few)), ages_us, strict=True)
        ]
        missing = draw(st.sets(st.integers(0, few - 1), max_size=1))
        rows[name] = [None if place in missing else row for place, row in enumerate(made)] * times
    matrix = draw(st.sampled_from([False, False, True]))
    names = st.sampled_from(NUMBERS if matrix else sorted(SCHEMA))
    features = st.lists(st.tuples(st.sampled_from(sorted(TTL_US)), names), min_size=1, max_size=40, unique=True)
    options = ReadOptions(event_timestamps=draw(st.booleans()), full_names=True, matrix=matrix)
    return Case(rows, draw(features), options, now_us)


@given(case=cases())
def test_replies_are_the_bytes_that_protobuf_writes(served: Served, case: Case) -> None:
    """Pushed and read over the wire, whatever the values: nulls, NaN, empty strings and lists."""
    ids = list(itertools.islice(served.ids, len(case.rows["every"])))
    for name, rows in case.rows.items():
        pushed = [(id_, row) for id_, row in zip(ids, rows, strict=True) if row is not None]
        if pushed:
            answer = served.call("PushFeatures", push_request(name, pushed))
            assert PushFeaturesReply.FromString(answer).written == len(pushed)
    request = GetOnlineFeaturesRequest(
        features=FeatureNames(names=[f"{view}:{name}" for view, name in case.features]),
        entities=[column("id", "int64", ids)],
        options=case.options,
    )
    assert served.call("GetOnlineFeatures", request) == reply(asked(case, served.snapshot))


def push_request(view: str, pushed: list[tuple[int, StoredRow]]) -> PushFeaturesRequest:
    ids, rows = zip(*pushed, strict=True)
    columns = [
        column(name, SCHEMA[name], [row.values[name] for row in rows], unit=UNITS.get(name, "") * (view == "every"))
        for name in rows[0].values
    ]
    columns.append(column("id", "int64", list(ids)))
    return PushFeaturesRequest(view=view, rows=columns, event_time_us=[row.event_us for row in rows])


def asked(case: Case, head: str) -> Asked:
    views = {
        name: AskedView(
            name,
            SCHEMA,
            case.rows[name],
            ttl_us=ttl_us,
            units=UNITS if name == "every" else {},
            defaults=DEFAULTS if name == "aged" else {},
        )
        for name, ttl_us in TTL_US.items()
    }
    return Asked(
        [(f"{view}__{name}", views[view], name) for view, name in case.features],
        snapshot=head,
        now_us=case.now_us,
        event_timestamps=case.options.event_timestamps,
        matrix=case.options.matrix,
    )
