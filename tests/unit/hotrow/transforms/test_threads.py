"""Threads that run one program at the same time: each has the memory of its own lists."""

import sys
import threading

import numpy as np
import pytest
from hotrow.codec.cells import Block
from hotrow.transforms.arena import Arena
from hotrow.transforms.kernel_cells import PRESENT
from hotrow.transforms.program import plan_program
from hotrow.transforms.values import new_cells
from hotrow.types import Array, Float64, Int64
from support.transforming import made

THREADS, ROUNDS, ROWS = 4, 60, 50
FLOATS = Array(Float64)


@pytest.fixture
def switching():
    """Threads change places far more often than they do of themselves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class _Rows:
    """The cells of one thread: a number and a list in, a list and a number out."""

    def __init__(self, thread):
        self._arena = Arena()
        self.cells, self._kept = new_cells(4, ROWS)
        self.lists = [np.arange(row % 7, dtype=np.float64) + 100 * thread for row in range(ROWS)]
        self.scales = [1000 * thread + row for row in range(ROWS)]
        for row, (values, scale) in enumerate(zip(self.lists, self.scales, strict=True)):
            self.cells.put(0, row, Int64, scale, self._arena)
            self.cells.put(1, row, FLOATS, values, self._arena)

    @property
    def block(self) -> Block:
        return self.cells.block

    def check(self):
        for row, (values, scale) in enumerate(zip(self.lists, self.scales, strict=True)):
            assert self.cells.statuses[2, row] == self.cells.statuses[3, row] == PRESENT
            np.testing.assert_array_equal(self.cells.value(2, row, FLOATS), values * scale)
            assert self.cells.value(3, row, Int64) == scale + len(values)


@pytest.mark.parametrize("mode", ["rows", "python"])
def test_threads_share_a_program(switching, mode):
    """The lists of a run stay as they are while others run, until this thread runs again."""
    one = made("def f(n, a):\n    return a * n, n + len(a)\n", "n:i a:Lf", "Lf i", mode=mode)
    program = plan_program([one], lambda source, name: ["n", "a", "out_0", "out_1"].index(name))
    together = threading.Barrier(THREADS)
    failures = []

    def run(thread):
        try:
            rows = _Rows(thread)
            for _ in range(ROUNDS):
                together.wait(60)
                program.run(rows.block)
                together.wait(60)  # all have run before anyone looks
                rows.check()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
