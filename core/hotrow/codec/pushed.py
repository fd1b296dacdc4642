"""The rows of a push, from the columns of the request to entity keys and stored rows."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hotrow.codec.block import RowBlock
from hotrow.codec.cells import address_of
from hotrow.codec.entity import byte_table, int_table
from hotrow.codec.fault import Expected, request_fault
from hotrow.codec.kernel_block import encode_many_rows
from hotrow.codec.kernel_gather import gather
from hotrow.codec.kernel_row import (
    HEADER,
    NO_DEFAULT,
    NULL_DEFAULT,
    OUT_END,
    OUT_ENTRY,
    OUT_FAULT,
    OUT_KEY,
    OUT_ROW,
    OUT_WIDTH,
    TOMBSTONE,
    VIEW_BYTES,
    encode_rows,
    stamp,
)
from hotrow.codec.layout import Constants, layout_from_schema, stored_value
from hotrow.codec.wire import Octets, Scanned, Table
from hotrow.errors import invalid
from hotrow.schema.default import DefaultValue
from hotrow.schema.field import Field
from hotrow.schema.view import FeatureView

EVENT_TIME, CREATED_TIME = 5, 6
_MAX_BYTES = 1 << 29  # of the rows of one request, strings and lists not counted: defaults take none of the request
_NUMBER_BYTES = 12  # at most, of a join key or a field of fixed width, tag included
_BLOCK_ROWS = 256  # from which on it is worth to keep rows from becoming objects, and to let other threads run
_UNTOUCHED_BYTES = 1 << 20
"""From which on the room behind the rows is left as it is: the system gives no memory for pages that nobody touches."""
_NO_VIEW = bytes(VIEW_BYTES)


@dataclass(frozen=True, slots=True)
class RowPlan:
    """Tables for pushes to a view: its join keys and, unless rows are deleted, its fields."""

    expected: Expected
    table: Table
    constants: Octets
    row_bytes: int


class Times(NamedTuple):
    """When a batch came and how far ahead its event times may lie; `with_created` takes created times from it."""

    now_us: int
    latest_us: int
    with_created: bool = False


NO_LIMIT = (1 << 63) - 1
AT_ANY_TIME = Times(0, NO_LIMIT)
"""For rows whose event times nobody looks at."""


class EncodedRows:
    """Keys and rows in one buffer, the view's id between the two. A row that is refused takes no space; `is_clean` says
    that none is, `is_sorted` that besides each key with the view's id is above the one before it.
    """

    __slots__ = ("_listed", "buffer", "is_clean", "is_sorted", "results")

    def __init__(self, buffer: Octets, results: Table, *, is_clean: bool, is_sorted: bool = False) -> None:
        self.buffer = buffer
        self.results = results
        self.is_clean = is_clean
        self.is_sorted = is_sorted
        self._listed: list[list[int]] | None = None

    def __len__(self) -> int:
        return len(self.results)

    def block(self) -> RowBlock | None:
        """The rows as a block; None where they are few, or not in the order of their keys."""
        if not self.is_sorted or len(self) < _BLOCK_ROWS:
            return None
        return RowBlock(self.buffer, *(self.results[:, i] for i in (OUT_KEY, OUT_ROW, OUT_END)))

    @property
    def _columns(self) -> list[list[int]]:
        if self._listed is None:
            # By column: by row NumPy makes an array a row of it, which costs ten times what the kernel does.
            self._listed = self.results.T.tolist()
        return self._listed

    def refused(self) -> list[tuple[int, int, int]]:
        """(row, fault, entry) of each row that is refused; an entry of -1 is the event time."""
        faults = zip(range(len(self)), self._columns[OUT_FAULT], self._columns[OUT_ENTRY], strict=True)
        return [one for one in faults if one[1]]

    def stamped(self, created_us: int) -> "EncodedRows":
        """Set the created times, in place, from `created_us` on, one a row: a push is created when it is committed."""
        stamp(self.buffer, self.results, created_us)
        return self

    def keys(self) -> list[bytes]:
        """The entity key of every row; empty bytes where the row is refused."""
        data = self.buffer.tobytes()
        places = zip(self._columns[OUT_KEY], self._columns[OUT_ROW], strict=True)
        if self.is_clean:
            return [data[at : row - VIEW_BYTES] for at, row in places]
        return [data[at : max(at, row - VIEW_BYTES)] for at, row in places]

    def packed(self) -> tuple[Octets, Table]:
        """The rows one behind another, without keys, and where each starts, and their end; of a clean batch."""
        begins = self.results[:, OUT_ROW]
        lengths = self.results[:, OUT_END] - begins
        starts = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        rows = np.empty(max(1, int(starts[-1])), np.uint8)
        gather(begins + address_of(self.buffer), lengths, rows)
        return rows, starts

    def rows(self) -> list[bytes]:
        """The stored form of every row; empty bytes where the row is refused."""
        data = self.buffer.tobytes()
        return [data[at:end] for at, end in zip(self._columns[OUT_ROW], self._columns[OUT_END], strict=True)]


def plan_rows(view: FeatureView, group: int, *, delete: bool, where: str = "", view_id: bytes = _NO_VIEW) -> RowPlan:
    """The plan of pushes to `view`, whose columns stand in the request's field `group`; `where` is for messages.

    `view_id` is that of the store, for rows that go there.
    """
    layout = layout_from_schema(view.schema_bytes, view.fingerprint)
    constants = Constants()
    entries: list[int] = []
    for key in view.join_keys:
        (name,) = constants.put_all([key.name.encode()])
        entries += [*name, key.type.kind, 0, NO_DEFAULT, 0, 0, 0]
    slots = [] if delete else list(layout.slots.values())
    defaults = 0
    for slot in slots:
        field = view.field(slot.name)
        name, unit = constants.put_all([slot.name.encode(), slot.unit.encode()])
        default, length = _default(field, constants)
        defaults += length
        entries += [*name, slot.type.kind, slot.fixed, default, length, *unit]
    n_keys = len(view.join_keys)
    flags = TOMBSTONE if delete else 0
    head = [n_keys + len(slots), n_keys, layout.bitmap_bytes, layout.fixed_bytes, layout.fingerprint, flags, group]
    head.append(int.from_bytes(view_id, "little", signed=True))
    described = [(key.name, key.type, "") for key in view.join_keys]
    described += [(slot.name, slot.type, slot.unit) for slot in slots]
    where = where or f"view {view.name!r}" + (", DELETE takes the keys alone" if delete else "")
    row_bytes = VIEW_BYTES + HEADER + 4 + layout.bitmap_bytes + layout.fixed_bytes + defaults
    row_bytes += _NUMBER_BYTES * (n_keys + 1) + 4 * len(slots)
    expected = Expected(described, n_keys, where)
    return RowPlan(expected, int_table([*head, *entries]), byte_table(constants), row_bytes)


def rows_from_request(plan: RowPlan, request: Scanned, times: Times) -> EncodedRows:
    """Encode every row of a request; raises INVALID, naming the column, for what is wrong with the batch itself."""
    event_at, event_bytes = request.field(EVENT_TIME)
    created_at, created_bytes = request.field(CREATED_TIME) if times.with_created else (0, 0)
    most = max(request.rows, event_bytes // 8, 1)
    if most * plan.row_bytes > _MAX_BYTES:
        raise invalid(
            f"{plan.expected.where}: {most} rows of at least {plan.row_bytes} bytes are more than {_MAX_BYTES >> 20} "
            "MiB; send them in several requests"
        )
    where = np.array(
        [
            event_at if event_bytes else -1,
            event_bytes,
            created_at if created_bytes else -1,
            created_bytes,
            times.now_us,
            times.latest_us,
        ],
        np.int64,
    )
    out = np.empty(most * plan.row_bytes + 3 * len(request.data) + 64, np.uint8)
    results = np.empty((most, OUT_WIDTH), np.int64)
    work = np.zeros(3 * len(plan.expected.entries) + 2, np.int64)
    encode = encode_many_rows if most >= _BLOCK_ROWS else encode_rows
    rows = encode(request.data, request.columns, plan.table, plan.constants, where, out, results, work)
    if rows < 0:
        raise request_fault(rows, int(work[0]), int(work[1]), plan.expected, request)
    results = results[:rows]
    buffer = out[: int(results[-1, OUT_END]) if rows else 0]
    if len(buffer) < _UNTOUCHED_BYTES:
        buffer = buffer.copy()
    return EncodedRows(buffer, results, is_clean=not work[0], is_sorted=bool(work[1]))


def no_rows() -> EncodedRows:
    """A batch without rows."""
    return EncodedRows(np.empty(0, np.uint8), np.empty((0, OUT_WIDTH), np.int64), is_clean=True)


def _default(field: Field, constants: Constants) -> tuple[int, int]:
    if not field.has_default:
        return NO_DEFAULT, 0
    value: DefaultValue = field.default  # type: ignore[assignment]
    if value is None:
        return NULL_DEFAULT, 0
    data = stored_value(field.type, value)
    return constants.put(data), len(data)
