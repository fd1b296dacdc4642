"""Which node of a cluster has which partitions, whether it has lost them, and what is left of nodes without any."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotrow import clock
from hotrow.codec.lookup import Rows, wanted_views
from hotrow.codec.wire import Table
from hotrow.errors import HotrowError
from hotrow.redis.client import packed
from hotrow.stores.cluster.part import Gathered, Part
from hotrow.stores.redis.check import Asked, StoreCheck
from hotrow.stores.redis.read import RowReader
from hotrow.stores.redis.request import Request

_IDENTITY = wanted_views([b"id", b"epoch"], [0, 0])  # fields are read as rows are


@dataclass(frozen=True, slots=True)
class Routes:
    """Who has what: `owners[p]` is the place in `nodes` and `readers` of the node of partition `p`, and, behind the
    partitions, of that of the root. The last of the readers stands for no node, and fails.
    """

    nodes: tuple[str, ...]
    readers: tuple[Any, ...]
    owners: Table

    def of(self, node: str) -> list[int]:
        """What a node has."""
        return np.flatnonzero(self.owners == self.nodes.index(node)).tolist() if node in self.nodes else []


class Nobody:
    """Where a partition has no node."""

    def __init__(self, error: HotrowError) -> None:
        self._error = error

    def enqueue(self, _data: memoryview, request: Request) -> bool:
        """As that of a reader without a connection."""
        request.end(self._error)
        return False


class Leaving:
    """Readers of nodes that have no slots any more, for one thread to close: `after_s` after they have left, when no
    thread uses routes of before any more, and as soon as nothing is under way.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._readers: list[tuple[float, RowReader]] = []

    @property
    def readers(self) -> list[RowReader]:
        """Those that are not closed yet."""
        return [reader for _, reader in self._readers]

    @property
    def due_s(self) -> float:
        """When there is something to do, by the monotonic clock."""
        return min((when_s for when_s, _ in self._readers), default=math.inf)

    def add(self, readers: Sequence[RowReader]) -> None:
        """They have left."""
        when_s = clock.monotonic_s() + self._after_s
        self._readers += [(when_s, reader) for reader in readers]

    def close_due(self) -> None:
        """Close those whose time has come."""
        now_s = clock.monotonic_s()
        due = [reader for when_s, reader in self._readers if when_s <= now_s]
        self._readers = [one for one in self._readers if one[0] > now_s]
        for reader in due:
            if reader.busy:
                self.add([reader])
            else:
                reader.close()


class NodeCheck(StoreCheck):
    """Of a node of a cluster: each time in another of the `metas` that it has. Where it has that no more, `moved` is
    called.
    """

    def __init__(
        self,
        metas: Callable[[], Sequence[bytes]],
        moved: Callable[[], None],
        identity: tuple[bytes, bytes],
        error: HotrowError,
    ) -> None:
        super().__init__(b"", b":".join(identity), error)
        self._metas = metas
        self._moved = moved
        self._turn = 0

    def ask_topology(self) -> None:
        """As `hotrow.stores.cluster.part.Redirects` says: the next read tells of the connection."""

    def redirect(self, _part: Part, _errors: Mapping[int, str]) -> None:
        """As `hotrow.stores.cluster.part.Redirects` says."""
        self._moved()

    def _send(self, connection: Asked) -> None:
        metas = self._metas()
        if not metas:
            return
        self._turn = (self._turn + 1) % len(metas)
        (command,) = packed([("HMGET", metas[self._turn], "id", "epoch")])
        whole = Gathered(_IDENTITY, 1, np.frombuffer(command, np.uint8), self._answered)
        whole.expect(1)
        if connection.enqueue(memoryview(command), Part(self, whole, np.array([0, 0, len(command)]))):
            connection.send()

    def _found(self, rows: Rows) -> bytes:
        return rows.one(0) + b":" + rows.one(1)
