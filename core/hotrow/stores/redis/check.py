"""Whether the server of a connection still has the store: one that was emptied answers as if nothing had been there."""

from typing import Protocol

from hotrow import clock
from hotrow.codec.lookup import Keys, Rows, Wanted, keys_from_lists, wanted_views
from hotrow.errors import HotrowError
from hotrow.stores.port import Done
from hotrow.stores.redis.request import Request

_EVERY_S = 1.0
_IDENTITY, _META = wanted_views([b"identity"], [0]), keys_from_lists([[b"meta"]])  # a field is read as rows are


class Asked(Protocol):
    """The connection: `hotrow.stores.redis.read.RowReader`."""

    def read(self, prefix: bytes, wanted: Wanted, keys: Keys, done: Done) -> None: ...

    def enqueue(self, data: memoryview, request: Request) -> bool: ...

    def send(self) -> None: ...


class StoreCheck:
    """Asks a connection every second for the store's identity, in the order of its reads.

    With another one than `expected`, `lost` is the error of all calls. Where that is None nothing is asked: of a store
    that an older version made and no writer has opened since.
    """

    def __init__(self, prefix: bytes, expected: bytes | None, error: HotrowError) -> None:
        self._prefix = prefix
        self._expected = expected
        self._error = error
        self._asked_s = 0.0
        self.lost: HotrowError | None = None

    def begin(self) -> None:
        """There is a connection to the right store."""
        self._asked_s = clock.monotonic_s()
        self.lost = None

    def ask(self, connection: Asked) -> None:
        """Ask, if it is time to."""
        now_s = clock.monotonic_s()
        if now_s - self._asked_s > _EVERY_S and self._expected is not None:
            self._asked_s = now_s
            self._send(connection)

    def _send(self, connection: Asked) -> None:
        connection.read(self._prefix, _IDENTITY, _META, self._answered)

    def _found(self, rows: Rows) -> bytes:
        return rows.one(0)

    def _answered(self, outcome: Rows | HotrowError) -> None:
        if isinstance(outcome, Rows) and self._found(outcome) != self._expected:
            self.lost = self._error
