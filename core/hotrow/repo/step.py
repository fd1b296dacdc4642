"""What is being done in a long wait: a spinner on a terminal, and a line after two seconds where stderr is none."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_AFTER_S = 2.0


@contextmanager
def show_step(text: str, stream: IO[str] | None = None, after_s: float = LINE_AFTER_S) -> Iterator[None]:
    """Say on `stream` (default: stderr) what is being done until this ends; a log gets no line of what is quick."""
    out = sys.stderr if stream is None else stream
    if out.isatty():
        from rich.console import Console  # noqa: PLC0415 - it takes 60 ms, and a log has no use for it

        with Console(file=out).status(text):
            yield
        return
    timer = threading.Timer(after_s, lambda: print(text, file=out, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # so that the line does not come after what follows
