"""History, differences, pins."""

import hashlib
import io
import json

import pytest


@pytest.fixture
def two(hotrow, rides):
    """A repository that was applied twice; the ids, oldest first."""
    first = json.loads(hotrow("apply", "-C", rides, "--json", "--author", "ann").out)["snapshot"]
    file = rides / "features.py"
    file.write_text(file.read_text().replace("days=1", "days=2"))
    second = json.loads(hotrow("apply", "-C", rides, "--json", "--author", "bo").out)["snapshot"]
    return rides, first, second


def test_the_log_is_newest_first(hotrow, two):
    """Who, when, what."""
    repo, first, second = two
    entries = json.loads(hotrow("registry", "log", "-C", repo, "--json").out)
    assert [(e["snapshot"], e["author"], e["parent"]) for e in entries] == [(second, "bo", first), (first, "ann", None)]
    table = hotrow("registry", "log", "-C", repo, "-n", "1").out
    assert second[:12] in table
    assert first[:12] not in table


def test_a_difference_of_two_snapshots(hotrow, two):
    """By id, prefix, or to the head."""
    repo, first, second = two
    for arguments in ((first, second), (first[:8],), (first, "head")):
        assert "~ feature view driver_hourly_stats" in hotrow("registry", "diff", *arguments, "-C", repo).out
    assert hotrow("registry", "diff", first, first, "-C", repo).out == "no changes\n"
    document = json.loads(hotrow("registry", "diff", first, "-C", repo, "--json").out)
    assert document["changes"][0]["name"] == "driver_hourly_stats"


def test_pins(hotrow, two):
    """A name for a snapshot, until it is taken away."""
    repo, first, _ = two
    assert hotrow("registry", "pin", "model-7", first[:10], "-C", repo).code == 0
    assert json.loads(hotrow("registry", "refs", "-C", repo, "--json").out)["pins"] == {"model-7": first}
    assert first in hotrow("registry", "show", "model-7", "-C", repo).out
    assert hotrow("registry", "unpin", "model-7", "-C", repo).code == 0
    outcome = hotrow("registry", "unpin", "model-7", "-C", repo)
    assert (outcome.code, "unknown pin" in outcome.err) == (1, True)


def test_rollback_shows_its_plan_and_asks(hotrow, two, monkeypatch):
    """Without a terminal and without --yes it is an error, and nothing changes; a no is no."""
    repo, first, second = two
    outcome = hotrow("registry", "rollback", "-C", repo)
    assert (outcome.code, "--yes" in outcome.err) == (1, True)
    assert "ttl: 2 days -> 1 day" in outcome.out
    monkeypatch.setattr("sys.stdin", _Terminal("n\n"))
    assert hotrow("registry", "rollback", "-C", repo).code == 1
    assert second in hotrow("registry", "show", "-C", repo).out
    monkeypatch.setattr("sys.stdin", _Terminal("y\n"))
    outcome = hotrow("registry", "rollback", "-C", repo)
    assert f"rolled back: the head of project rides is {first[:12]}" in outcome.out
    assert json.loads(hotrow("registry", "log", "-C", repo, "--json").out)[0]["action"] == "rollback"


def test_rollback_by_id_and_there_again(hotrow, two):
    """What was rolled back has its id still, and `refs` has names for the heads that one can go back to."""
    repo, first, second = two
    assert f"head@1  {first[:12]}" in hotrow("registry", "refs", "-C", repo).out
    assert json.loads(hotrow("registry", "rollback", "--yes", "--json", "-C", repo).out)["snapshot"] == first
    assert f"earlier head  {second[:12]}" in hotrow("registry", "refs", "-C", repo).out
    assert hotrow("registry", "rollback", second[:10], "--yes", "-C", repo).code == 0
    assert hotrow("registry", "diff", "head@1", second, "-C", repo).out.startswith("~ feature view")
    outcome = hotrow("registry", "rollback", "head@7", "--yes", "-C", repo)
    assert (outcome.code, "the earliest is head@1" in outcome.err) == (1, True)


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_show_prints_what_the_id_is_the_hash_of(hotrow, two):
    """With --json, byte for byte."""
    repo, first, _ = two
    text = hotrow("registry", "show", first, "-C", repo, "--json").out.rstrip("\n")
    assert hashlib.sha256(text.encode()).hexdigest() == first


def test_before_the_first_apply(hotrow, rides):
    """The remedy is named."""
    for command in (["registry", "show"], ["features", "list"], ["materialize", "2024-01-01", "now"]):
        outcome = hotrow(*command, "-C", rides)
        assert outcome.code == 1
        assert "hotrow apply" in outcome.err
    assert hotrow("registry", "log", "-C", rides).code == 0


def test_an_unknown_ref(hotrow, two):
    """An error, not the head."""
    outcome = hotrow("registry", "show", "nope", "-C", two[0])
    assert outcome.code == 1
    assert "'nope'" in outcome.err
