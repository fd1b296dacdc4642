"""Columns on the wire, for clients and tools: NumPy arrays to and from the bytes of a `hotrow.v1.Column`.

Written by hand, canonical as protobuf itself writes them: fields in number order, packed numbers in one block, which
is the array's own memory; statuses left out where every row is PRESENT. Read through protobuf, which takes every form
of a message; `hotrow.codec.reply_wire` reads canonical replies faster.
"""

import itertools
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from hotrow.clock import datetime_from_us
from hotrow.codec.column_values import AnyArray, BoolArray, ColumnTypeError, Dense, dense_values
from hotrow.codec.protowire import length_delimited, varint
from hotrow.errors import invalid
from hotrow.types import BY_NAME, BYTES, NUMPY_NAMES, STRING, TIMESTAMP, ValueType
from hotrow.v1 import column_pb2
from hotrow.v1.column_pb2 import Column as ColumnMessage

__all__ = [
    "NULL_VALUE",
    "PRESENT",
    "ColumnTypeError",
    "DecodedColumn",
    "column_bytes",
    "column_from_message",
    "decode_column",
    "encode_column",
    "encode_dense",
    "objects_of",
    "packed_varints",
    "rows_of_lists",
    "varint_table",
]

PRESENT, NULL_VALUE = int(column_pb2.PRESENT), int(column_pb2.NULL_VALUE)
_LAST_STATUS: Final = max(column_pb2.Status.values())
_NAME, _UNIT, _STATUSES = 1, 18, 19
_TYPES: Final = {value_type.wire_name: value_type for value_type in BY_NAME.values()}


class DecodedColumn:
    """A column as it came: `values` and `statuses` (uint8, numbers of `hotrow.v1.Status`) have an entry a row.

    Values of a numeric type are an array of the dtype in `hotrow.types.NUMPY_NAMES`, so times are int64 microseconds;
    strings and bytes are an array of objects; of a list type there is a list with an array a row. A slot that is not
    PRESENT holds 0 or empty (NaN in a column of a matrix). `type` is None where the column carries no values.

    A plain class: a frozen dataclass of five fields takes three times as long to make, and a reply has fifty.
    """

    __slots__ = ("_values", "name", "statuses", "type", "unit")

    def __init__(
        self,
        name: str,
        type: ValueType | None,  # noqa: A002 - the word of the schema
        values: "AnyArray | list[AnyArray] | Collection[Any]",
        statuses: npt.NDArray[np.uint8],
        unit: str = "",
    ) -> None:
        """`values` of strings and bytes may be any collection; it becomes objects when somebody asks for them."""
        self.name = name
        self.type = type
        self._values = values
        self.statuses = statuses
        self.unit = unit

    def __len__(self) -> int:
        return len(self.statuses)

    @property
    def values(self) -> AnyArray | list[AnyArray]:
        """What the rows hold, as the class says."""
        if isinstance(self._values, np.ndarray) or (self.type is not None and self.type.is_list):
            return self._values  # type: ignore[return-value]
        self._values = objects_of(self._values)
        return self._values

    @property
    def present(self) -> BoolArray:
        """Which rows have a value."""
        return np.equal(self.statuses, PRESENT)

    def rows(self, start: int, stop: int) -> "DecodedColumn":
        """Some of the rows; numbers are not copied."""
        return DecodedColumn(
            self.name,
            self.type,
            self._values[start:stop],  # type: ignore[index]
            self.statuses[start:stop],
            self.unit,
        )

    def to_list(self) -> list[Any]:
        """Python values, None where a row has none; times are UTC datetimes (integers outside the years 1 to 9999)."""
        if self.type is None:
            return [None] * len(self)
        plain = [row.tolist() for row in self.values] if self.type.is_list else self.values.tolist()  # type: ignore[union-attr]
        if self.type.element_kind == TIMESTAMP:
            plain = [[_datetime(v) for v in row] for row in plain] if self.type.is_list else map(_datetime, plain)
        return [value if present else None for value, present in zip(plain, self.present.tolist(), strict=True)]


def encode_column(
    name: str,
    values: object,
    *,
    type: ValueType | None = None,  # noqa: A002 - the word of the schema
    unit: str = "",
    statuses: npt.ArrayLike | None = None,
) -> bytes:
    """The canonical bytes of a column.

    `values` has an entry a row: a list (None is a null), a NumPy array of one dimension, or for lists a sequence of
    sequences or an array of two dimensions. Without a `type` it is inferred: int is Int64, float is Float64, a NumPy
    dtype is its own; a list of nulls alone has none. `statuses` (numbers of `hotrow.v1.Status`) say why a row has no
    value; a null whose status is PRESENT, or has none, is NULL_VALUE. Raises ColumnTypeError (a HotrowError and a
    TypeError) for values that are not of the type and HotrowError (INVALID) for ones out of its range, both naming the
    column.
    """
    given = None if statuses is None else _checked_statuses(name, statuses)
    dense = dense_values(name, values, type, None if given is None else given != PRESENT)
    statuses_bytes = b""
    if dense.absent is not None:
        codes = np.full(dense.rows, PRESENT, dtype=np.uint8) if given is None else given.copy()
        codes[dense.absent & (codes == PRESENT)] = NULL_VALUE
        statuses_bytes = codes.tobytes()
    return _dense_bytes(name, dense, unit, statuses_bytes)


def encode_dense(name: str, dense: Dense, unit: str = "") -> bytes:
    """The canonical bytes of a column from its dense values; absent slots are NULL_VALUE."""
    statuses_bytes = b""
    if dense.absent is not None:
        statuses_bytes = np.where(dense.absent, np.uint8(NULL_VALUE), np.uint8(PRESENT)).tobytes()
    return _dense_bytes(name, dense, unit, statuses_bytes)


def _dense_bytes(name: str, dense: Dense, unit: str, statuses: bytes) -> bytes:
    kind = 0 if dense.type is None else dense.type.kind
    return column_bytes(_text(name, name), kind, _block(dense), _text(name, unit), statuses)


def column_bytes(name: bytes, kind: int, block: bytes, unit: bytes, statuses: bytes) -> bytes:
    """A column from its parts: `block` is the message of the values, of which a column of kind 0 has none; `statuses` a
    byte a row, empty for all PRESENT.
    """
    parts = [length_delimited(_NAME, name)] if name else []
    if kind:
        parts.append(length_delimited(kind + 1, block))
    if unit:
        parts.append(length_delimited(_UNIT, unit))
    if statuses:
        parts.append(length_delimited(_STATUSES, statuses))
    return b"".join(parts)


def decode_column(data: bytes | bytearray | memoryview | ColumnMessage) -> DecodedColumn:
    """A column from its bytes or its message, in whatever form protobuf allows.

    Raises HotrowError (INVALID) for bytes that are no column, and for lengths or statuses that do not fit the values.
    """
    if isinstance(data, ColumnMessage):
        return column_from_message(data)
    try:
        return column_from_message(ColumnMessage.FromString(bytes(data)))
    except DecodeError as error:
        raise invalid(f"a column is not valid protobuf: {error}") from error


def column_from_message(message: ColumnMessage) -> DecodedColumn:
    """As `decode_column`, of a message alone."""
    name, wire_name = message.name, message.WhichOneof("values")
    if wire_name is None:
        statuses = _read_statuses(message)
        return DecodedColumn(name, None, np.zeros(len(statuses), dtype=object), statuses, message.unit)
    value_type = _TYPES[wire_name]
    values = _read_values(name, getattr(message, wire_name), value_type)
    if not message.statuses:
        statuses = np.empty(len(values), dtype=np.uint8)
        statuses.fill(PRESENT)
        return DecodedColumn(name, value_type, values, statuses, message.unit)
    statuses = _read_statuses(message)
    if len(statuses) != len(values):
        raise invalid(f"column {name!r} has {len(values)} values and {len(statuses)} statuses", field=name)
    return DecodedColumn(name, value_type, values, statuses, message.unit)


def _block(dense: Dense) -> bytes:
    """The message of the values, by their kind."""
    parts: list[bytes] = []
    if isinstance(dense.values, list):
        for value in dense.values:
            parts += (b"\x0a", varint(len(value)), value)
    elif dense.values.size:
        parts.append(length_delimited(1, dense.values.tobytes()))
    if dense.lengths is not None and dense.lengths.size:
        parts.append(length_delimited(2, packed_varints(dense.lengths)))
    return b"".join(parts)


def packed_varints(numbers: npt.NDArray[np.uint32]) -> bytes:
    """The packed form of a repeated uint32 field: the varints one after another."""
    if not len(numbers) or int(numbers.max()) < 0x80:
        return numbers.astype(np.uint8).tobytes()
    table, sizes = varint_table(numbers.astype(np.uint64))
    return table[np.arange(5) < sizes[:, None]].tobytes()


def varint_table(numbers: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Varints of many numbers below 2**35 as a table of five bytes a row, and how many of each row count."""
    sizes = np.ones(len(numbers), np.int64)
    table = np.empty((len(numbers), 5), np.uint8)
    for place in range(5):
        rest = numbers >> np.uint64(7 * (place + 1))
        more = rest > 0
        low = (numbers >> np.uint64(7 * place)) & np.uint64(0x7F)
        table[:, place] = low | (more.astype(np.uint64) << np.uint64(7))
        sizes += more
    return table, sizes


def _read_statuses(message: ColumnMessage) -> npt.NDArray[np.uint8]:
    codes = np.array(message.statuses, dtype=np.int32)
    if codes.size and codes.view(np.uint32).max() > 0xFF:
        raise invalid(f"column {message.name!r} has a status that is none", field=message.name)
    return codes.astype(np.uint8)


def _read_values(name: str, block: Any, value_type: ValueType) -> AnyArray | list[AnyArray]:
    kind = value_type.element_kind
    if kind in (STRING, BYTES) and not value_type.is_list:
        return block.values  # type: ignore[no-any-return]
    flat = objects_of(block.values) if kind in (STRING, BYTES) else np.array(block.values, dtype=NUMPY_NAMES[kind])
    return rows_of_lists(name, flat, list(block.lengths)) if value_type.is_list else flat


def rows_of_lists(name: str, flat: AnyArray, lengths: list[int]) -> list[AnyArray]:
    """The list of each row, views of one array; raises HotrowError (INVALID) where the lengths are other ones."""
    if sum(lengths) != len(flat):
        raise invalid(f"column {name!r} has {len(flat)} elements and lengths of {sum(lengths)}", field=name)
    ends = list(itertools.accumulate(lengths))
    return [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def objects_of(values: Collection[Any]) -> AnyArray:
    """An array of Python objects."""
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def _checked_statuses(name: str, statuses: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    codes = np.asarray(statuses)
    if codes.ndim != 1 or (codes.size and (codes.dtype.kind not in "iu" or codes.min() < 1)):
        raise ColumnTypeError(name, "takes statuses that are numbers of hotrow.v1.Status, one a row")
    if codes.size and codes.max() > _LAST_STATUS:
        raise invalid(f"column {name!r} has an unknown status {codes.max()}", field=name)
    return codes.astype(np.uint8)


def _text(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise invalid(f"column {name!r} has a name or unit that is not Unicode: {error}", field=name) from error


def _datetime(value_us: int) -> datetime | int:
    try:
        return datetime_from_us(value_us)
    except OverflowError:
        return value_us
