"""get: from a running server, and what it makes of a command line."""

import json
from dataclasses import replace

import pytest
from hotrow.cli.read import encode_request, parse_arguments
from hotrow.cli.workspace import open_workspace
from hotrow.errors import HotrowError
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest

VIEW = "driver_hourly_stats"


def test_a_service(hotrow, served):
    """A row an entity, a column a feature."""
    outcome = hotrow("get", "driver_activity", "driver_id=1001", "-C", served.repo)
    assert outcome.code == 0, outcome.err
    heads, row = outcome.out.splitlines()
    assert heads.split() == ["DRIVER_ID", "CONV_RATE", "AVG_DAILY_TRIPS"]
    assert row.split()[0] == "1001"


def test_json_has_values_statuses_and_times(hotrow, served):
    """A script sees what is missing, and why."""
    out = hotrow(
        "get", f"{VIEW}:fare", f"{VIEW}:conv_rate", "driver_id=1001,9", "-C", served.repo, "--json", "--event-times"
    ).out
    document = json.loads(out)
    known, missing = document["rows"]
    assert known["entity"] == {"driver_id": 1001}
    assert known["features"]["conv_rate"]["status"] == "PRESENT"
    assert len(str(known["features"]["conv_rate"]["value"])) < 14  # the shortest decimal of a float32
    assert known["features"]["fare"]["unit"] == "SEK"
    assert known["event_times"][VIEW].endswith(":00:00Z")
    assert missing["features"]["fare"] == {"value": None, "status": "NOT_FOUND", "unit": "SEK"}
    assert missing["event_times"][VIEW] is None
    assert len(document["snapshot"]) == 64


def test_a_missing_row_is_shown(hotrow, served):
    """As such, and not as null."""
    assert "(not found)" in hotrow("get", VIEW, "driver_id=9", "-C", served.repo).out


def test_no_server(hotrow, rides):
    """The address and the remedy."""
    hotrow("apply", "-C", rides)
    outcome = hotrow("get", "driver_activity", "driver_id=1", "-C", rides, "--timeout", "2")
    assert outcome.code == 1
    assert outcome.err.startswith("error: no server answers at 127.0.0.1:")
    assert "hotrow serve" in outcome.err


@pytest.fixture(scope="module")
def snapshot(hotrow, tmp_path_factory):
    repo = tmp_path_factory.mktemp("read") / "r"
    hotrow("init", repo)
    hotrow("apply", "-C", repo)
    return open_workspace(repo).snapshot()


@pytest.mark.parametrize(
    ("arguments", "names", "service", "ids"),
    [
        (["driver_activity", "driver_id=1"], (), "driver_activity", [1]),
        (["driver_id=1", f"{VIEW}:fare"], (f"{VIEW}:fare",), "", [1]),
        ([f"{VIEW}:fare", f"{VIEW}:fare", "driver_id=1,2", "driver_id=3"], (f"{VIEW}:fare",), "", [1, 2, 3]),
        ([VIEW, "driver_id=1"], (f"{VIEW}:conv_rate", f"{VIEW}:avg_daily_trips", f"{VIEW}:fare"), "", [1]),
    ],
)
def test_arguments_in_any_order(snapshot, arguments, names, service, ids):
    """Features have no "=", entities do."""
    asked = parse_arguments(arguments, snapshot)
    assert (asked.names, asked.service, asked.entities, asked.rows) == (names, service, {"driver_id": ids}, len(ids))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["driver_id=1"], "name what to read"),
        (["driver_activity"], "join key driver_id is missing"),
        (["driver_activity", "driver=1"], "unknown join key 'driver'"),
        (["driver_activity", "driver_id=x"], "driver_id: 'x' is no Int64"),
        (["driver_activity", "driver_id=null"], "never null"),
        (["driver_activity", VIEW, "driver_id=1"], "is a feature service: ask for it alone"),
        (["driver_activty", "driver_id=1"], "did you mean driver_activity"),
        ([f"{VIEW}:fair", "driver_id=1"], "did you mean fare"),
    ],
)
def test_wrong_arguments(snapshot, arguments, says):
    """Found before anything is sent."""
    with pytest.raises(HotrowError) as caught:
        parse_arguments(arguments, snapshot)
    assert says in caught.value.message


def test_a_signature_is_sent(snapshot):
    """As it is; none is none."""
    asked = parse_arguments(["driver_activity", "driver_id=1"], snapshot)
    for signature in ("", "5" * 64):
        request = encode_request(replace(asked, signature=signature), "")
        assert GetOnlineFeaturesRequest.FromString(request).signature == signature


def test_equal_names_get_full_names(hotrow, tmp_path):
    """Two views with a feature of one name: nobody has to be told to set an option."""
    (tmp_path / "hotrow.toml").write_text('project = "p"\n')
    (tmp_path / "features.py").write_text(
        "from hotrow import Entity, FeatureService, FeatureView, Field, Int64, UnixTimestamp\n"
        "day = Entity('day', join_keys={'day': UnixTimestamp})\n"
        "a = FeatureView('a', entities=[day], schema=[Field('n', Int64), Field('m', Int64)])\n"
        "b = FeatureView('b', schema=[Field('n', Int64)])\n"
        "both = FeatureService('both', features=[a, b])\n"
    )
    hotrow("apply", "-C", tmp_path)
    applied = open_workspace(tmp_path).snapshot()
    assert parse_arguments(["a:n", "b:n", "day=2024-05-01"], applied).ambiguous
    assert parse_arguments(["both", "day=2024-05-01"], applied).ambiguous
    assert not parse_arguments(["a:m", "b:n", "day=2024-05-01"], applied).ambiguous
    alone = parse_arguments(["b"], applied)
    assert (alone.entities, alone.rows, alone.ambiguous) == ({}, 1, False)
    asked = parse_arguments(["a", "day=2024-05-01"], applied)
    assert asked.shown_entities() == {"day": ["2024-05-01T00:00:00Z"]}
