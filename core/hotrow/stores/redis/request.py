"""What is under way on a connection of reads."""

import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np

from hotrow import clock
from hotrow.codec.kernel_resp import INCOMPLETE, UNEXPECTED, find_values, take_values
from hotrow.codec.lookup import Keys, Rows, Wanted
from hotrow.codec.wire import Octets, Table
from hotrow.errors import HotrowError
from hotrow.redis.client import packed
from hotrow.stores.port import Done

_READ = b"""
local replies, k, a = {}, 1, 1
while a < #ARGV do
  local keys, fields = tonumber(ARGV[a]), tonumber(ARGV[a + 1])
  for i = k, k + keys - 1 do
    replies[i] = redis.call('HMGET', KEYS[i], unpack(ARGV, a + 2, a + 1 + fields))
  end
  k, a = k + keys, a + 2 + fields
end
return replies
"""


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
    """Of one server: all rows, in one state.

    A server that is full takes no command into a transaction, not even one that reads. Then `again` is called, to send
    what `scripted_read` makes, and to enqueue the same read as `scripted`.
    """

    def __init__(
        self, wanted: Wanted, keys: Keys, done: Done, again: Callable[[], None] | None = None, *, scripted: bool = False
    ) -> None:
        self.since_s = clock.monotonic_s()
        self._wanted = wanted
        self._n = keys.n
        self._done = done
        self._again = again
        self._scripted = scripted
        self._rows: Rows | None = None

    def take(self, received: Octets, begin: int, end: int) -> int:
        count = len(self._wanted.view_ids) * self._n
        found: Table = np.empty(count, np.int64)
        starts: Table = np.empty(count + 1, np.int64)
        at: int = find_values(received, begin, end, self._wanted.table, self._n, int(self._scripted), found, starts)
        if at >= 0:
            rows: Octets = np.empty(max(1, int(starts[count])), np.uint8)
            take_values(found, starts, rows)
            self._rows = Rows(rows, starts)
        elif at == UNEXPECTED and self._again is not None:
            return _end_of_refusal(received, begin, end, len(set(self._wanted.sets)) * self._n)
        return at

    def end(self, error: HotrowError | None) -> None:
        if error is not None:
            self._done(error)
        elif self._rows is not None:
            self._done(self._rows)
        elif self._again is not None:
            self._again()


def scripted_read(prefix: bytes, wanted: Wanted, keys: Keys) -> memoryview:
    """The same read as one script, with `prefix` before each key."""
    names: list[bytes] = []
    arguments: list[bytes | int] = []
    for key_set in sorted(set(wanted.sets)):
        views = [view for view, number in zip(wanted.view_ids, wanted.sets, strict=True) if number == key_set]
        names += [prefix + keys.one(key_set, row) for row in range(keys.n)]
        arguments += [keys.n, len(views), *views]
    (command,) = packed([[b"EVAL", _READ, len(names), *names, *arguments]])
    return memoryview(command)


def _end_of_refusal(received: Octets, begin: int, end: int, commands: int) -> int:
    """Where the replies to a transaction end of whose commands some were refused for lack of memory, and none for
    another reason.
    """
    said = received[begin:end].tobytes()
    if not said.startswith(b"+OK\r\n") or b"\r\n-OOM " not in said:
        return UNEXPECTED
    if said.count(b"\r\n") < commands + 2:
        return INCOMPLETE
    lines = said.split(b"\r\n", commands + 2)[: commands + 2]
    if not lines[-1].startswith(b"-EXECABORT") or not all(one.startswith((b"+", b"-OOM ")) for one in lines[:-1]):
        return UNEXPECTED
    return begin + sum(len(one) + 2 for one in lines)


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
