"""hotrow fit: from the sources of views to files that plan and apply take."""

import json
import re

import pytest
from hotrow.cli.workspace import open_workspace

ENCODERS = """
from hotrow import encoders

filled = encoders.impute("fare_filled", driver_hourly_stats["fare"], strategy="median")
scaled = encoders.standard_scale("fare_scaled", filled)
bucket = encoders.bucketize("trips_bucket", driver_hourly_stats["avg_daily_trips"], edges=[5, 10])
model = FeatureService("model", features=[scaled, bucket])
"""


@pytest.fixture
def repo(rides):
    """The template rides with encoders, of which two are fitted."""
    with (rides / "features.py").open("a") as file:
        file.write(ENCODERS)
    return rides


def _fitted(repo, name):
    return json.loads((repo / "fitted" / f"{name}.json").read_text())


def test_what_is_not_fitted_is_refused_with_the_remedy(hotrow, repo):
    """By plan and by apply, naming the command."""
    for command in ("plan", "apply"):
        outcome = hotrow(command, "-C", repo)
        assert outcome.code == 1
        assert "transform 'fare_filled' is not fitted; run `hotrow fit fare_filled`" in outcome.err


def test_fit_apply_and_the_snapshot_has_the_numbers(hotrow, repo):
    """The chain is fitted in its order; the snapshot holds code, statistics and where they are from."""
    outcome = hotrow("fit", "-C", repo)
    assert outcome.code == 0, outcome.err
    assert "fare_scaled" in outcome.out
    assert "trips_bucket" not in outcome.out  # it has its edges
    assert hotrow("apply", "-C", repo).code == 0
    scaled = open_workspace(repo).snapshot().transforms["fare_scaled"]
    assert scaled.code.constants["MEAN"] == _fitted(repo, "fare_scaled")["statistics"]["mean"]
    assert scaled.encoder["fitted"]["source"] == "data/driver_stats.parquet"
    assert scaled.encoder["statistics"]["rows"] == scaled.encoder["fitted"]["rows"] == 240


def test_what_was_fitted_is_shown(hotrow, repo):
    """By `features show`: numbers, of a list its length and the first entries, and the source; as JSON all of it."""
    with (repo / "features.py").open("a") as file:
        file.write('hot = encoders.one_hot("trips_hot", driver_hourly_stats["avg_daily_trips"])\n')
    hotrow("fit", "-C", repo)
    assert hotrow("apply", "-C", repo).code == 0
    scaled = hotrow("features", "show", "fare_scaled", "-C", repo).out
    mean = _fitted(repo, "fare_scaled")["statistics"]["mean"]
    assert re.search(r"^encoder +standard_scale$", scaled, re.MULTILINE)
    numbers = rf"maximum [\d.]+; mean {mean:.6g}; minimum [\d.]+; scale [\d.]+"
    assert re.search(rf"^statistics +{numbers}$", scaled, re.MULTILINE)
    assert re.search(r"^fitted +.*rows=240, .*source=data/driver_stats.parquet", scaled, re.MULTILINE)
    categories = _fitted(repo, "trips_hot")["statistics"]["categories"]
    first = ", ".join(map(str, categories[:3]))
    shown = hotrow("features", "show", "trips_hot", "-C", repo).out
    assert re.search(rf"^statistics +{len(categories)} categories: {first}, \.\.\.$", shown, re.MULTILINE)
    assert re.search(r"^parameters +unknown bucket$", shown, re.MULTILINE)
    given = hotrow("features", "show", "trips_bucket", "-C", repo).out
    assert re.search(r"^parameters +2 edges: 5(\.0)?, 10(\.0)?$", given, re.MULTILINE)
    assert "statistics" not in given
    document = json.loads(hotrow("features", "show", "trips_hot", "-C", repo, "--json").out)
    assert document["statistics"]["categories"] == categories


def test_fitting_again_is_the_same_snapshot(hotrow, repo):
    """The time of a fit is in its file alone."""
    hotrow("fit", "-C", repo)
    hotrow("apply", "-C", repo)
    hotrow("fit", "-C", repo)
    assert "no changes" in hotrow("plan", "-C", repo).out


def test_one_by_name_and_what_it_takes_first(hotrow, repo):
    """An encoder that is not fitted is fitted before the one that takes it, named or not; a fitted one stays."""
    assert [one["transform"] for one in json.loads(hotrow("fit", "fare_scaled", "--json", "-C", repo).out)] == [
        "fare_filled",
        "fare_scaled",
    ]
    assert len(json.loads(hotrow("fit", "fare_scaled", "--json", "-C", repo).out)) == 1


def test_until_leaves_rows_out(hotrow, repo):
    """Rows from that time on have no part in it, and the plan says what has changed."""
    hotrow("fit", "-C", repo)
    hotrow("apply", "-C", repo)
    whole = _fitted(repo, "fare_scaled")
    until = whole["from"]["last_event_time"]
    assert hotrow("fit", "--until", until, "-C", repo).code == 0
    part = _fitted(repo, "fare_scaled")
    assert part["from"]["rows"] < whole["from"]["rows"]
    assert part["from"]["last_event_time"] < until
    assert f"until {until}" in hotrow("plan", "-C", repo).out


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('strategy="median"', 'strategy="mean"', "'fare_filled' was fitted with other parameters"),
        ('strategy="median"', "fill=1.0", "'fare_scaled' was fitted when what it takes was computed otherwise"),
    ],
)
def test_a_fit_that_no_longer_holds_is_refused(hotrow, repo, old, new, reason):
    """Other parameters, or an encoder below it that computes otherwise."""
    hotrow("fit", "-C", repo)
    features = repo / "features.py"
    features.write_text(features.read_text().replace(old, new))
    outcome = hotrow("plan", "-C", repo)
    assert outcome.code == 1
    assert reason in outcome.err
    assert hotrow("fit", "-C", repo).code == 0
    assert hotrow("plan", "-C", repo).code == 0


def test_names_that_cannot_be_fitted_are_refused(hotrow, repo):
    """An unknown one with what there is, one that has all it needs, and a file that somebody broke."""
    assert "unknown transform 'fare'" in hotrow("fit", "fare", "-C", repo).err
    assert "'trips_bucket' has nothing to fit" in hotrow("fit", "trips_bucket", "-C", repo).err
    hotrow("fit", "-C", repo)
    (repo / "fitted" / "fare_filled.json").write_text("{}")
    outcome = hotrow("plan", "-C", repo)
    assert outcome.code == 1
    assert "fitted/fare_filled.json" in outcome.err
    assert "remove it, and run `hotrow fit fare_filled`" in outcome.err
    (repo / "fitted" / "fare_filled.json").unlink()
    assert hotrow("fit", "fare_filled", "-C", repo).code == 0
    assert hotrow("plan", "-C", repo).code == 0


def test_no_rows_is_an_error(hotrow, repo):
    """Nothing can be fitted on nothing."""
    outcome = hotrow("fit", "--until", "1980-01-01", "-C", repo)
    assert outcome.code == 1
    assert "there is no value to fit on" in outcome.err
