"""bench: against a running server, what it refuses, and that it never writes over rows of production."""

import json
import os
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.cli.bench_cpu import INGEST, SERVER, SUPERVISOR, find_processes
from hotrow.cli.workspace import open_workspace
from hotrow.stores.open import open_store
from hotrow.supervisor.state import read_state

SOURCE = "driver_stats_push"
SHORT = ("--seconds", "0.3", "--callers", "4", "--connections", "2")
READ_STAGES = ["send", "queue", "parse", "plan", "store", "reply", "total"]


@pytest.fixture
def bench(hotrow, served):
    """A short bench of the served repository; its JSON."""

    def run(*arguments):
        outcome = hotrow("bench", *arguments, *SHORT, "--json", "-C", served.repo)
        assert outcome.code == 0, outcome.err
        return json.loads(outcome.out)

    return run


@pytest.fixture
def production(served):
    """Reads the rows of production as they are stored, by key."""
    workspace = open_workspace(served.repo)
    head = workspace.snapshot()

    def rows(snapshot=head):
        store = open_store(workspace.settings.online_store, project="", writable=False)
        try:
            return {stored.key: stored.row for stored in store.scan(snapshot.view_id("driver_hourly_stats"))}
        finally:
            store.close()

    return rows


def test_with_no_arguments_it_reads_the_first_service_of_entities_in_the_store(bench, served, production):
    """And tells what it measured, its cost by process, and every stage."""
    told = bench()
    assert (told["kind"], told["target"], told["features"], told["per_request"]) == ("read", "driver_activity", 2, 1)
    assert told["entities"] == len(production())
    assert told["calls"] > 0
    assert told["failed"] == {}
    assert told["requests_per_s"] == pytest.approx(told["calls"] / told["seconds"], rel=0.01)
    latency = told["latency_us"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p99.9"] <= latency["max"]
    cpu = told["cpu_us"]
    assert cpu["total"] == pytest.approx(cpu[SERVER] + cpu[INGEST] + cpu[SUPERVISOR], abs=0.3)
    assert cpu[SERVER] > 0
    assert told["generator"]["cpu_us"] > 0
    assert set(told["statuses"]) >= {"PRESENT"}
    state = read_state(open_workspace(served.repo).settings)
    assert told["worker_pids"] == [worker.pid for worker in state.workers if worker.role == "server"]


def test_the_stages_come_to_what_the_caller_saw(bench):
    """`send` is the rest, and it is never less than nothing."""
    told = bench()
    stages = {one["stage"]: one["mean_us"] for one in told["stages"]}
    assert list(stages) == READ_STAGES
    assert sum(stages[name] for name in READ_STAGES[:-1]) == pytest.approx(stages["total"], abs=1)
    assert stages["send"] > 0
    assert 0 < told["timed_calls"] < told["calls"]


def test_for_people(hotrow, served):
    """One line a figure, a table of stages, and no claim to have written."""
    out = hotrow("bench", "driver_hourly_stats", "-n", "3", *SHORT, "-C", served.repo).out
    assert "driver_hourly_stats: 3 features, entities a request: 3" in out
    for line in ("answered", "latency", "cpu", "generator", "replies", "STAGE", *READ_STAGES):
        assert any(text.startswith(line) for text in out.splitlines()), line
    assert "writes" not in out


def test_entities_that_are_not_there_are_said(bench):
    """A bench of nothing but misses looks fast, and is not what was wanted."""
    told = bench("driver_hourly_stats:fare", "driver_id=999999999")
    assert list(told["statuses"]) == ["NOT_FOUND"]
    assert any("nothing in the replies is PRESENT, most is NOT_FOUND" in text for text in told["notes"])


def test_entities_of_files(bench, tmp_path):
    """JSON lines, or a Parquet file with the join keys among its columns; each entity once."""
    lines = tmp_path / "keys.jsonl"
    lines.write_text('{"driver_id": 1001}\n\n{"driver_id": 1002, "other": 1}\n{"driver_id": 1001}\n')
    assert bench("--keys", lines)["entities"] == 2
    table = tmp_path / "keys.parquet"
    pq.write_table(pa.table({"x": [1, 2, 3, 4], "driver_id": pa.array([1001, None, 1003, 1003], pa.int32())}), table)
    told = bench("--keys", table)
    assert (told["entities"], told["origin"]) == (2, f"of {table}")
    assert set(told["statuses"]) >= {"PRESENT"}


def test_a_dry_run_pushes_and_writes_nothing(bench, production):
    """Every row would be written, and none is."""
    before = production()
    told = bench("--push", SOURCE, "--dry-run", "-n", "2")
    assert (told["kind"], list(told["statuses"]), told["failed"]) == ("push", ["WRITTEN"], {})
    assert [one["stage"] for one in told["stages"]] == [
        *("send", "queue", "hop", "parse", "plan", "encode", "compare", "reply", "total")
    ]
    assert told["cpu_us"][INGEST] > 0
    assert production() == before


def test_a_push_to_a_branch_commits_to_the_rows_of_the_branch_alone(hotrow, bench, served, production):
    """Those of production stay byte for byte; the branch has the values that were read back."""
    before = production()
    assert hotrow("apply", "--branch", "bench", "--wait", "-C", served.repo).code == 0
    try:
        told = bench("--push", SOURCE, "--branch", "bench")
        assert "WRITTEN" in told["statuses"]
        assert [one["stage"] for one in told["stages"]] == [
            *("send", "queue", "hop", "parse", "plan", "encode", "wait", "commit", "reply", "total")
        ]
        assert production() == before
        branch = open_workspace(served.repo).snapshot("bench")
        pushed = production(branch)
        assert pushed.keys() <= before.keys()
        assert pushed
        assert {row[32:-4] for row in pushed.values()} <= {row[32:-4] for row in before.values()}
    finally:
        hotrow("registry", "remove-branch", "bench", "-C", served.repo)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--push", SOURCE], "--push needs one of --dry-run"),
        (["--push", SOURCE, "--dry-run", "--branch", "x"], "both are given"),
        (["--push", SOURCE, "--branch", "nowhere"], "make it with `hotrow apply --branch nowhere --wait`"),
        (["--push", "driver_stats_psh", "--dry-run"], "known: driver_stats_push"),
        (["--push", SOURCE, "--dry-run", "driver_activity"], "driver_activity: a bench measures pushes or reads"),
        (["--push", SOURCE, "--dry-run", "-s", "head"], "--snapshot goes with reads"),
        (["--push", SOURCE, "--dry-run", "driver_id=999999999"], "has no row for any of 1 entities"),
        (["--push", SOURCE, "--dry-run", "-n", "9000"], "--entities: 9000 rows of a push are asked for"),
        (["--dry-run"], "--dry-run goes with --push"),
        (["--branch", "x"], "--branch goes with --push"),
        (["driver_activty"], "did you mean driver_activity"),
        (["driver_hourly_stats:fair"], "did you mean fare"),
        (["driver_activity", "driver=1"], "unknown join key 'driver'"),
        (["driver_activity", "driver_id=1", "--keys", "x.jsonl"], "entities are named twice"),
        (["--keys", "nowhere.jsonl"], "nowhere.jsonl: No such file"),
        (["-s", "nothing"], "nothing"),
    ],
)
def test_what_is_refused(hotrow, served, production, arguments, says):
    """Before there is any load, with the remedy, and without a trace in the store."""
    before = production()
    outcome = hotrow("bench", *arguments, *SHORT, "-C", served.repo)
    assert (outcome.code, outcome.out) == (1, "")
    assert says in outcome.err
    assert production() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no entity"),
        ("{", "line 1: no valid JSON"),
        ("\n[1]", "line 2: write an object with a value for driver_id"),
        ('{"driver": 1}', "write an object with a value for driver_id"),
        ('{"driver_id": null}', "write an object with a value for driver_id"),
    ],
)
def test_a_file_without_entities(hotrow, served, tmp_path, text, says):
    """The file and the line are named."""
    (tmp_path / "keys.jsonl").write_text(text)
    outcome = hotrow("bench", "--keys", tmp_path / "keys.jsonl", *SHORT, "-C", served.repo)
    assert outcome.code == 1
    assert says in outcome.err


@pytest.mark.parametrize(
    ("columns", "says"),
    [({"driver": [1]}, "has no column 'driver_id'"), ({"driver_id": ["a"]}, "column 'driver_id' is no Int64")],
)
def test_a_parquet_file_of_other_columns(hotrow, served, tmp_path, columns, says):
    """The column is named."""
    pq.write_table(pa.table(columns), tmp_path / "keys.parquet")
    outcome = hotrow("bench", "--keys", tmp_path / "keys.parquet", *SHORT, "-C", served.repo)
    assert outcome.code == 1
    assert says in outcome.err


def test_no_server(hotrow, rides):
    """The address and the remedy."""
    hotrow("apply", "-C", rides)
    outcome = hotrow("bench", "driver_activity", "driver_id=1", *SHORT, "--timeout", "2", "-C", rides)
    assert outcome.code == 1
    assert outcome.err.startswith("error: no server answers at 127.0.0.1:")


def test_another_machine_s_server_has_no_cpu_and_no_entities_here(hotrow, rides, served):
    """The same project, served from another store: its entities have to be named, and its cost is not made up."""
    hotrow("apply", "-C", rides)
    address = open_workspace(served.repo).settings.server.address
    outcome = hotrow("bench", *SHORT, "--server", address, "-C", rides)
    assert outcome.code == 1
    assert "name entities with KEY=VALUE or --keys FILE" in outcome.err
    outcome = hotrow("bench", "driver_activity", "driver_id=1001", *SHORT, "--server", address, "--json", "-C", rides)
    told = json.loads(outcome.out)
    assert (told["cpu_us"], told["server_workers"], told["failed"]) == (None, None, {})
    assert any("cannot be seen from here" in text for text in told["notes"])


def test_another_project_s_server_is_refused(hotrow, clicks, served):
    """Its features are others, even where names are equal."""
    hotrow("apply", "-C", clicks)
    address = open_workspace(served.repo).settings.server.address
    outcome = hotrow("bench", *SHORT, "--server", address, "user_id=ann", "-C", clicks)
    assert outcome.code == 1
    assert "serves project 'rides'" in outcome.err


def test_processes_are_those_that_answer(served):
    """A worker that answers and is none of those on the store runs elsewhere: then no CPU is told at all."""
    settings = open_workspace(served.repo).settings
    worker = next(one.pid for one in read_state(settings).workers if one.role == "server")
    found = find_processes(settings, [worker])
    assert found is not None
    assert sorted(found.roles.values()) == sorted([SERVER, INGEST, SUPERVISOR])
    assert found.roles[served.process.pid] == SUPERVISOR
    assert all(found.cpu_ns().values())
    assert find_processes(settings, [worker, os.getpid()]) is None
    assert find_processes(settings, [served.process.pid]) is None
    gone = replace(found, roles={**found.roles, 2**22 + 1: SERVER})
    assert gone.cpu_ns() is None
