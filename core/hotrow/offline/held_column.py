"""A column in the pieces in which it came, of which rows are taken in another order."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hotrow.codec.cells import address_of
from hotrow.codec.kernel_gather import gather_values
from hotrow.codec.wire import Octets, Table

_MANY = 64
"""From so many pieces on it takes longer to look each up than to join them once."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where rows of a column in pieces are: the number of each row in the whole, and of its piece; `starts` has the
    number of the first row of every piece.
    """

    rows: Table
    pieces: Table
    starts: Table


def places_of(rows: Table, starts: Table) -> Places:
    """The places of rows that have these numbers."""
    return Places(rows, np.searchsorted(starts, rows, side="right") - 1, starts)


class HeldColumn:
    """Grows by pieces. Values of a fixed width are taken from where they came; others are joined first.

    To join two million numbers takes longer than to take them: it is memory that nothing has used before.
    """

    def __init__(self, type_: pa.DataType) -> None:
        self._type = type_
        self._width = type_.byte_width if pa.types.is_primitive(type_) and not pa.types.is_boolean(type_) else 0
        self._pieces: list[pa.Array] = []
        self._valid: list[Octets] | None = None

    @property
    def nbytes(self) -> int:
        return sum(piece.nbytes for piece in self._pieces)

    def add(self, piece: pa.Array) -> None:
        """Hold so many rows more."""
        self._pieces.append(piece)
        self._valid = None

    def whole(self) -> pa.Array:
        """All rows, in the order in which they came."""
        return pa.concat_arrays(self._pieces) if len(self._pieces) != 1 else self._pieces[0]

    def take(self, places: Places) -> pa.Array:
        """Some of the rows, in the order given."""
        if not self._width or len(self._pieces) > _MANY:
            self._pieces, self._width = [self.whole()], 0
            return self._pieces[0].take(pa.array(places.rows))
        values = [piece.buffers()[1].address + self._width * piece.offset for piece in self._pieces]
        buffers = [self._validity(places), pa.py_buffer(_gathered(places, values, self._width))]
        return pa.Array.from_buffers(self._type, len(places.rows), buffers)

    def keep(self, places: Places) -> None:
        """Hold these rows alone, in one piece."""
        self._pieces = [self.take(places)]
        self._valid = None

    def _validity(self, places: Places) -> pa.Buffer | None:
        if self._valid is None:
            some = any(piece.null_count for piece in self._pieces)
            masks = (piece.is_valid().to_numpy(zero_copy_only=False) for piece in self._pieces if some)
            self._valid = [mask.view(np.uint8) for mask in masks]
        if not self._valid:
            return None
        taken = _gathered(places, list(map(address_of, self._valid)), 1)
        return pa.array(taken.view(np.bool_)).buffers()[1]


def _gathered(places: Places, values: list[int], width: int) -> Octets:
    """Values of a width, of pieces whose values are at these addresses."""
    out: Octets = np.empty(width * len(places.rows), np.uint8)
    gather_values(places.rows, places.pieces, np.array(values, np.int64) - width * places.starts, width, out)
    return out
