"""Progress on a terminal and in a log."""

import io

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.offline import progress as progress_module
from hotrow.offline.progress import BarProgress, LineProgress, duration_text, open_progress, progress_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (0, 100, 0.0, "0 of 100 rows (0%)"),
        (0, 0, 0.0, "0 of 0 rows"),
        (2_000_000, 4_000_000, 10.0, "2,000,000 of 4,000,000 rows (50%), 200,000 rows/s, 10 s left"),
        (4, 3, 1.0, "4 of 3 rows (133%), 4 rows/s, 0 s left"),
    ],
)
def test_a_line_has_rows_rate_and_time_left(done, total, seconds, line):
    """What a person asks of a long run."""
    assert progress_line(done, total, seconds) == line


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7_500, "2 h 5 min")])
def test_durations(seconds, text):
    """Two units at most."""
    assert duration_text(seconds) == text


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    """Not a line a batch."""
    now = [0.0]
    monkeypatch.setattr(progress_module.clock, "monotonic_s", lambda: now[0])
    out = io.StringIO()
    progress = LineProgress(out)
    piece = progress.start("stats", 300)
    for _ in range(3):
        now[0] += 2.5
        piece.advance(100)
    piece.finish()
    assert out.getvalue() == "stats: 200 of 300 rows (66%), 40 rows/s, 2 s left\n"


def test_a_reason_to_wait_is_said_once():
    """A worker that is away for a minute does not fill a log."""
    out = io.StringIO()
    progress = LineProgress(out)
    piece = progress.start("stats", 3)
    for _ in range(5):
        piece.wait(HotrowError(Code.UNAVAILABLE, "the worker is away"))
    assert out.getvalue() == "stats: waiting: the worker is away\n"


def test_a_terminal_gets_a_bar():
    """With the same figures."""
    out = Terminal()
    progress = open_progress(out)
    assert isinstance(progress, BarProgress)
    piece = progress.start("stats", 10)
    piece.advance(10)
    piece.finish()
    assert "10/10 rows" in out.getvalue()
    assert "rows/s" in out.getvalue()


def test_anything_else_gets_lines():
    """A pipe has no cursor to move."""
    assert isinstance(open_progress(io.StringIO()), LineProgress)
