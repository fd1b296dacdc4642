"""People find what exists."""

import json
import re

import pytest


@pytest.fixture
def applied(hotrow, rides):
    hotrow("apply", "-C", rides)
    return rides


def test_the_list_has_every_feature(hotrow, applied):
    """With what is known of each."""
    listed = json.loads(hotrow("features", "list", "-C", applied, "--json").out)
    assert [f["name"] for f in listed] == [
        "driver_hourly_stats:conv_rate",
        "driver_hourly_stats:avg_daily_trips",
        "driver_hourly_stats:fare",
    ]
    fare = listed[-1]
    assert (fare["type"], fare["unit"], fare["owner"]) == ("Float64", "SEK", "rides@example.com")
    assert (fare["tags"], fare["source"]) == ({"team": "rides"}, "data/driver_stats.parquet")
    assert "default" in fare
    assert "default" not in listed[0]
    table = hotrow("features", "list", "-C", applied).out
    assert "driver_hourly_stats:fare" in table
    assert "SEK" in table


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["FARE"], 1),
        (["sek"], 1),
        (["team=rides"], 3),
        (["driver", "trips"], 1),
        (["driver_stats.parquet", "float32"], 1),
        (["rides@example.com"], 3),
        (["nothing of the kind"], 0),
    ],
)
def test_search_looks_everywhere(hotrow, applied, words, found):
    """Names, units, tags, owners, types, sources; all words must be there."""
    assert len(json.loads(hotrow("features", "search", *words, "-C", applied, "--json").out)) == found


def test_a_search_that_finds_nothing_says_so(hotrow, applied):
    """And is no error."""
    outcome = hotrow("features", "search", "zebra", "-C", applied)
    assert (outcome.code, outcome.out) == (0, "")
    assert "'zebra'" in outcome.err


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("driver_hourly_stats", "feature view", "data/driver_stats.parquet"),
        ("driver_activity", "feature service", "conv_rate"),
        ("driver", "entity", "driver_id=Int64"),
        ("driver_stats_push", "push source", "driver_hourly_stats"),
        ("driver_hourly_stats:fare", "", "Mean fare of the last hour"),
    ],
)
def test_show_knows_every_kind(hotrow, applied, name, kind, says):
    """For people and as JSON."""
    out = hotrow("features", "show", name, "-C", applied).out
    assert says in out
    document = json.loads(hotrow("features", "show", name, "-C", applied, "--json").out)
    assert document["name"] == name
    assert document.get("kind", "") == kind


def test_show_has_the_signature_that_a_read_sends(hotrow, applied):
    """Nothing else tells it."""
    document = json.loads(hotrow("features", "show", "driver_activity", "-C", applied, "--json").out)
    assert re.fullmatch("[0-9a-f]{64}", document["signature"])
    assert document["signature"] in hotrow("features", "show", "driver_activity", "-C", applied).out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("driver_hourly_stat", "did you mean driver_hourly_stats"),
        ("driver_hourly_stats:fair", "did you mean fare"),
        ("x:y", "unknown feature view 'x'"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(hotrow, applied, name, says):
    """A typing error costs one look."""
    outcome = hotrow("features", "show", name, "-C", applied)
    assert outcome.code == 1
    assert says in outcome.err
