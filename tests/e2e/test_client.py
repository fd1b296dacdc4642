"""The Python client against real processes: every type there and back, errors by name, retries under one id."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.types import BY_NAME, Float64
from hotrow.v1.column_pb2 import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from hotrow.v1.push_pb2 import DUPLICATE, REJECTED, SKIPPED_STALE, WRITTEN
from hotrow_client import AsyncClient, Client, HotrowRpcError, RejectedRowsError

from .test_horse_colic import free_addresses

FIELDS = {f"f_{name.lower().strip(')').replace('(', '_')}": value_type for name, value_type in BY_NAME.items()}
FEATURES = f"""
from datetime import timedelta
from hotrow import Array, Bool, Bytes, Entity, FeatureService, FeatureView, Field, Float32, Float64, Int32, Int64
from hotrow import PushSource, String, UnixTimestamp

key = Entity("key", join_keys={{"id": Int64, "part": String}})
every = FeatureView("every", entities=[key], schema=[{", ".join(f'Field("{n}", {t.name})' for n, t in FIELDS.items())}])
every_push = PushSource("every_push", view=every)
driver = Entity("driver", join_keys={{"driver_id": Int64}})
stats = FeatureView(
    "stats", entities=[driver], ttl=timedelta(days=1),
    schema=[Field("fare", Float64, unit="SEK"), Field("trips", Int32, default=None)],
)
stats_push = PushSource("stats_push", view=stats)
activity = FeatureService("activity", features=[stats[["trips", "fare"]]])
"""
VALUES = {
    "Float64": [1.5, float("inf"), -0.0], "Float32": [0.5, -2.0, 0.0], "Int64": [-(2**63), 2**63 - 1, 0],
    "Int32": [-(2**31), 2**31 - 1, 0], "Bool": [True, False, True], "String": ["å", "", "x" * 5000],
    "Bytes": [b"\x00\xff", b"", b"x" * 5000],
    "UnixTimestamp": [datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)] * 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The addresses of a served repository."""
    repo = tmp_path_factory.mktemp("repo")
    server, ingest = free_addresses()
    (repo / "features.py").write_text(FEATURES)
    (repo / "hotrow.toml").write_text(
        f'project = "test"\n[server]\naddress = "{server}"\nworkers = 1\n[ingest]\naddress = "{ingest}"\n'
        f'durability = "os"\n[online_store]\nsize_gib = 1\n'
    )
    hotrow = [sys.executable, "-m", "hotrow.cli.main"]
    subprocess.run([*hotrow, "apply"], cwd=repo, check=True, capture_output=True)
    with (
        (repo / "log").open("w") as log,
        subprocess.Popen([*hotrow, "serve"], cwd=repo, stdout=log, stderr=log) as serve,
    ):
        try:
            yield server, ingest
        finally:
            serve.terminate()
    assert serve.returncode == 0, (repo / "log").read_text()


@pytest.fixture(scope="module")
def client(addresses):
    with Client(addresses[0], timeout_s=60) as client:
        client.server_info()
        yield client


def now():
    return datetime.now(UTC)


def test_every_type_comes_back(client):
    """Scalars, lists, the empty list and nulls of each, under a composite key."""
    rows = {"id": [1, 1, 2], "part": ["a", "b", "a"]}
    for name, value_type in FIELDS.items():
        scalars = VALUES[value_type.name.removeprefix("Array(").removesuffix(")")][:3]
        rows[name] = [scalars, [], scalars[:1]] if value_type.is_list else scalars
    pushed = client.push("every_push", rows, types=FIELDS)
    assert pushed.results.tolist() == [WRITTEN] * 3
    nulls = {name: [None] for name in FIELDS}
    client.push(view="every", rows={"id": [2], "part": ["b"], **nulls}, types=FIELDS)

    keys = {"id": [1, 1, 2, 2, 3], "part": ["a", "b", "a", "b", "a"]}
    reply = client.read([f"every:{name}" for name in FIELDS], keys, min_token=pushed.token)
    for name, value_type in FIELDS.items():
        assert reply.columns[name].type == value_type
        assert reply.to_dict()[name] == [*rows[name], None, None]
        assert reply.statuses(name).tolist() == [PRESENT] * 3 + [NULL_VALUE, NOT_FOUND]


def test_nulls_alone_need_no_type(client):
    """A producer of one row a time does not stop at its first null, nor at its first empty list, whatever it sends."""
    untyped = {name: [[]] if value_type.is_list else [None] for name, value_type in FIELDS.items()}
    key = {"id": [7], "part": ["n"]}
    rows = {**key, **untyped}
    pushed = [
        client.push("every_push", given).written
        for given in (
            rows,
            [{name: values[0] for name, values in rows.items()}],
            pd.DataFrame(rows),
            pd.DataFrame(rows | {name: [np.nan] for name, one in FIELDS.items() if not one.is_list}),
            pl.DataFrame(rows),
            pa.table(rows),
        )
    ]
    assert pushed == [1] * 6
    reply = client.read([f"every:{name}" for name in FIELDS], key)
    assert reply.to_rows() == [{name: values[0] for name, values in untyped.items()}]


@pytest.mark.parametrize(
    "none",
    [
        {"driver_id": []},
        pd.DataFrame({"driver_id": []}),
        pl.DataFrame({"driver_id": []}),
        pa.table({"driver_id": pa.nulls(0)}),
        pd.DataFrame({"driver_id": pd.Series([], dtype=float)}),
        [],
        (),
    ],
)
@pytest.mark.parametrize("coalesce", [0, 1])
def test_no_rows_are_no_rows(addresses, none, coalesce):
    """However they are written: nothing is written, and replies have their columns, of no rows."""
    with Client(addresses[0], timeout_s=60, coalesce=coalesce) as client:
        reply = client.read(feature_service="activity", entities=none)
        assert (len(reply), reply.names) == (0, ("trips", "fare"))
        rows = {**none, "fare": []} if isinstance(none, dict) else []
        pushed = client.push("stats_push", rows, types={"fare": Float64})
        assert (pushed.written, len(pushed.results)) == (0, 0)


def test_arrays_go_in_and_come_out(client):
    """Of any dtype that holds the values, converted by the schema; as a matrix too."""
    ids = np.arange(1000, 2000, dtype=np.int32)
    client.push("stats_push", {"driver_id": ids, "fare": np.sqrt(ids, dtype=np.float32), "trips": ids.astype("i8")})
    reply = client.read(feature_service="activity", entities={"driver_id": ids[::-1]})
    assert reply.names == ("trips", "fare")
    assert reply["trips"].dtype == np.int32
    assert np.array_equal(reply["trips"], ids[::-1])
    assert np.array_equal(reply["fare"], np.sqrt(ids[::-1], dtype=np.float32).astype("f8"))
    assert reply.columns["fare"].unit == "SEK"
    matrix = client.read(feature_service="activity", entities={"driver_id": ids}, matrix=True)
    assert np.array_equal(matrix.matrix, np.stack([ids, np.sqrt(ids)], axis=1).astype("f4"))
    assert np.array_equal(matrix["trips"], ids)


def test_a_frame_of_a_million_rows_is_pushed(client):
    """In several messages, with the numbers of the whole; made again under its id it is written once."""
    rows = 1_000_000
    frame = pd.DataFrame({"driver_id": np.arange(rows) + 10**9, "fare": np.arange(rows) / 4, "trips": 1})
    frame.loc[777_777, "trips"] = 2**40
    done = []
    with pytest.raises(RejectedRowsError, match="1 of 1000000 rows were rejected: row 777777, trips: ") as raised:
        client.push("stats_push", frame, request_id="million", progress=lambda *at: done.append(at))
    reply = raised.value.reply
    assert (reply.written, reply.rejected, reply.request_id) == (rows - 1, 1, "million")
    assert np.flatnonzero(reply.results == REJECTED).tolist() == [777_777]
    assert [(one.row, one.field) for one in reply.rejections] == [(777_777, "trips")]
    assert done[-1] == (rows, rows)
    assert len(done) > 10
    again = client.push("stats_push", frame, request_id="million", on_rejected="return")
    assert (again.written, again.skipped_stale) == (reply.written, 0)
    last = client.read("stats:fare", {"driver_id": [10**9, 10**9 + rows - 1]}, min_token=reply.token)
    assert last["fare"].tolist() == [0.0, (rows - 1) / 4]


async def test_reads_that_are_cancelled_leave_nothing(addresses):
    """At any point of their way: of 12,000 each adds less than 200 bytes, where grpcio keeps 500 and more."""

    async def cancel(client, turns):
        read = asyncio.ensure_future(client.read("stats:fare", {"driver_id": [1]}))
        for _ in range(turns):
            await asyncio.sleep(0)
        read.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await read

    def resident():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async with AsyncClient(addresses[0], timeout_s=60) as client:
        grown = []
        for _ in range(4):  # the least of them: the first makes room, and others may by chance
            before = resident()
            for place in range(3_000):
                await cancel(client, place % 4)
            await asyncio.sleep(0.5)
            grown.append(resident() - before)
        assert min(grown) < 3_000 * 200, grown
        assert (await client.read("stats:fare", {"driver_id": [404]})).statuses("fare").tolist() == [NOT_FOUND]


def test_a_message_over_the_limit_says_so(client):
    with pytest.raises(HotrowRpcError, match=r"bytes, and the server takes 67108864 at most .*; send fewer rows"):
        client.read("every:f_string", {"id": [1], "part": ["x" * (65 << 20)]})


def test_an_address_of_another_service_says_so(addresses):
    """The ingest worker's port answers no reads, and the server's no pushes of an ingest worker."""
    server, ingest = addresses
    with (
        Client(ingest) as wrong,
        pytest.raises(HotrowRpcError, match=f"what listens at {ingest} has no .*GetOnlineFeatures: reads, pushes and"),
    ):
        wrong.read("stats:fare", {"driver_id": [1]})
    with (
        Client(server, ingest_address=server) as wrong,
        pytest.raises(HotrowRpcError, match="is for ingest_address"),
    ):
        wrong.push("stats_push", {"driver_id": [1], "fare": [1.0]})


def test_an_error_has_no_trace_of_grpc(client):
    """Which is forty lines in a notebook, and says nothing that the error does not."""
    with pytest.raises(HotrowRpcError) as raised:
        client.read("stats:fair", {"driver_id": [1]})
    assert "_InactiveRpcError" not in "".join(traceback.format_exception(raised.value))
    with pytest.raises(HotrowRpcError) as raised:
        client.push("stats_push", {"driver_id": [1]})
    assert "_InactiveRpcError" not in "".join(traceback.format_exception(raised.value))


def test_results_a_row(client):
    """What was written, what was not newer, what was refused and why, what came twice in the batch."""
    old = now() - timedelta(days=2)
    reply = client.push("stats_push", {"driver_id": [1, 2], "fare": [1.0, 2.0]}, event_time=[old, now()])
    assert reply.written == 2
    reply = client.push(
        "stats_push",
        {"driver_id": [2, 3, 3, 4], "fare": [1.0] * 4, "trips": [1, 1, 2, 2**40]},
        event_time=[old, old, now(), now()],
        on_rejected="return",
    )
    assert reply.results.tolist() == [SKIPPED_STALE, DUPLICATE, WRITTEN, REJECTED]
    assert (reply.written, reply.skipped_stale, reply.duplicates, reply.rejected) == (1, 1, 1, 1)
    assert [(r.row, r.field) for r in reply.rejections] == [(3, "trips")]

    read = client.read(["stats:fare"], [{"driver_id": n} for n in (1, 2, 4)], event_timestamps=True, full_names=True)
    assert read.statuses("stats__fare").tolist() == [OUTSIDE_MAX_AGE, PRESENT, NOT_FOUND]
    assert read["stats__fare"].tolist() == [None, 2.0, None]
    times = read.event_times("stats")
    assert times[0] == np.datetime64(old.replace(tzinfo=None), "us")
    assert times.mask.tolist() == [False, False, True]


def test_a_request_id_writes_once(client, addresses):
    """The same payload gets the first answer again, by either address; another one is refused."""
    at = now()
    first = client.push("stats_push", {"driver_id": [10], "fare": [1.0]}, event_time=at, request_id="once")
    with Client(addresses[0], ingest_address=addresses[1]) as direct:
        again = direct.push("stats_push", {"driver_id": [10], "fare": [1.0]}, event_time=at, request_id="once")
    assert again.results.tolist() == first.results.tolist() == [WRITTEN]
    with pytest.raises(HotrowRpcError, match="request_id") as raised:
        client.push("stats_push", {"driver_id": [10], "fare": [2.0]}, event_time=at, request_id="once")
    assert raised.value.code is Code.INVALID


def test_dry_run_atomic_and_delete(client):
    """Nothing written, all or nothing, and gone."""
    row = {"driver_id": 20, "fare": 1.0}
    assert client.push("stats_push", [row], dry_run=True).written == 1
    assert client.read("stats:fare", {"driver_id": [20]}).statuses("fare").tolist() == [NOT_FOUND]
    with pytest.raises(HotrowRpcError, match="atomic"):
        client.push("stats_push", {"driver_id": [20, 21], "fare": [1.0, 1.0], "trips": [1, 2**40]}, atomic=True)
    assert client.push("stats_push", [row]).written == 1
    assert client.push("stats_push", [{"driver_id": 20}], op="delete").written == 1
    assert client.read("stats:fare", {"driver_id": [20]}).statuses("fare").tolist() == [NOT_FOUND]


@pytest.mark.parametrize(
    ("call", "code", "complaint"),
    [
        (lambda c: c.read("stat:fare", {"driver_id": [1]}), Code.NOT_FOUND, "did you mean stats"),
        (lambda c: c.read("stats:fair", {"driver_id": [1]}), Code.NOT_FOUND, "known: stats:fare, stats:trips"),
        (lambda c: c.read(feature_service="active"), Code.NOT_FOUND, "activity"),
        (lambda c: c.read("stats:fare", {"driver_id": ["1"]}), Code.INVALID, "driver_id"),
        (lambda c: c.read("stats:fare"), Code.INVALID, "driver_id"),
        (lambda c: c.read("stats:fare", {"driver_id": [1]}, snapshot="f00dcafe"), Code.FAILED_PRECONDITION, "f00dcafe"),
        (lambda c: c.read("stats:fare", {"driver_id": [1]}, min_token=b"x"), None, "token"),
        (lambda c: c.push("stats", {"driver_id": [1]}), Code.NOT_FOUND, "did you mean stats_push"),
        (lambda c: c.push("stats_push", {"driver_id": [1]}), Code.INVALID, "'fare' is missing"),
        (lambda c: c.push("stats_push", {"driver_id": [1], "fare": ["x"]}), Code.INVALID, "fare"),
        (lambda c: c.push("stats_push", {"driver_id": [1], "fare": [1.0], "fair": [1]}), Code.INVALID, "fair"),
        (
            lambda c: c.push("stats_push", {"driver_id": [1], "fare": [1.0]}, units={"fare": "EUR"}),
            Code.INVALID,
            "the unit 'SEK'",
        ),
        (lambda c: c.push("stats_push", {"driver_id": [1, 2], "fare": [1.0]}), Code.INVALID, "must agree"),
    ],
)
def test_errors_name_what_is_wrong(client, call, code, complaint):
    """In the message, with the code of the kind of failure."""
    with pytest.raises(HotrowError, match=complaint) as raised:
        call(client)
    assert code is None or raised.value.code is code


def test_server_info(client):
    """What is served, by whom."""
    info = client.server_info()
    assert (info.project, info.store_type) == ("test", "lmdb")
    assert "head" in info.served[info.snapshot]
    assert abs(now() - info.started) < timedelta(minutes=5)
