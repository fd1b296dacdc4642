"""Encoders fitted on what was pushed: behind a source or alone, and as it was a moment ago."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pandas as pd
import pytest
from hotrow import FeatureStore

from tests.support.pushlog import write_settings

DEFINITIONS = """
from hotrow import Entity, FeatureView, Field, Float64, Int64, ParquetSource, PushSource, encoders

user = Entity("user", join_keys={"user_id": Int64})
clicks = FeatureView("clicks", entities=[user], schema=[Field("n", Int64)])
stats = FeatureView("stats", entities=[user], schema=[Field("rate", Float64)],
                    source=ParquetSource("stats.parquet", event_time="at"))
sources = [PushSource("clicks_push", view=clicks), PushSource("stats_push", view=stats)]
"""
ENCODERS = """
n_scaled = encoders.standard_scale("n_scaled", clicks["n"])
fan_scaled = encoders.standard_scale("fan_scaled", clicks.joined_as("fan", {"user_id": "fan_id"})["n"])
rate_scaled = encoders.min_max_scale("rate_scaled", stats["rate"])
"""
WAIT_S = 60.0


@pytest.fixture
def store(tmp_path):
    """A store with a view that is pushed only and one with a source, applied, whose log is written once an hour."""
    write_settings(tmp_path)
    rows = {"user_id": [1, 2], "rate": [0.25, 0.5], "at": [datetime(2024, 1, 1, tzinfo=UTC)] * 2}
    pd.DataFrame(rows).to_parquet(tmp_path / "stats.parquet")
    (tmp_path / "features.py").write_text(DEFINITIONS)
    applied = FeatureStore(tmp_path).apply()
    (tmp_path / "features.py").write_text(DEFINITIONS + ENCODERS)
    return applied


def hotrow(store, *arguments):
    command = [sys.executable, "-m", "hotrow.cli.main", "--repo", str(store.repo), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)


def fitted(store, name, *arguments):
    done = hotrow(store, "fit", name, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    return one["statistics"], one["from"]


def test_encoders_are_fitted_on_what_was_pushed(store):
    """Every row that was answered before, replaced and deleted ones among them, and no deletion; as a training set."""
    with store.serving():
        early = datetime(2024, 1, 1, tzinfo=UTC)
        store.push("clicks_push", {"user_id": [1, 2], "n": [10, 20]}, event_time=early, to="offline")
        store.push("clicks_push", {"user_id": [1], "n": [60]}, to="both")
        store.push("clicks_push", {"user_id": [2]}, op="delete", to="both")
        store.push("clicks_push", {"user_id": [9], "n": [10**9]})  # ONLINE alone
        store.push("stats_push", {"user_id": [1], "rate": [1.5]}, to="both")
        numbers, origin = fitted(store, "n_scaled")
        assert (numbers["mean"], numbers["minimum"], numbers["maximum"]) == (30.0, 10.0, 60.0)
        assert (origin["rows"], origin["pushed_rows"], origin["source"], origin["sha256"]) == (3, 3, "", "")
        assert fitted(store, "fan_scaled") == (numbers, origin)  # a joined view has the rows of its view
        numbers, origin = fitted(store, "rate_scaled")
        assert (numbers["minimum"], numbers["maximum"]) == (0.25, 1.5)
        assert (origin["rows"], origin["pushed_rows"], origin["source"]) == (3, 1, "stats.parquet")
    numbers, origin = fitted(store, "n_scaled", "--until", "2024-01-02")
    assert (numbers["maximum"], origin["rows"]) == (20.0, 2)
    plan = hotrow(store, "plan").stdout
    assert "fitted on 2 pushed rows until 2024-01-02" in plan
    assert "fitted on 3 rows of stats.parquet, 1 of them pushed" in plan


def test_a_view_that_has_no_row_anywhere_is_refused(store):
    """With what there is to do, and nothing is written."""
    done = hotrow(store, "fit", "n_scaled")
    assert done.returncode == 1
    assert (
        "'clicks' has no source to fit on, and no pushed row of it is in the log; push to BOTH or OFFLINE"
        in done.stderr
    )
    assert not (store.repo / "fitted").exists()
    assert fitted(store, "rate_scaled")[1]["pushed_rows"] == 0


def test_a_log_that_cannot_be_written_is_told_of(store):
    """The fit goes on without what waits, as a training set does."""
    with store.serving():
        store.push("stats_push", {"user_id": [1], "rate": [1.5]}, to="both")
        (store.repo / "data").mkdir(exist_ok=True)
        log = store._workspace.settings.offline_store.path
        log.write_text("in the way")
        done = hotrow(store, "fit", "rate_scaled")
        assert done.returncode == 0, done.stderr
        assert "warning: rows that were pushed in the last seconds may be missing" in done.stderr
        log.unlink()
