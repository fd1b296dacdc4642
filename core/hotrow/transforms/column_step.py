"""Transforms of whole columns: the function is compiled, and takes and returns NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hotrow.codec.cells import Block
from hotrow.schema.transform import Transform
from hotrow.transforms.arena import Arena
from hotrow.transforms.compile import compiled_columns
from hotrow.transforms.kernel_cells import PRESENT, TRANSFORM_ERROR
from hotrow.transforms.python_step import needed_statuses, worst
from hotrow.transforms.values import Cells
from hotrow.types import BOOL, FLOAT32, FLOAT64, INT32, ValueType

Column = npt.NDArray[Any]
_INT32 = np.iinfo(np.int32)


class ColumnStep:
    """A transform of the mode "columns"; `inputs` and `outputs` are the numbers of its columns."""

    def __init__(self, transform: Transform, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self._transform = transform
        self._function = compiled_columns(transform)
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)

    def run(self, block: Block, arena: Arena) -> None:
        """Call the function with the rows that have what it needs; where it raises, with halves of them."""
        del arena
        cells = Cells(block, max((*self._inputs, *self._outputs)) + 1)
        status = self._statuses(cells)
        rows = np.flatnonzero(status == PRESENT)
        for column in self._outputs:
            cells.words[column] = cells.lengths[column] = 0
            cells.statuses[column] = status
        waiting = [rows] if len(rows) else []
        while waiting:  # rows that raise are found by halves, so that one of many costs little
            rows = waiting.pop()
            if self._call(cells, rows):
                continue
            if len(rows) == 1:
                cells.statuses[list(self._outputs), rows[0]] = TRANSFORM_ERROR
            else:
                waiting += [rows[: len(rows) // 2], rows[len(rows) // 2 :]]

    def _statuses(self, cells: Cells) -> npt.NDArray[np.uint8]:
        needed = [
            cells.statuses[column]
            for one, column in zip(self._transform.inputs, self._inputs, strict=True)
            if not one.is_mask and one.parameter not in self._transform.masked
        ]
        status = np.full(cells.block.n, PRESENT, np.uint8)
        for row in np.flatnonzero(np.any([one != PRESENT for one in needed], axis=0)) if needed else ():
            status[row] = worst(needed_statuses(self._transform, self._inputs, cells, int(row)))
        return status

    def _call(self, cells: Cells, rows: npt.NDArray[np.intp]) -> bool:
        taken = [
            cells.statuses[column, rows] != PRESENT
            if one.is_mask
            else _array(np.ascontiguousarray(cells.words[column, rows]), one.field.type)
            for one, column in zip(self._transform.inputs, self._inputs, strict=True)
        ]
        try:
            returned = self._function(*taken)
            values = (returned,) if len(self._outputs) == 1 else returned
            packed = [
                _words(np.asarray(v), o.type, len(rows)) for v, o in zip(values, self._transform.fields, strict=True)
            ]
        except Exception:  # noqa: BLE001 - whatever the function of a user raises is an error of its rows
            return False
        for column, words in zip(self._outputs, packed, strict=True):
            cells.words[column, rows] = words
            cells.statuses[column, rows] = PRESENT
        return True


def _array(words: npt.NDArray[np.int64], type_: ValueType) -> Column:
    if type_.kind == FLOAT64:
        return words.view(np.float64)
    if type_.kind == FLOAT32:
        return words.astype(np.int32).view(np.float32).astype(np.float64)
    return words != 0 if type_.kind == BOOL else words


def _words(values: Column, type_: ValueType, n: int) -> npt.NDArray[np.int64]:
    """The words of a column that a function returned; raises for what the output does not take."""
    if values.shape != (n,):
        raise ValueError(f"a column of shape {values.shape}, and there are {n} rows")
    kind, held = type_.kind, values.dtype.kind
    if kind == BOOL:
        if held != "b":
            raise TypeError("a column of another type than the output")
        return values.astype(np.int64)
    if held not in "fi":
        raise TypeError("a column of another type than the output")
    if kind == FLOAT64:
        return values.astype(np.float64).view(np.int64)
    if kind == FLOAT32:
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float32)
        if (np.isinf(narrow) & np.isfinite(values)).any():
            raise OverflowError("a number beyond the range of a float of 32 bits")
        return narrow.view(np.int32).astype(np.int64)
    if held != "i":
        raise TypeError("a column of another type than the output")
    if kind == INT32 and len(values) and not (_INT32.min <= values.min() and values.max() <= _INT32.max):
        raise OverflowError("an integer leaves 32 bits")
    return values.astype(np.int64)
