"""What commands print."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hotrow.cli.render import cell_text, json_value, print_json, print_pairs, print_table
from hotrow.clock import text_from_us


def test_a_table_is_aligned(capsys):
    """Numbers to the right, text to the left, no blanks at the ends of lines."""
    print_table(["name", "rows"], [["a", 5], ["long name", 1000]])
    assert capsys.readouterr().out == "NAME       ROWS\na             5\nlong name  1000\n"


def test_a_table_without_rows(capsys):
    """The heads say what would be there."""
    print_table(["name"], [])
    assert capsys.readouterr().out == "NAME\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (0.1, "0.1"), (1e300, "1e+300"), (b"hi", "aGk="), ([1, None], "[1, null]"),
        (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01T00:00:00Z"), ("a\x1b[31m\n", "a\\x1b[31m\\n"),
    ],
)  # fmt: skip
def test_cells(value, text):
    """One line, and nothing that a terminal obeys."""
    assert cell_text(value) == text


def test_a_long_cell_is_cut():
    """An embedding does not fill the screen."""
    assert len(cell_text([0.5] * 100)) == 60


def test_json_has_what_json_lacks_as_text(capsys):
    """The output is JSON that every parser reads: no bare NaN."""
    print_json({"a": math.nan, "b": [-math.inf, b"hi"], "c": datetime(2024, 5, 1, tzinfo=UTC), "d": (1, None, "é")})
    assert json.loads(capsys.readouterr().out) == {
        "a": "NaN",
        "b": ["-Infinity", "aGk="],
        "c": "2024-05-01T00:00:00Z",
        "d": [1, None, "é"],
    }
    assert json_value(np.array([1.5]).tolist()) == [1.5]


def test_a_time_no_calendar_has():
    """Years beyond 9999 are shown as they are stored."""
    assert text_from_us(2**62) == str(2**62)
    assert text_from_us(0) == "1970-01-01T00:00:00Z"


def test_pairs_leave_out_what_is_empty(capsys):
    """Nothing is said of nothing."""
    print_pairs([("a", ""), ("bb", 1), ("c", [])])
    assert capsys.readouterr().out == "bb  1\n"
