"""Transforms that are not compiled: Python calls the function, row by row."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hotrow.codec.cells import Block
from hotrow.schema.transform import Transform
from hotrow.transforms.arena import Arena
from hotrow.transforms.function import plain
from hotrow.transforms.kernel_cells import PRESENT, TRANSFORM_ERROR, worse
from hotrow.transforms.values import Cells, UnfitValueError


class PythonStep:
    """A transform of the mode "python"; `inputs` and `outputs` are the numbers of its columns."""

    def __init__(self, transform: Transform, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self._transform = transform
        self._function: Callable[..., Any] = plain(transform.code)
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)

    def run(self, block: Block, arena: Arena) -> None:
        """Call the function for each row; a row that raises, or returns what the outputs do not take, is an error."""
        cells = Cells(block, max((*self._inputs, *self._outputs)) + 1)
        with np.errstate(all="ignore"):  # NaN and infinity are values
            for row in range(block.n):
                status = worst(needed_statuses(self._transform, self._inputs, cells, row))
                if status == PRESENT and self._call(cells, row, arena):
                    continue
                for column in self._outputs:
                    cells.fail(column, row, TRANSFORM_ERROR if status == PRESENT else status)

    def _call(self, cells: Cells, row: int, arena: Arena) -> bool:
        try:
            returned = self._function(*arguments(self._transform, self._inputs, cells, row))
            values = values_of(returned, len(self._outputs))
            for column, output, value in zip(self._outputs, self._transform.fields, values, strict=True):
                cells.put(column, row, output.type, value, arena)
        except Exception:  # noqa: BLE001 - whatever the function of a user raises is this row's error
            return False
        return True


def values_of(returned: Any, count: int) -> tuple[Any, ...]:
    """The value of each output in what a function returned; None is null for all. Raises for no tuple of as many."""
    if count == 1 or returned is None:
        return (returned,) * count
    if not isinstance(returned, tuple):
        raise UnfitValueError(f"{returned!r} is no tuple of {count} values")
    return returned


def arguments(transform: Transform, columns: Sequence[int], cells: Cells, row: int) -> list[Any]:
    """What the function is called with for a row."""
    return [
        int(cells.statuses[column, row]) != PRESENT if one.is_mask else cells.value(column, row, one.field.type)
        for one, column in zip(transform.inputs, columns, strict=True)
    ]


def needed_statuses(transform: Transform, columns: Sequence[int], cells: Cells, row: int) -> Iterator[int]:
    """The statuses of the inputs that the function does not ask a mask for."""
    for one, column in zip(transform.inputs, columns, strict=True):
        if not one.is_mask and one.parameter not in transform.masked:
            yield int(cells.statuses[column, row])


def worst(statuses: Iterator[int]) -> int:
    """The status of a row that needs several values, as compiled code has it."""
    status = PRESENT
    for other in statuses:
        status = worse(status, other)  # type: ignore[no-untyped-call]
    return status
