"""For a thread that waits for a read of a store whose reads take a round trip."""

import threading

from hotrow.codec.lookup import Rows
from hotrow.errors import HotrowError


class Answer:
    """The outcome of one read, once it is there."""

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
