"""Transforms as they run: one after another over the cells of some rows.

Cells are those of `hotrow.codec.kernel_decode`: words and lengths of 8 bytes and statuses of one, column by column, at
addresses that whoever calls keeps alive.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from hotrow.codec.cells import Block, address_of
from hotrow.codec.entity import int_table
from hotrow.codec.wire import Table
from hotrow.schema.transform import Source, Transform
from hotrow.transforms.arena import Arena

ColumnOf = Callable[[Source, str], int]
"""The number of the column that holds a field of a source."""


class Step(Protocol):
    """One transform, compiled or not, that knows its columns."""

    def run(self, block: Block, arena: Arena) -> None: ...


_arena = Arena()


class Program:
    """Steps in an order in which each finds its inputs made. Threads may share it."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)

    def run(self, block: Block) -> None:
        """Fill the columns of all outputs. Lists stay in memory until this thread runs a program again."""
        _arena.reset()
        for step in self._steps:
            step.run(block, _arena)


def plan_program(transforms: Sequence[Transform], column_of: ColumnOf) -> Program:
    """The program of some transforms, given in an order in which each follows those it takes.

    Compiles what is not compiled yet; raises INVALID for a function that cannot be.
    """
    return Program([_step(transform, column_of) for transform in transforms])


def _step(transform: Transform, column_of: ColumnOf) -> Step:
    inputs = [column_of(one.source, one.field.name) for one in transform.inputs]
    outputs = [column_of(transform, output.name) for output in transform.fields]
    if transform.mode == "rows":
        from hotrow.transforms.compile import compiled_rows  # noqa: PLC0415 - other modes need no compiler

        return RowStep(compiled_rows(transform), int_table([*inputs, *outputs]))
    if transform.mode == "columns":
        from hotrow.transforms.column_step import ColumnStep  # noqa: PLC0415

        return ColumnStep(transform, inputs, outputs)
    from hotrow.transforms.python_step import PythonStep  # noqa: PLC0415

    return PythonStep(transform, inputs, outputs)


class RowStep:
    """A compiled loop; `table` has the numbers of its columns."""

    def __init__(self, loop: Callable[..., int], table: Table) -> None:
        self._loop = loop
        self._table = table
        self._at = address_of(table)

    def run(self, block: Block, arena: Arena) -> None:
        loop, (cells, lengths, statuses, base, n) = self._loop, block
        if loop(cells, lengths, statuses, base, n, self._at, arena.at):
            while arena.retry():
                loop(cells, lengths, statuses, base, n, self._at, arena.at)
