"""The recommender: run twice, with real processes."""

import re

import pytest

from .example import EXAMPLES, Example


@pytest.fixture
def example(tmp_path):
    return Example("recommender", tmp_path)


def test_the_recommender_can_be_run_again(example):
    """What is bought changes what is recommended, and kronor are refused by name; another run goes on from there."""
    first = example.run("recommend.py")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout in (EXAMPLES / "recommender" / "README.md").read_text(), "the README shows another run"
    assert "right about 80% of the 600 after, the majority 69%" in first.stdout
    assert "article 45, black winter tea" in first.stdout
    assert "previous_purchases: 3 is now 4" in first.stdout
    before, after = re.findall(r"recommended to user 7:\n +\S+ +article (\d+)", first.stdout)
    assert before != after
    assert "FAILED_PRECONDITION: the caller's model was trained with other features" in first.stdout
    difference = "prices:price was Float64 in USD when the model was trained, and in its place is prices_sek:price"
    assert f"{difference}, Float64 in SEK, now" in first.stdout
    second = example.run("recommend.py")
    assert second.returncode == 0, second.stdout + second.stderr
    assert re.findall(r"recommended to user 7:\n +\S+ +article (\d+)", second.stdout)[0] == after
