"""The parts of a read that go to the nodes of a cluster, and what brings them together."""

import threading
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from hotrow import clock
from hotrow.codec.kernel_resp import take_values
from hotrow.codec.kernel_slot import COMMAND_WIDTH, find_part, lay_out, part_bytes, take_part
from hotrow.codec.lookup import Rows, Wanted
from hotrow.codec.wire import Octets, Table
from hotrow.errors import HotrowError
from hotrow.stores.port import Done


class Redirects(Protocol):
    """Who knows what to do about a part that a node did not answer as it was asked."""

    def ask_topology(self) -> None:
        """A node does not answer."""

    def redirect(self, part: "Part", errors: Mapping[int, str]) -> None:
        """It answered commands, by their place in the part, with errors."""


class Gathered:
    """A read whose rows come in parts. `found` and `starts` are those of `find_values`; parts fill their own places."""

    def __init__(self, wanted: Wanted, n: int, sent: Octets, done: Done) -> None:
        count = len(wanted.view_ids) * n
        self.wanted = wanted
        self.n = n
        self.sent = sent
        self.found: Table = np.empty(count, np.int64)
        self.starts: Table = np.empty(count + 1, np.int64)
        self.kept: list[Octets] = []
        self.parts = 0
        self._left = 0
        self._ended = False
        self._done = done
        self._lock = threading.Lock()

    def expect(self, parts: int) -> None:
        """More parts are on their way; told before any of them can come."""
        with self._lock:
            self.parts += parts
            self._left += parts

    def arrived(self, rows: Rows | None = None) -> None:
        """A part is there; the only one of a read may bring all rows."""
        with self._lock:
            self._left -= 1
            last = self._left == 0 and not self._ended
        if last:
            self._done(rows if rows is not None else self.laid_out())

    def fail(self, error: HotrowError) -> None:
        """End the read, which has one end."""
        with self._lock:
            ended, self._ended = self._ended, True
        if not ended:
            self._done(error)

    def laid_out(self) -> Rows:
        """All rows, brought together from where they are."""
        data: Octets = np.empty(max(1, lay_out(self.starts)), np.uint8)
        take_values(self.found, self.starts, data)
        return Rows(data, self.starts)


class Part:
    """The commands of a read that go to one `node` together: a table as `hotrow.codec.kernel_slot` has it."""

    def __init__(
        self,
        redirects: Redirects,
        whole: Gathered,
        commands: Table,
        node: str = "",
        *,
        asking: bool = False,
        hops: int = 0,
    ) -> None:
        self.since_s = clock.monotonic_s()
        self.whole = whole
        self.commands = commands
        self.node = node
        self.hops = hops
        self._redirects = redirects
        self._asking = asking
        self._rows: Rows | None = None
        self._errors: dict[int, str] = {}

    def take(self, received: Octets, begin: int, end: int) -> int:
        whole, failed = self.whole, np.empty(len(self.commands) // COMMAND_WIDTH, np.int64)
        table, n = whole.wanted.table, whole.n
        at: int = find_part(
            received, begin, end, table, n, self.commands, int(self._asking), whole.found, whole.starts, failed
        )
        if at < 0:
            return at
        if failed.max() >= 0:
            self._errors = {int(i): _line(received, int(failed[i]), at) for i in np.flatnonzero(failed >= 0)}
        elif whole.parts == 1:
            self._rows = whole.laid_out()  # from where they were received
            return at
        rows: Octets = np.empty(max(1, part_bytes(table, n, self.commands, whole.starts)), np.uint8)
        take_part(table, n, self.commands, whole.found, whole.starts, rows)
        whole.kept.append(rows)
        return at

    def end(self, error: HotrowError | None) -> None:
        if error is not None:
            self._redirects.ask_topology()
            self.whole.fail(error)
        elif self._errors:
            self._redirects.redirect(self, self._errors)
        else:
            self.whole.arrived(self._rows)


def _line(received: Octets, start: int, end: int) -> str:
    """An error, without what marks it as one."""
    return received[start + 1 : min(end, start + 4096)].tobytes().partition(b"\r\n")[0].decode(errors="replace")
