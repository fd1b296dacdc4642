"""Memory for the strings and lists that transforms make, one for each thread."""

import threading

import numpy as np

from hotrow.codec.cells import address_of
from hotrow.codec.wire import Octets, Table
from hotrow.errors import Code, HotrowError
from hotrow.transforms.kernel_cells import ARENA_AT, ARENA_FULL, ARENA_SIZE, ARENA_TOP, ARENA_USED

_FIRST_BYTES, _KEPT_BYTES = 64 << 10, 16 << 20  # at first, and at most between runs
_MOST_BYTES = 1 << 30


class Arena(threading.local):
    """Where a thread's transforms put the elements of lists, until the next `reset`."""

    def __init__(self) -> None:
        self._room: Octets = np.empty(_FIRST_BYTES, np.uint8)
        self._words: Table = np.zeros(5, np.int64)
        self._state = memoryview(self._words)  # type: ignore[arg-type]  # quicker than the array, number by number
        self.at = address_of(self._words)
        self._start()

    def reset(self) -> None:
        """Forget what was put here."""
        if len(self._buffers) == 1:
            self._state[ARENA_USED] = 0
            return
        if len(self._room) > _KEPT_BYTES:
            self._room = np.empty(_FIRST_BYTES, np.uint8)
        self._start()

    def retry(self) -> bool:
        """Whether a step must run again, because the elements of its lists did not fit: there is more room now.

        What steps before it have put here stays where it is. Raises EXHAUSTED beyond a gibibyte.
        """
        if not self._state[ARENA_FULL]:
            return False
        size = 4 * self._state[ARENA_SIZE]
        if size > _MOST_BYTES:
            raise HotrowError(Code.EXHAUSTED, "the lists of transforms take more than a gibibyte; ask for fewer rows")
        self._room = np.empty(size, np.uint8)
        self._buffers.append(self._room)
        self._use(self._room)
        return True

    def put(self, data: bytes) -> int:
        """Keep some bytes; returns their address."""
        held = np.frombuffer(data or b"\0", np.uint8)
        self._buffers.append(held)
        return address_of(held)

    def _start(self) -> None:
        # The largest room stays: who runs block after block would otherwise run each one again and again, to find room.
        self._buffers: list[Octets] = [self._room]
        self._use(self._room)

    def _use(self, buffer: Octets) -> None:
        state = self._state
        state[ARENA_AT], state[ARENA_SIZE] = address_of(buffer), len(buffer)
        state[ARENA_USED] = state[ARENA_FULL] = state[ARENA_TOP] = 0
