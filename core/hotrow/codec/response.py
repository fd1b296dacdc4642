"""The reply of a read, from its rows: a kernel decodes them and writes the whole message.

Nothing in between is a Python object a value. Where a selection has transforms they run between the two halves.
"""

import threading
from typing import NamedTuple

import numpy as np

from hotrow.codec import kernel_reply as k
from hotrow.codec.cells import Block
from hotrow.codec.kernel_decode import UNKNOWN_SCHEMA
from hotrow.codec.lookup import Rows
from hotrow.codec.response_plan import ResponsePlan
from hotrow.codec.wire import Octets, Table
from hotrow.errors import Code, HotrowError

_KEPT_BYTES = 8 << 20  # what a thread keeps of its buffers between requests


class RowFaultError(Exception):
    """A stored row that the plan cannot decode: a number of `hotrow.codec.kernel_decode`, the view's, the row's."""

    def __init__(self, code: int, view: int, row: int) -> None:
        super().__init__(code, view, row)
        self.code, self.view, self.row = code, view, row

    @property
    def unknown_schema(self) -> bool:
        """Whether a layout for the row's schema may help."""
        return self.code == UNKNOWN_SCHEMA


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.scratch = np.empty(4096, np.int64)
        self.out = np.empty(65536, np.uint8)

    def take(self, places: int, room: int) -> tuple[Table, Octets]:
        """Buffers of at least these sizes; large ones are not kept."""
        scratch, out = self.scratch, self.out
        if places > len(scratch):
            scratch = np.empty(places, np.int64)
            if 8 * places <= _KEPT_BYTES:
                self.scratch = scratch
        if room > len(out):
            out = np.empty(room, np.uint8)
            if room <= _KEPT_BYTES:
                self.out = out
        return scratch, out


_buffers = _Buffers()


def write_response(plan: ResponsePlan, rows: Rows, n: int, now_us: int) -> bytes:
    """The reply's bytes from `n` rows of each view, view by view; raises RowFaultError. The plan has no transforms."""
    data, starts = rows.data, rows.starts
    places = (2 * plan.n_columns + plan.n_views) * n + k.DEPTH
    scratch, out = _buffers.take(places, _room(plan, rows, n))
    start = k.respond(data, starts, plan.defaults, plan.table, plan.constants, n, now_us, scratch, out)
    if start < 0 and start != k.NO_ROOM:
        raise RowFaultError(start, int(scratch[0]), int(scratch[1]))
    return _message(out, start)


def _message(out: Octets, start: int) -> bytes:
    if start == k.NO_ROOM:
        raise HotrowError(Code.INTERNAL, "the reply is larger than its buffer; report it with the request")
    return out[start:].tobytes()


def _room(plan: ResponsePlan, rows: Rows, n: int) -> int:
    """How large a reply can be whose strings and lists are those of the rows."""
    from_rows = int(rows.starts[-1]) + n * len(plan.defaults)
    return plan.n_columns * n * 24 + n * 8 * plan.n_views + plan.copies * from_rows + plan.slack


class Sent(NamedTuple):
    """Rows made of what the caller sent: row `i` is `data[starts[i] : starts[i + 1]]`; no starts where none are due."""

    data: Octets
    starts: Table


NOTHING_SENT = Sent(np.zeros(1, np.uint8), np.zeros(0, np.int64))


def transformed(plan: ResponsePlan, rows: Rows, sent: Sent, n: int, now_us: int) -> tuple[Table, Octets]:
    """Decode `n` rows of each view and run the transforms: the cells, for `write_cells`; raises RowFaultError."""
    width = plan.n_columns * n
    scratch, out = _buffers.take(2 * width + plan.n_views * n + k.DEPTH, width)
    fault = k.decode(rows.data, rows.starts, plan.defaults, plan.table, *sent, n, now_us, scratch, out)
    if fault < 0:
        raise RowFaultError(fault, int(scratch[0]), int(scratch[1]))
    assert plan.transforms is not None  # noqa: S101 - such a plan goes to `write_response`
    plan.transforms.run(block_of(plan, scratch, n))
    return scratch, out


def block_of(plan: ResponsePlan, scratch: Table, n: int) -> Block:
    """Where the cells are that `transformed` decodes into the first array that it returns."""
    width = plan.n_columns * n
    behind = 2 * width + plan.n_views * n
    cells, statuses, base = scratch[behind : behind + 3].tolist()
    return Block(cells, cells + 8 * width, statuses, base, n)


def write_cells(plan: ResponsePlan, rows: Rows, sent: Sent, cells: tuple[Table, Octets], n: int) -> bytes:
    """The reply's bytes from the cells that `transformed` gave, the other arguments being the same."""
    scratch, out = cells
    room = _room(plan, rows, n) + len(sent.data)
    start = k.encode(rows.data, plan.table, plan.constants, plan.made, room, n, scratch, out)
    if start < 0 and start != k.NO_ROOM:
        statuses = out[: plan.n_columns * n]
        _, out = _buffers.take(0, -start)
        out[: len(statuses)] = statuses
        start = k.encode(rows.data, plan.table, plan.constants, plan.made, room, n, scratch, out)
    return _message(out, start)
