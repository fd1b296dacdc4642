"""Requests as they come: their bytes, and a table of the columns in them, without a Python object a field."""

import threading
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError, Message

from hotrow.codec.kernel_scan import (
    COLUMN_WIDTH,
    FIELD,
    HEAD_WIDTH,
    LARGEST,
    MAX_FIELDS,
    NAME,
    NAME_LENGTH,
    SPAN,
    SPANS,
    TOO_MANY,
    UNIT,
    UNIT_LENGTH,
    scan,
)
from hotrow.codec.kernel_type import see_types
from hotrow.errors import invalid
from hotrow.v1.column_pb2 import Column

Table = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]
M = TypeVar("M", bound=Message)

FEW_COLUMNS, MANY_COLUMNS = 64, 4096
MAX_ROWS = 1 << 20
"""Of one request. A row can be a byte of it, and takes hundreds where it is worked on: 64 MiB of bools would take all
memory."""
_STATUSES_END = 0x80  # of those that the scan takes

see_types()  # here, where every request begins, so that the first one finds them known


@dataclass(frozen=True, slots=True)
class Shape:
    """Which fields of a request message hold columns, and which change from request to request: sets of numbers.

    `volatile` fields are length-delimited (strings, bytes, packed numbers), `fixed` ones have eight bytes.
    """

    message: type[Message]
    columns: int
    volatile: int
    fixed: int = 0


@dataclass(slots=True)
class Scanned:
    """A request's bytes, canonical, and what was found in them. Valid until this thread scans the next request.

    Not to be changed; not frozen either, which would cost every request 0.5 us.
    """

    data: bytes
    head: memoryview
    columns: Table

    @property
    def selection(self) -> bytes:
        """The bytes of all fields but columns and volatile ones: a request that selects the same has the same."""
        head = self.head
        if head[SPANS] == 1:
            return self.data[head[SPAN] : head[SPAN + 1]]
        spans = (SPAN + 2 * i for i in range(head[SPANS]))
        return b"".join(self.data[head[i] : head[i + 1]] for i in spans)

    @property
    def rows(self) -> int:
        """The most values of a column: the number of rows, unless the columns are ragged."""
        return self.head[LARGEST]

    def field(self, number: int) -> tuple[int, int]:
        """Where a volatile field stands and its length; (0, 0) where the request does not have it."""
        return self.head[FIELD + 3 * number], self.head[FIELD + 3 * number + 1]

    def bytes_field(self, number: int) -> bytes:
        """A bytes or string field; empty where the request does not have it."""
        at, length = self.field(number)
        return self.data[at : at + length]

    def has_group(self, number: int) -> bool:
        """Whether the request has a column in the field of that number."""
        return self.head[FIELD + 3 * number + 2] > 0

    def column_name(self, column: int) -> str:
        """A column's name, for messages."""
        at, length = self.columns[column, NAME], self.columns[column, NAME_LENGTH]
        return self.data[at : at + length].decode("utf-8", "replace")

    def column_unit(self, column: int) -> str:
        """The unit that a column states, for messages; empty where it states none."""
        at, length = self.columns[column, UNIT], self.columns[column, UNIT_LENGTH]
        return self.data[at : at + length].decode("utf-8", "replace")


def bits(*numbers: int) -> int:
    """A set of field numbers as kernels take it."""
    return sum(1 << number for number in numbers)


class _Tables(threading.local):
    """A thread's own tables, used again for every request."""

    def __init__(self) -> None:
        self.head = np.zeros(HEAD_WIDTH, np.int64)
        self.head_view = memoryview(self.head)  # type: ignore[arg-type]  # gives Python's integers, and quicker
        self.columns = np.zeros((FEW_COLUMNS, COLUMN_WIDTH), np.int64)


_tables = _Tables()


def scan_request(data: bytes, shape: Shape) -> Scanned:
    """Find the columns of a request; raises INVALID for bytes that are no such message, or for too many rows.

    A message in another valid encoding than the canonical one (split or unpacked fields, fields in odd places) is
    rewritten by protobuf first, so that there is one reader of columns.
    """
    found = _scan(data, shape)
    if not isinstance(found, Scanned):
        data = _canonical(data, shape)
        found = _scan(data, shape)
    if isinstance(found, Scanned) and found.head[LARGEST] <= MAX_ROWS:
        return found
    name = shape.message.DESCRIPTOR.name
    if isinstance(found, Scanned):
        raise invalid(f"the {name} has {found.rows} rows, more than {MAX_ROWS}; send them in several requests")
    if found == TOO_MANY:
        raise invalid(f"the {name} has more than {MANY_COLUMNS} columns; send fewer")
    column = _with_odd_status(data, shape)
    if column is not None:
        message = f"a status of column {column!r} is none of hotrow.v1.Status; send PRESENT or NULL_VALUE"
        raise invalid(message, field=column)
    raise invalid(f"not a valid {name}; generate stubs from hotrow's protos and let them encode it")


def parse_message(message: type[M], data: bytes) -> M:
    """The message of bytes, of a selection for one; raises INVALID for what is no such message."""
    try:
        return message.FromString(data)
    except DecodeError as error:
        raise invalid(f"not a valid {message.DESCRIPTOR.name}: the bytes cannot be parsed") from error


def _scan(data: bytes, shape: Shape) -> Scanned | int:
    tables = _tables
    volatile = shape.volatile | shape.fixed << MAX_FIELDS
    count = scan(data, shape.columns, volatile, tables.head, tables.columns)
    if count == TOO_MANY and len(tables.columns) < MANY_COLUMNS:
        many: Any = np.zeros((MANY_COLUMNS, COLUMN_WIDTH), np.int64)
        count = scan(data, shape.columns, volatile, tables.head, many)
        return Scanned(data, tables.head_view, many[:count]) if count >= 0 else count
    return Scanned(data, tables.head_view, tables.columns[:count]) if count >= 0 else int(count)


def _with_odd_status(data: bytes, shape: Shape) -> str | None:
    """The name of a column with a status that a byte does not hold, which is why a canonical request was not taken."""
    for field, value in shape.message.FromString(data).ListFields():
        if field.message_type is Column.DESCRIPTOR:
            for column in value:
                if any(not 0 <= status < _STATUSES_END for status in column.statuses):
                    return str(column.name)
    return None


def _canonical(data: bytes, shape: Shape) -> bytes:
    message = parse_message(shape.message, data)
    message.DiscardUnknownFields()
    return message.SerializeToString(deterministic=True)
