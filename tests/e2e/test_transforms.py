"""Transforms in real processes: applied, compiled once, the same at push, at read and in a training set, and refused
where they are not what was applied.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow import FeatureStore
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import snapshot_from_json
from hotrow.schema.canonical import canonical_json
from hotrow.v1.column_pb2 import PRESENT, TRANSFORM_ERROR, Column, Float64s, Int64s, Status, Strings
from hotrow.v1.feature_server_pb2 import FeatureNames, GetOnlineFeaturesRequest
from hotrow.v1.push_pb2 import PushFeaturesRequest

from .processes import Caller, Program, Repository, until

Run = Callable[..., Program]

FEATURES = """
import math
from hotrow import Entity, FeatureService, FeatureView, Field, Float64, Int64, ParquetSource, RequestSource, String
from hotrow import hash64, transform

RATE = 1.25
driver = Entity("driver", join_keys={"driver_id": Int64})
rides = FeatureView(
    "rides",
    entities=[driver],
    schema=[Field("fare", Float64, unit="SEK"), Field("trips", Int64), Field("city", String)],
    source=ParquetSource("data/rides.parquet", event_time="at"),
)
request = RequestSource("ride_request", schema=[Field("distance", Float64, unit="km")])


def with_tax(fare):
    return fare * RATE


@transform(sources=[rides, request], outputs=[Field("fare_per_km", Float64, unit="SEK/km")])
def fare_per_km(fare, distance):
    return with_tax(fare) / distance


@transform(sources=[rides, fare_per_km], outputs=[Field("bucket", Int64), Field("short", String)])
def summary(city, trips, trips_is_null, fare_per_km):
    if trips_is_null:
        return None, city[:3]
    return hash64(city) % 1000 + trips + int(fare_per_km), city[:3]


@transform(sources=[rides], outputs=[Field("log_fare", Float64)], at="push")
def logs(fare):
    return math.log(fare)


pricing = FeatureService("pricing", features=[rides[["fare"]], fare_per_km, summary, logs])
"""

NAMES = ["fare", "fare_per_km", "bucket", "short", "log_fare"]
TIMES = pa.array([1_700_000_000_000_000] * 5, pa.timestamp("us", tz="UTC"))
ROWS = {
    "driver_id": [1, 2, 3, 4, 5],
    "fare": [100.0, -1.0, 0.1, None, 12.5],
    "trips": [3, 4, None, 6, 7],
    "city": ["Göteborg", "", "Malmö", "Umeå", None],
}
STATUSES = set(Status.keys())
DISTANCES = [2.5, 4.0, 0.0, 1.0, 3.0]


def hotrow(repository: Repository, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "hotrow.cli.main", *arguments]
    return subprocess.run(command, cwd=repository.path, capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture
def rides(tmp_path) -> Repository:
    """A repository with transforms, applied."""
    made = Repository(tmp_path)
    (tmp_path / "features.py").write_text(FEATURES)
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({**ROWS, "at": TIMES}), tmp_path / "data/rides.parquet")
    applied = hotrow(made, "apply")
    assert applied.returncode == 0, applied.stderr
    return made


@pytest.fixture
def serve(rides):
    programs = []

    def start(**environ: str) -> Program:
        programs.append(Program(rides, "serve", **environ))
        return programs[-1]

    yield start
    for program in programs:
        program.end()


def read(
    caller: Caller, *, service: str = "pricing", names: tuple[str, ...] = (), sent: bool = True
) -> dict[str, list[object]]:
    request = GetOnlineFeaturesRequest(
        entities=[Column(name="driver_id", int64=Int64s(values=[1, 2, 3, 4, 5]))],
        request_data=[Column(name="distance", unit="km", float64=Float64s(values=DISTANCES))] if sent else [],
    )
    if names:
        request.features.CopyFrom(FeatureNames(names=names))
    else:
        request.feature_service = service
    reply = caller.server.GetOnlineFeatures(request, timeout=20)
    return {column.name: values_of(column) for column in reply.columns}


def values_of(column: Column) -> list[object]:
    """Values; the name of the status where there is none."""
    values = getattr(column, column.WhichOneof("values")).values
    return [v if s == PRESENT else Status.Name(s) for v, s in zip(values, column.statuses, strict=True)]


@pytest.mark.parametrize("lane", ["auto", "off"])
def test_one_function_at_push_at_read_and_in_training(rides, serve, lane):
    """Every value that a read gives is, bit for bit, that of the training set; a null there has its status here."""
    serve(HOTROW_SERVER_LANE=lane).wait_ready()
    loaded = hotrow(rides, "materialize", "2020-01-01", "now")
    assert loaded.returncode == 0, loaded.stderr
    with Caller(rides.settings.server.address) as caller:
        online = read(caller)
    entities = pa.table({"driver_id": ROWS["driver_id"], "distance": DISTANCES, "event_timestamp": TIMES})
    with pytest.warns(UserWarning, match=r"transform '(fare_per_km|summary|logs)': 1 rows raise") as warned:
        offline = FeatureStore(rides.path).get_historical_features(entities, "pricing")
    assert len(warned) == 3
    assert online["fare_per_km"][2] == Status.Name(TRANSFORM_ERROR)  # by a distance of 0
    assert online["fare_per_km"][3] == "NULL_VALUE"
    assert online["log_fare"][:3] == [float(np.log(100.0)), "NULL_VALUE", float(np.log(0.1))]
    assert online["short"] == ["Göt", "", "TRANSFORM_ERROR", "NULL_VALUE", "NULL_VALUE"]
    for name in NAMES:
        for here, there in zip(online[name], offline.column(name).to_pylist(), strict=True):
            missing = here in STATUSES
            assert missing == (there is None)
            assert missing or here == there


def test_a_push_stores_what_its_transform_makes(rides, serve):
    serve().wait_ready()
    with Caller(rides.settings.server.address) as caller:
        rows = [
            Column(name="driver_id", int64=Int64s(values=[1, 2])),
            Column(name="fare", float64=Float64s(values=[2.0, 0.0])),
            Column(name="trips", int64=Int64s(values=[1, 2])),
            Column(name="city", string=Strings(values=["a", "b"])),
        ]
        pushed = caller.server.PushFeatures(PushFeaturesRequest(view="rides", rows=rows), timeout=10)
        assert pushed.written == 2
        assert read(caller, names=("logs:log_fare",), sent=False)["log_fare"][:2] == [float(np.log(2.0)), "NULL_VALUE"]
        rows.append(Column(name="log_fare", float64=Float64s(values=[1.0, 2.0])))
        with pytest.raises(grpc.RpcError, match="column 'log_fare' is not known"):
            caller.server.PushFeatures(PushFeaturesRequest(view="rides", rows=rows), timeout=10)


def test_a_new_transform_is_served_while_reads_go_on(rides, serve):
    """Compiling it holds up nobody: it is done before a worker hears of the snapshot."""
    server = serve()
    server.wait_ready()
    failures: list[str] = []
    ended = threading.Event()

    def keep_reading() -> None:
        with Caller(rides.settings.server.address) as caller:
            while not ended.is_set():
                try:
                    read(caller, names=("fare_per_km:fare_per_km",))
                except grpc.RpcError as error:
                    failures.append(str(error))

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        features = rides.path / "features.py"
        features.write_text(features.read_text().replace("RATE = 1.25", "RATE = 1.5"))
        applied = hotrow(rides, "apply", "--wait")
        assert applied.returncode == 0, applied.stderr
        assert "code: changed" in applied.stdout
    finally:
        ended.set()
        reader.join()
    assert failures == []


def test_a_server_that_computes_something_else_is_not_ready(rides, serve):
    """The golden vectors of the certificate are what the function must give, on every machine."""
    registry = open_registry(rides.settings.registry)
    head = registry.head("rides")
    assert head is not None
    document = json.loads(registry.snapshot(head).to_json())
    golden = document["transforms"]["logs"]["certificate"]["golden"]
    first = next(result for _, (result,) in golden if result[0] == PRESENT and isinstance(result[1], float))
    first[1] = float(np.nextafter(first[1], 100.0))  # the last bit
    tampered = snapshot_from_json(canonical_json(document))
    registry.apply(tampered, expected_head=head, author="test")
    server = serve()
    server.wait_ready()  # with the head before it
    assert server.state().head == head
    assert "transform 'logs' does not compute here what its certificate says" in server.state().rejected[tampered.id]
    waited = hotrow(rides, "apply", "--wait", "--timeout", "20")
    assert waited.returncode == 0, waited.stderr  # the good one again
    until(lambda: server.state().head == head)


def test_a_function_that_cannot_be_compiled_is_refused_with_its_line(rides):
    features = rides.path / "features.py"
    text = features.read_text().replace("return math.log(fare)", 'return math.log(fare) if fare > 0 else "none"')
    features.write_text(text)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if '"none"' in each)
    head = open_registry(rides.settings.registry).head("rides")
    refused = hotrow(rides, "apply")
    assert refused.returncode == 1
    assert f"features.py:{line}: logs cannot be compiled" in refused.stderr
    assert "a string" in refused.stderr
    assert open_registry(rides.settings.registry).head("rides") == head


def test_what_a_transform_raises_is_said_with_its_line_and_the_inputs_of_a_row(rides, serve):
    """In a materialization, a push, a training set, and a read that asks; and in no log of the server."""
    server = serve()
    server.wait_ready()
    log_error = "ValueError: math domain error, at line 2, `return math.log(fare)`, with fare=-1.0"
    loaded = hotrow(rides, "materialize", "2020-01-01", "now")
    assert loaded.returncode == 0, loaded.stderr
    assert f"rides: transform 'logs' raises for 1 rows, which have null for its outputs; the first: {log_error}" in (
        loaded.stderr
    )
    rows = [{"driver_id": driver, "fare": fare, "trips": 1, "city": "a"} for driver, fare in ((7, 2.0), (8, -1.0))]
    pushed = hotrow(rides, "push", "rides", "--rows", json.dumps(rows))
    assert pushed.returncode == 0, pushed.stderr
    assert f"transform 'logs' raises for 1 rows, which have null for its outputs; the first: row 1: {log_error}" in (
        pushed.stderr
    )
    entities = pa.table({"driver_id": ROWS["driver_id"], "distance": DISTANCES, "event_timestamp": TIMES})
    with pytest.warns(UserWarning, match=r"1 rows raise") as warned:
        FeatureStore(rides.path).get_historical_features(entities, "pricing")
    division = "ZeroDivisionError: float division by zero, at line 2, `return with_tax(fare) / distance`, with "
    lines = [str(one.message) for one in warned]
    assert any(line.endswith(f"the first: {division}fare=0.1, distance=0.0") for line in lines)
    assert any("transform 'summary'" in line and line.endswith("is of a transform that raises") for line in lines)
    assert any(line.endswith(log_error) for line in lines)
    read_rows = ["get", "pricing", "driver_id=1,3", "distance=0", "--explain"]
    shown = hotrow(rides, *read_rows)
    assert shown.returncode == 0, shown.stderr
    assert f"row 0: transform 'fare_per_km': {division}fare=100.0, distance=0.0" in shown.stderr
    document = json.loads(hotrow(rides, *read_rows, "--json").stdout)
    assert [one["row"] for one in document["transform_errors"]] == [0, 0, 1, 1]
    assert "transform_errors" not in json.loads(hotrow(rides, *read_rows[:-1], "--json").stdout)
    assert hotrow(rides, "get", "pricing", "driver_id=1", "distance=1", "--explain").stderr == ""
    assert "math domain error" not in server.log()
