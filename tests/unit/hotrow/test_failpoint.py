"""Failpoints kill the process at the place and the time asked for, and nowhere else."""

import signal
import subprocess
import sys

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.failpoint import reached_from_text, unarmed

PROGRAM = """
import sys
from hotrow.failpoint import reached_from_text
reached = reached_from_text(sys.argv[1])
for turn in range(1, 6):
    for place in ("after_write", "after_commit"):
        print(turn, place, flush=True)
        reached(place)
"""


def test_nothing_is_armed_by_default() -> None:
    assert reached_from_text("") is unarmed
    unarmed("after_write")


def test_it_kills_at_the_place_at_the_count() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "after_commit:3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines()[-1] == "3 after_commit"


@pytest.mark.parametrize(
    "text", ["after_write", "after_write:", "after_write:0", "after_lunch:1", ":1", "after_write:-1"]
)
def test_a_text_that_names_no_failpoint_is_refused(text: str) -> None:
    with pytest.raises(HotrowError, match="HOTROW_FAILPOINT") as caught:
        reached_from_text(text)
    assert caught.value.code is Code.INVALID
