"""How far a push of several messages is: reported to the caller's function, or in a line on stderr."""

import sys
from collections.abc import Callable

from hotrow_client.push import Progress


def reporter(progress: Progress | bool | None, rows: int) -> Callable[[int], object]:  # noqa: FBT001 - an option
    """What is called with the number of rows that are done."""
    if not progress:
        return lambda _done: None
    if callable(progress):
        return lambda done: progress(done, rows)
    return lambda done: _write_line(done, rows)


def _write_line(done: int, rows: int) -> None:
    """The same line again, until it is the last."""
    sys.stderr.write(f"\rpushed {done:,} of {rows:,} rows" + ("\n" if done == rows else ""))
    sys.stderr.flush()
