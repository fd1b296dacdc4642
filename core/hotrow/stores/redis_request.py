"""What is under way on a connection of reads."""

import threading
from typing import Protocol

import numpy as np

from hotrow import clock
from hotrow.codec.kernel_resp import find_values, take_values
from hotrow.codec.lookup import Rows, Wanted
from hotrow.codec.wire import Octets, Table
from hotrow.errors import HotrowError
from hotrow.stores.port import Done


class Request(Protocol):
    """Commands that are sent together. `since_s` is when."""

    since_s: float

    def take(self, received: Octets, begin: int, end: int) -> int:
        """Take the replies from what was received; returns where they end, INCOMPLETE where more has to come, or
        UNEXPECTED where this is not what was asked for.
        """

    def end(self, error: HotrowError | None) -> None:
        """All replies were taken, or none ever will be."""


class RowRead:
    """Of one server: all rows, in one state."""

    def __init__(self, wanted: Wanted, n: int, done: Done) -> None:
        self.since_s = clock.monotonic_s()
        self._wanted = wanted
        self._n = n
        self._done = done
        self._rows: Rows | None = None

    def take(self, received: Octets, begin: int, end: int) -> int:
        count = len(self._wanted.view_ids) * self._n
        found: Table = np.empty(count, np.int64)
        starts: Table = np.empty(count + 1, np.int64)
        at: int = find_values(received, begin, end, self._wanted.table, self._n, found, starts)
        if at >= 0:
            rows: Octets = np.empty(max(1, int(starts[count])), np.uint8)
            take_values(found, starts, rows)
            self._rows = Rows(rows, starts)
        return at

    def end(self, error: HotrowError | None) -> None:
        outcome = self._rows if error is None else error
        assert outcome is not None  # noqa: S101 - a read without an error has its rows
        self._done(outcome)


class Answer:
    """For a thread that waits for a read."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._outcome: Rows | HotrowError | None = None

    def done(self, outcome: Rows | HotrowError) -> None:
        """Take the outcome."""
        self._outcome = outcome
        self._event.set()

    def wait(self) -> Rows:
        """Wait for the rows, for as long as the connection takes to give up; raises the error."""
        self._event.wait()
        if isinstance(self._outcome, Rows):
            return self._outcome
        assert self._outcome is not None  # noqa: S101 - the event says so
        raise self._outcome.with_traceback(None)  # one error may be that of many reads
