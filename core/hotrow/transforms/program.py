"""Transforms as they run: one after another over the cells of some rows.

Cells are those of `hotrow.codec.kernel_decode`: words and lengths of 8 bytes and statuses of one, column by column, at
addresses that whoever calls keeps alive.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from hotrow.codec.cells import Block, address_of
from hotrow.codec.entity import int_table
from hotrow.codec.wire import Octets, Table
from hotrow.errors import Code, HotrowError
from hotrow.schema.transform import Source, Transform
from hotrow.transforms.kernel_cells import ARENA_AT, ARENA_FULL, ARENA_SIZE, ARENA_TOP, ARENA_USED

ColumnOf = Callable[[Source, str], int]
"""The number of the column that holds a field of a source."""

_ARENA_BYTES, _KEPT_BYTES = 64 << 10, 16 << 20  # of a thread: at first, and at most between runs
_LARGEST_ARENA = 1 << 30


class Step(Protocol):
    """One transform, compiled or not, that knows its columns."""

    def run(self, block: Block, arena: "Arena") -> None: ...


class Arena(threading.local):
    """Where a thread's transforms put the elements of lists, until the next `reset`."""

    def __init__(self) -> None:
        self._room: Octets = np.empty(_ARENA_BYTES, np.uint8)
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
            self._room = np.empty(_ARENA_BYTES, np.uint8)
        self._start()

    def retry(self) -> bool:
        """Whether a step must run again, because the elements of its lists did not fit: there is more room now.

        What steps before it have put here stays where it is. Raises EXHAUSTED beyond a gibibyte.
        """
        if not self._state[ARENA_FULL]:
            return False
        size = 4 * self._state[ARENA_SIZE]
        if size > _LARGEST_ARENA:
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
