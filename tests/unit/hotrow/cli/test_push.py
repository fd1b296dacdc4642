"""push: through a running server, and what it makes of rows."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hotrow.cli.push import find_target, read_rows
from hotrow.cli.push_arguments import PushArguments
from hotrow.cli.workspace import open_workspace
from hotrow.errors import HotrowError

SOURCE = "driver_stats_push"


def _read(hotrow, repo, driver, feature="conv_rate"):
    out = hotrow("get", f"driver_hourly_stats:{feature}", f"driver_id={driver}", "-C", repo, "--json").out
    return json.loads(out)["rows"][0]["features"][feature]


def test_a_row_is_read_back(hotrow, served):
    """What was left out has its default."""
    outcome = hotrow("push", SOURCE, "driver_id=201", "conv_rate=0.9", "avg_daily_trips=12", "-C", served.repo)
    assert (outcome.code, outcome.out) == (0, "written 1\n"), outcome.err
    assert _read(hotrow, served.repo, 201) == {"value": 0.9, "status": "PRESENT"}
    assert _read(hotrow, served.repo, 201, "fare")["status"] == "NULL_VALUE"


def test_rows_of_json_with_different_columns(hotrow, served):
    """A null is a null, and what is left out is the default: two requests."""
    rows = [
        {"driver_id": 202, "conv_rate": None, "avg_daily_trips": 1},
        {"driver_id": 203, "conv_rate": 0.5, "avg_daily_trips": 1, "fare": 7.5},
    ]
    outcome = hotrow("push", SOURCE, "--rows", json.dumps(rows), "-C", served.repo, "--json")
    document = json.loads(outcome.out)
    assert (document["written"], document["rejected"]) == (2, 0)
    assert _read(hotrow, served.repo, 202)["status"] == "NULL_VALUE"
    assert _read(hotrow, served.repo, 203, "fare")["value"] == 7.5


def test_files(hotrow, served, tmp_path):
    """JSON lines with their event times, and Parquet."""
    lines = tmp_path / "rows.jsonl"
    now = datetime.now(tz=UTC).isoformat()
    lines.write_text(
        json.dumps({"driver_id": 204, "conv_rate": 1, "avg_daily_trips": 1, "event_timestamp": now}) + "\n\n"
    )
    assert hotrow("push", SOURCE, "-f", lines, "-C", served.repo).out == "written 1\n"
    assert hotrow("push", SOURCE, "-f", lines, "--event-time", "2001-01-01", "-C", served.repo).out == (
        "written 0, stale 1\n"
    )
    table = pa.table(
        {
            "driver_id": pa.array([205, None], pa.int64()),
            "conv_rate": [0.25, 0.5],
            "avg_daily_trips": [1, 2],
            "event_timestamp": pa.array([datetime.now(tz=UTC)] * 2),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    outcome = hotrow("push", SOURCE, "-f", tmp_path / "rows.parquet", "-C", served.repo)
    assert outcome.out == "written 1\n"
    assert "1 rows left out: driver_id is null" in outcome.err
    assert _read(hotrow, served.repo, 205)["value"] == 0.25


@pytest.mark.parametrize(
    ("keys", "says"), [([208, None], "driver_id is null"), ([*range(30_000)], "one request, 20,000 rows")]
)
def test_an_atomic_file_is_one_request_or_none(hotrow, served, tmp_path, keys, says):
    """A row that cannot be sent, or more rows than a request takes, and nothing is written."""
    columns = {"driver_id": pa.array(keys, pa.int64()), "conv_rate": [0.5] * len(keys), "avg_daily_trips": keys}
    table = pa.table(columns | {"event_timestamp": pa.array([datetime.now(tz=UTC)] * len(keys))})
    pq.write_table(table, tmp_path / "rows.parquet")
    outcome = hotrow("push", SOURCE, "-f", tmp_path / "rows.parquet", "--atomic", "-C", served.repo)
    assert (outcome.code, outcome.out) == (1, "")
    assert "--atomic" in outcome.err
    assert says in outcome.err
    assert _read(hotrow, served.repo, 208)["status"] == "NOT_FOUND"


def test_delete_and_dry_run(hotrow, served):
    """A dry run writes nothing; a delete takes the keys alone."""
    hotrow("push", SOURCE, "driver_id=206", "conv_rate=0.9", "avg_daily_trips=12", "-C", served.repo)
    assert hotrow("push", SOURCE, "driver_id=206", "--delete", "--dry-run", "-C", served.repo).out == (
        "would be written 1\n"
    )
    assert _read(hotrow, served.repo, 206)["status"] == "PRESENT"
    assert hotrow("push", SOURCE, "driver_id=206", "--delete", "-C", served.repo).code == 0
    assert _read(hotrow, served.repo, 206)["status"] == "NOT_FOUND"


def test_a_rejected_row_exits_with_1(hotrow, served):
    """And says which and why."""
    outcome = hotrow(
        "push",
        SOURCE,
        "driver_id=207",
        "conv_rate=1",
        "avg_daily_trips=1",
        "event_timestamp=2090-01-01",
        "-C",
        served.repo,
    )
    assert (outcome.code, outcome.out) == (1, "written 0, rejected 1\n")
    assert "row 0: event_time_us: " in outcome.err


@pytest.fixture(scope="module")
def target(hotrow, tmp_path_factory):
    repo = tmp_path_factory.mktemp("push") / "r"
    hotrow("init", repo)
    hotrow("apply", "-C", repo)
    return find_target(SOURCE, open_workspace(repo).snapshot())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"values": ["driver_id"]}, "no KEY=VALUE"),
        ({"values": ["driver_id=1", "driver_id=2"]}, "given twice"),
        ({"values": ["driver_id=1", "conv_rat=2"]}, "did you mean conv_rate"),
        ({"values": ["driver_id=1.5"]}, "driver_id: '1.5' is no Int64"),
        ({"rows": "[{"}, "--rows: no valid JSON"),
        ({"rows": "[7]"}, "row 0 is no JSON object"),
        ({"rows": '[{"conv_rat": 1}]'}, "in row 0 'conv_rat'; did you mean conv_rate"),
        ({"values": ["event_timestamp=soon"]}, "event_timestamp: 'soon' is no time"),
        (
            {"values": ["event_timestamp=1717236000000"]},
            "event_timestamp: 1717236000000 is 1970-01-20T21:00:36Z as micro",
        ),
        ({"rows": '[{"event_timestamp": 1717236000}]'}, "and 2024-06-01T10:00:00Z as seconds"),
        ({"values": ["driver_id=1"], "event_time": "1717236000"}, "--event-time: 1717236000 is 1970"),
    ],
)
def test_wrong_rows(target, given, says):
    """Found before anything is sent."""
    with pytest.raises(HotrowError) as caught:
        read_rows(PushArguments(SOURCE, **given), target)
    assert says in caught.value.message


def test_a_line_of_a_file_is_named(target, tmp_path):
    """By file and line."""
    file = tmp_path / "rows.jsonl"
    file.write_text('{"driver_id": 1}\nnonsense\n')
    with pytest.raises(HotrowError, match=r"rows.jsonl, line 2: no valid JSON"):
        read_rows(PushArguments(SOURCE, file=file), target)


@pytest.mark.parametrize("arguments", [[], ["driver_id=1", "--rows", "[]"], ["--rows", "[]", "-f", "x.parquet"]])
def test_rows_come_in_one_way(hotrow, rides, arguments):
    """None, or two, is a mistake."""
    hotrow("apply", "-C", rides)
    outcome = hotrow("push", SOURCE, *arguments, "-C", rides)
    assert outcome.code == 1
    assert "give rows as KEY=VALUE, with --rows, or with --file" in outcome.err
