"""What producers and readers in several processes know of one another: numbers in a file that all of them map.

A producer notes a stamp as sent before it sends the push, and as acknowledged after the reply. Numbers of 8 bytes,
aligned, are read and written whole, and in order, by the processors that this runs on.
"""

from pathlib import Path

import numpy as np

from .trip import GROUPS, PRODUCERS

_SLOTS = 64
_STOP = 0


class Board:
    """`sent[group, producer]` and `acknowledged[group, producer]` are stamps, `done[slot]` counts a thread's calls."""

    def __init__(self, path: Path) -> None:
        cells = GROUPS * PRODUCERS
        whole = np.memmap(path, np.int64, "r+" if path.exists() else "w+", shape=(2 * cells + _SLOTS + 1,))
        self.sent = whole[:cells].reshape(GROUPS, PRODUCERS)
        self.acknowledged = whole[cells : 2 * cells].reshape(GROUPS, PRODUCERS)
        self.done = whole[2 * cells : 2 * cells + _SLOTS]
        self._flags = whole[-1:]

    @property
    def stopping(self) -> bool:
        return bool(self._flags[_STOP])

    def stop(self) -> None:
        self._flags[_STOP] = 1
