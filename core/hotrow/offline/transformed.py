"""Transforms over Arrow columns, for training sets: the same compiled code as in reads, block by block.

A block of rows is put into cells that fit a processor's cache, the program runs over them, and its outputs are taken
out as Arrow again. Strings and lists are not copied on the way in: a cell points into Arrow's memory.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.codec.cells import Block, address_of
from hotrow.codec.layout import is_variable
from hotrow.codec.wire import Octets, Table
from hotrow.offline.cell_column import CellColumn
from hotrow.registry.needed import Needed
from hotrow.transforms.kernel_cells import NULL_VALUE, PRESENT, TRANSFORM_ERROR
from hotrow.transforms.program import Program, plan_program
from hotrow.transforms.raised import Raised, raised_in
from hotrow.transforms.values import Cells, list_bytes
from hotrow.types import BOOL, BYTES, NUMPY_NAMES, STRING, ValueType

_BLOCK_ROWS = 1 << 13
_TEXTS = (STRING, BYTES)

Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Computation:
    """The transforms of a selection, and how many rows were errors of each, by name, with the first of them."""

    needed: Needed
    program: Program
    errors: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Raised] = field(default_factory=dict)

    def run(self, given: Mapping[int, pa.Array], rows: int) -> dict[int, pa.Array]:
        """The columns of the outputs by number, from those of views and of the caller."""
        sources = {number: _open(given[number], one.type) for number, one in self.needed.given.items()}
        made = {number: CellColumn(output.type, rows) for number, output in self.needed.outputs.items()}
        cells = _Cells(len(self.needed.columns), min(rows, _BLOCK_ROWS))
        for start in range(0, rows, _BLOCK_ROWS):
            n = min(_BLOCK_ROWS, rows - start)
            for number, source in sources.items():
                source.fill(cells, number, start, n)
            self.program.run(cells.block(n))
            for number, column in made.items():
                place = slice(number * n, number * n + n)
                column.take(cells.words[place], cells.lengths[place], cells.statuses[place], start)
            self._count_errors(cells, n)
        return {number: column.finish() for number, column in made.items()}

    def warnings(self) -> list[str]:
        """A line for each transform that raised for rows."""
        return [
            f"transform {name!r}: {rows} rows raise, or take a value of one that does, and are null; the first: "
            f"{self.examples[name].reason}"
            for name, rows in self.errors.items()
        ]

    def _count_errors(self, cells: "_Cells", n: int) -> None:
        for transform in self.needed.transforms:
            number = self.needed.column_of(transform, transform.fields[0].name)
            rows = int(np.count_nonzero(cells.statuses[number * n : number * n + n] == TRANSFORM_ERROR))
            if not rows:
                continue
            self.errors[transform.name] += rows
            if transform.name not in self.examples:
                held = Cells(cells.block(n), len(self.needed.columns))
                (self.examples[transform.name],) = raised_in([transform], self.needed.column_of, held)


def plan_computation(needed: Needed) -> Computation:
    """The computation of a selection with transforms; raises INVALID as compiling does."""
    return Computation(needed, plan_program(needed.transforms, needed.column_of))


class _Cells:
    def __init__(self, columns: int, rows: int) -> None:
        self._columns = columns
        self.words: Table = np.zeros(columns * rows + 1, np.int64)
        self.lengths: Table = np.zeros(columns * rows + 1, np.int64)
        self.statuses: Octets = np.zeros(columns * rows + 1, np.uint8)

    def block(self, n: int) -> Block:
        return Block(address_of(self.words), address_of(self.lengths), address_of(self.statuses), 0, n)


class _Source:
    """An input column: its words, and of strings and lists the lengths; words are then addresses.

    `held` is the memory that they are in, where it is not Arrow's.
    """

    def __init__(
        self,
        valid: npt.NDArray[np.bool_] | None,
        words: npt.NDArray[Any],
        lengths: Table | None = None,
        held: Bytes | None = None,
    ) -> None:
        self._valid = valid
        self._words = words
        self._lengths = lengths
        self._held = held

    def fill(self, cells: _Cells, number: int, start: int, n: int) -> None:
        place, there = slice(number * n, number * n + n), slice(start, start + n)
        words, statuses = cells.words[place], cells.statuses[place]
        words[:] = self._words[there]
        if self._lengths is not None:
            cells.lengths[place] = self._lengths[there]
        statuses[:] = PRESENT
        if self._valid is not None:
            null = ~self._valid[there]
            words[null] = 0
            cells.lengths[place][null] = 0
            statuses[null] = NULL_VALUE


def _open(array: pa.Array, type_: ValueType) -> _Source:
    valid = None if not array.null_count else pc.is_valid(array).to_numpy(zero_copy_only=False)
    kind = type_.kind
    if kind == BOOL:
        return _Source(valid, pc.fill_null(array, False).to_numpy(zero_copy_only=False))
    if not is_variable(type_):
        return _Source(valid, _fixed(array, f"<i{_width(kind)}"))  # the bits of floats
    if type_.element_kind in _TEXTS and type_.is_list:
        return _text_lists(array, type_, valid)
    offsets = _fixed_buffer(array.buffers()[1], "<i8")[array.offset : array.offset + len(array) + 1]
    if not type_.is_list:
        data = array.buffers()[2]
        return _Source(valid, offsets[:-1] + (data.address if data else 0), np.diff(offsets))
    element = type_.element_kind
    values = array.values
    if element == BOOL:
        held = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.uint8)
        return _Source(valid, offsets[:-1] + address_of(held), np.diff(offsets), held)
    width = _width(element)
    at = (values.buffers()[1].address if len(values) else 0) + width * values.offset
    return _Source(valid, width * offsets[:-1] + at, width * np.diff(offsets))


def _text_lists(array: pa.Array, type_: ValueType, valid: npt.NDArray[np.bool_] | None) -> _Source:
    """Lists of strings have in a row a form of their own."""
    parts = [list_bytes(type_, value or ()) for value in array.to_pylist()]
    held = np.frombuffer(b"".join(parts) or b"\0", np.uint8)
    lengths = np.array([len(part) for part in parts], np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)[:-1]]) if parts else lengths
    return _Source(valid, starts + address_of(held), lengths, held)


def _fixed(array: pa.Array, dtype: str) -> npt.NDArray[Any]:
    return _fixed_buffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]


def _fixed_buffer(buffer: pa.Buffer | None, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(buffer, dtype) if buffer is not None and buffer.size else np.zeros(1, dtype)


def _width(kind: int) -> int:
    """Bytes of a value."""
    return np.dtype(NUMPY_NAMES[kind]).itemsize
