"""What a Redis server sends, which requests take their replies from where they were received."""

import numpy as np

from hotrow.codec.kernel_resp import INCOMPLETE
from hotrow.codec.wire import Octets
from hotrow.errors import HotrowError
from hotrow.redis.address import RedisAddress
from hotrow.redis.failure import away, said_by_server
from hotrow.stores.redis.request import Request

_FIRST_BYTES = 1 << 18
_KEPT_BYTES = 8 << 20
_LARGE_BYTES = 1 << 20
_TOLD_BYTES = 4096  # of what nobody expected


class Replies:
    """The bytes of one connection, from the first that belongs to no request yet on."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._received: Octets = np.empty(_FIRST_BYTES, np.uint8)
        self._begin = self._end = self._least = 0

    def clear(self) -> None:
        """Begin with another connection."""
        self._begin = self._end = self._least = 0

    @property
    def waiting(self) -> int:
        """Bytes that were received and not taken."""
        return self._end - self._begin

    def room(self) -> memoryview:
        """Where to receive to."""
        waiting, size = self.waiting, len(self._received)
        if not waiting:
            self._begin = self._end = 0
            if size > _KEPT_BYTES:
                self._received = np.empty(_FIRST_BYTES, np.uint8)
        elif size - self._end < size // 4:
            larger: Octets = np.empty(max(_FIRST_BYTES, 2 * waiting), np.uint8)
            larger[:waiting] = self._received[self._begin : self._end]
            self._received, self._begin, self._end = larger, 0, waiting
        return self._received.data[self._end :]

    def filled(self, count: int) -> None:
        """So many bytes have come."""
        self._end += count

    def take(self, request: Request) -> bool:
        """Have the request that is answered first take its replies, False while they are not all there; raises
        HotrowError.

        A request looks through all that is there each time, which of a large reply in small pieces would be often. So
        while less than twice as much is there as at the last look, it is taken only where a line ends: within one more
        has to come. Twice as much is looked at in any case, for what has come may be that of many requests.
        """
        if self.waiting < self._least and self._received[self._end - 2 : self._end].tobytes() != b"\r\n":
            return False
        at = request.take(self._received, self._begin, self._end)
        self._least = 2 * self.waiting if at == INCOMPLETE and self.waiting > _LARGE_BYTES else 0
        if at == INCOMPLETE:
            return False
        if at < 0:
            raise self._unexpected()
        self._begin = at
        return True

    def _unexpected(self) -> HotrowError:
        """What stands in place of the replies, which is an error of Redis as a rule."""
        said = self._received[self._begin : min(self._end, self._begin + _TOLD_BYTES)].tobytes()
        errors = [line[1:] for line in said.split(b"\r\n") if line.startswith(b"-")]
        if errors:
            return said_by_server(self._address, errors[0].decode(errors="replace"))
        return away(self._address, "its reply is not one to a read")
