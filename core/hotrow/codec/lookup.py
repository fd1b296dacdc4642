"""What a read asks of a store and what it gets: keys and rows in buffers, without a Python object a key or a row."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hotrow.codec.wire import Octets, Table

_VIEW = struct.Struct("<8sq")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The views of a read, made once for a selection: view `i` is read with the keys of key set `sets[i]`.

    `table` is the same for kernels: two words a view, its id's bytes and its key set.
    """

    view_ids: tuple[bytes, ...]
    sets: tuple[int, ...]
    table: bytes


@dataclass(slots=True)
class Keys:
    """`n` entity keys of each key set. Key `r` of set `s` is `data[offsets[s * n + r] : offsets[s * n + r + 1]]`.

    Not to be changed; not frozen either, which would cost every request 0.5 us.
    """

    data: Octets
    offsets: Table
    n: int

    def one(self, key_set: int, row: int) -> bytes:
        """One key."""
        place = key_set * self.n + row
        return self.data[self.offsets[place] : self.offsets[place + 1]].tobytes()


@dataclass(slots=True)
class Rows:
    """Stored rows, view by view: row `i` is `data[starts[i] : starts[i + 1]]`, empty where there is none.

    Valid until this thread reads again. Not to be changed, see `Keys`.
    """

    data: Octets
    starts: Table

    def one(self, place: int) -> bytes:
        """One row."""
        return self.data[self.starts[place] : self.starts[place + 1]].tobytes()

    def listed(self) -> list[bytes]:
        """Every row."""
        return [self.one(place) for place in range(len(self.starts) - 1)]


def wanted_views(view_ids: Sequence[bytes], sets: Sequence[int]) -> Wanted:
    """The views of a read, of key set `sets[i]` each."""
    table = b"".join(_VIEW.pack(view_id, number) for view_id, number in zip(view_ids, sets, strict=True))
    return Wanted(tuple(view_ids), tuple(sets), table)


def keys_from_lists(sets: Sequence[Sequence[bytes]]) -> Keys:
    """Keys of one or more sets, each of as many."""
    keys = [key for one in sets for key in one]
    return Keys(_joined(keys), _starts(keys), len(sets[0]) if sets else 0)


def rows_from_list(rows: Sequence[bytes]) -> Rows:
    """Rows that a store has as objects."""
    return Rows(_joined(rows), _starts(rows))


def _joined(parts: Sequence[bytes]) -> Octets:
    return np.frombuffer(bytearray().join(parts) or bytearray(1), np.uint8)


def _starts(parts: Iterable[bytes]) -> Table:
    starts = np.zeros(1, np.int64)
    return np.concatenate((starts, np.cumsum([len(part) for part in parts], dtype=np.int64)))
