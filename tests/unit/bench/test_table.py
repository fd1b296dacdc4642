"""Tables on a screen and in Markdown."""

import pytest

from tests.bench.measure import Ratio
from tests.bench.record import Table
from tests.bench.table import markdown_text, screen_text, shown

TABLE = Table("Title", ("name", "a us", "b"), [("R1", 1234.5, None), ("long name", 0.05, Ratio(1.0, 0.9, 1.1))])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("x", "x"),
        (12345, "12,345"),
        (1234.5, "1,234"),
        (999.6, "1e+03"),
        (99.96, "100"),
        (0.01234, "0.0123"),
    ],
)
def test_a_value_has_three_digits_and_no_more_than_the_noise_leaves(value, text):
    assert shown(value) == text


def test_a_screen_has_numbers_below_their_heads():
    assert screen_text(TABLE).split("\n") == [
        "Title",
        "name        a us               b",
        "R1         1,234",
        "long name   0.05  1 (0.9 to 1.1)",
    ]


def test_markdown_takes_some_columns_in_their_order():
    assert markdown_text(TABLE, ("b", "name")).split("\n") == [
        "| b | name |",
        "| --: | --- |",
        "|  | R1 |",
        "| 1 (0.9 to 1.1) | long name |",
    ]
