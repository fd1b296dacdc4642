"""What is being done: a line where it takes long, a spinner on a terminal, and none of it later."""

import io
import time

from hotrow.repo.step import show_step


class Terminal(io.StringIO):
    """Text that says that it is a terminal."""

    def isatty(self):
        return True


def test_what_takes_long_gets_one_line_while_it_is_done():
    """And what is quick none, not even when it is over."""
    out = io.StringIO()
    with show_step("compiling tip", out, after_s=0.05):
        deadline_s = time.monotonic() + 10
        while not out.getvalue() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert out.getvalue() == "compiling tip\n"
    with show_step("compiling fare", out, after_s=0.05):
        pass
    time.sleep(0.1)
    assert out.getvalue() == "compiling tip\n"


def test_a_terminal_shows_it_at_once():
    """With a spinner that goes when it is over."""
    out = Terminal()
    with show_step("compiling tip", out):
        time.sleep(0.2)
    assert "compiling tip" in out.getvalue()
