"""Templates work as they are."""

import json

import pyarrow.parquet as pq
import pytest
from hotrow.cli.template import TEMPLATES


@pytest.mark.parametrize("template", [t.name for t in TEMPLATES])
def test_a_template_applies_at_once(hotrow, tmp_path, template):
    """Without a change to any file."""
    folder = tmp_path / "new" / "repo"
    assert hotrow("init", folder, "-t", template).code == 0
    assert hotrow("apply", "-C", folder).code == 0
    assert hotrow("plan", "-C", folder).out == "no changes\n"


def test_the_sample_is_fresh_and_fits(hotrow, rides):
    """The ttl of the sample's view is a day, so its last row must be younger."""
    table = pq.read_table(rides / "data" / "driver_stats.parquet")
    assert set(table["driver_id"].to_pylist()) == {1001, 1002, 1003, 1004, 1005}
    assert table["fare"].null_count > 0
    assert hotrow("plan", "-C", rides).code == 0


def test_nothing_is_overwritten(hotrow, rides):
    """A repository that is there stays."""
    before = (rides / "features.py").read_text()
    outcome = hotrow("init", rides)
    assert outcome.code == 1
    assert "is there already" in outcome.err
    (rides / "hotrow.toml").unlink()
    assert "features.py is there already" in hotrow("init", rides).err
    assert (rides / "features.py").read_text() == before


def test_the_project_can_be_named(hotrow, tmp_path):
    """Two repositories on one registry need two names."""
    hotrow("init", tmp_path / "r", "--project", "taxis")
    assert json.loads(hotrow("apply", "-C", tmp_path / "r", "--json").out)["compatible"]
    assert "taxis" in (tmp_path / "r" / "hotrow.toml").read_text()


def test_an_unknown_template_is_told_with_the_known(hotrow, tmp_path):
    """The nearest names."""
    outcome = hotrow("init", tmp_path / "r", "-t", "ride")
    assert (outcome.code, outcome.err) == (1, "error: unknown template 'ride'; did you mean rides?\n")
    assert not (tmp_path / "r").exists()
