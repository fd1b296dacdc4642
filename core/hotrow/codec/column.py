"""Columns on the wire, for clients and tools: NumPy arrays to and from the bytes of a `hotrow.v1.Column`.

Canonical bytes are what protobuf itself writes: fields in number order, packed numbers in one block, statuses left out
where every row is PRESENT. They are written by hand, because a protobuf object costs a Python object a value, and
read by hand too; any other form that protobuf allows (split or unpacked blocks, fields in another order) is read
through protobuf.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from hotrow.clock import datetime_from_us
from hotrow.codec.column_values import AnyArray, BoolArray, ColumnTypeError, Dense, dense_values
from hotrow.codec.protowire import LENGTH, WireError, length_delimited, read_fields, read_varint, varint
from hotrow.errors import invalid
from hotrow.types import BOOL, BY_KIND, BYTES, KIND_WIDTHS, NUMPY_NAMES, STRING, TIMESTAMP, ValueType
from hotrow.v1 import column_pb2
from hotrow.v1.column_pb2 import Column as ColumnMessage

__all__ = ["NULL_VALUE", "PRESENT", "ColumnTypeError", "DecodedColumn", "decode_column", "encode_column"]

PRESENT, NULL_VALUE = int(column_pb2.PRESENT), int(column_pb2.NULL_VALUE)
_LAST_STATUS: Final = max(column_pb2.Status.values())
_NAME, _UNIT, _STATUSES = 1, 18, 19


@dataclass(frozen=True, slots=True, eq=False)
class DecodedColumn:
    """A column as it came: `values` and `statuses` (uint8, numbers of `hotrow.v1.Status`) have an entry a row.

    Values of a numeric type are an array of the dtype in `hotrow.types.NUMPY_NAMES`, so times are int64 microseconds;
    strings and bytes are an array of objects; of a list type there is a list with an array a row. A slot that is not
    PRESENT holds 0 or empty. `type` is None where the column carries no values, as in a matrix reply.
    """

    name: str
    type: ValueType | None
    values: AnyArray | list[AnyArray]
    statuses: npt.NDArray[np.uint8]
    unit: str = ""

    def __len__(self) -> int:
        return len(self.statuses)

    @property
    def present(self) -> BoolArray:
        """Which rows have a value."""
        return np.equal(self.statuses, PRESENT)

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
    dtype is its own. `statuses` (numbers of `hotrow.v1.Status`) say why a row has no value; a null whose status is
    PRESENT, or has none, is NULL_VALUE. Raises ColumnTypeError (a HotrowError and a TypeError) for values that are not
    of the type and HotrowError (INVALID) for ones out of its range, both naming the column.
    """
    given = None if statuses is None else _checked_statuses(name, statuses)
    dense = dense_values(name, values, type, None if given is None else given != PRESENT)
    parts = [length_delimited(_NAME, _text(name, name))] if name else []
    parts.append(length_delimited(dense.type.kind + 1, _block(dense)))
    if unit:
        parts.append(length_delimited(_UNIT, _text(name, unit)))
    if dense.absent is not None:
        codes = np.full(dense.rows, PRESENT, dtype=np.uint8) if given is None else given.copy()
        codes[dense.absent & (codes == PRESENT)] = NULL_VALUE
        parts.append(length_delimited(_STATUSES, codes.tobytes()))
    return b"".join(parts)


def decode_column(data: bytes | bytearray | memoryview | ColumnMessage) -> DecodedColumn:
    """A column from its bytes or its message; values are copied once, so that they are aligned and hold no buffer.

    Raises HotrowError (INVALID) for bytes that are no column, and for lengths or statuses that do not fit the values.
    """
    message = data if isinstance(data, ColumnMessage) else None
    if message is None:
        raw = bytes(data)  # type: ignore[arg-type]
        try:
            return read_column(raw, slice(0, len(raw)))
        except WireError:
            message = ColumnMessage()
            try:
                message.ParseFromString(raw)
            except DecodeError as error:
                raise invalid(f"a column is not valid protobuf: {error}") from error
    canonical = canonical_bytes(message)
    try:
        return read_column(canonical, slice(0, len(canonical)))
    except WireError as error:  # a status beyond a byte, say
        raise invalid(f"column {message.name!r} cannot be read: {error}", field=message.name) from error


def canonical_bytes(message: Any) -> bytes:
    """What protobuf writes of a message without the fields that this version does not know."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bytes(known.SerializeToString(deterministic=True))


def read_column(data: bytes, where: slice) -> DecodedColumn:
    """The column in a slice of a message's bytes. Raises WireError for a form that protobuf has to read."""
    name = unit = ""
    kind, block, codes, last = 0, slice(0, 0), b"", 0
    for number, wire_type, at in read_fields(data, where.start, where.stop):
        if wire_type != LENGTH or number <= last or number > _STATUSES or (kind and 1 < number < _UNIT):
            raise WireError("fields are not in their canonical form")
        last = number
        if number == _NAME:
            name = _utf8(data[at])
        elif number == _UNIT:
            unit = _utf8(data[at])
        elif number == _STATUSES:
            codes = data[at]
        else:
            kind, block = number - 1, at
    statuses = np.frombuffer(codes, dtype=np.uint8).copy()
    if statuses.size and statuses.max() > 0x7F:
        raise WireError("a status takes more than a byte")
    if not kind:
        return DecodedColumn(name, None, np.zeros(len(statuses), dtype=object), statuses, unit)
    value_type = BY_KIND[kind]
    values = _read_values(name, data, block, value_type)
    if not statuses.size:
        statuses = np.full(len(values), PRESENT, dtype=np.uint8)
    elif len(statuses) != len(values):
        raise invalid(f"column {name!r} has {len(values)} values and {len(statuses)} statuses", field=name)
    return DecodedColumn(name, value_type, values, statuses, unit)


def _block(dense: Dense) -> bytes:
    """The message of the values, by their kind."""
    parts: list[bytes] = []
    if isinstance(dense.values, list):
        for value in dense.values:
            parts += (b"\x0a", varint(len(value)), value)
    elif dense.values.size:
        parts.append(length_delimited(1, dense.values.tobytes()))
    if dense.lengths is not None and dense.lengths.size:
        lengths = dense.lengths
        short = lengths.max() < 0x80
        packed = lengths.astype(np.uint8).tobytes() if short else b"".join(map(varint, lengths.tolist()))
        parts.append(length_delimited(2, packed))
    return b"".join(parts)


def _read_values(name: str, data: bytes, where: slice, value_type: ValueType) -> AnyArray | list[AnyArray]:
    kind = value_type.element_kind
    strings: list[Any] = []
    block = lengths = None
    for number, wire_type, at in read_fields(data, where.start, where.stop):
        if wire_type != LENGTH or lengths is not None or number > (2 if value_type.is_list else 1):
            raise WireError("values are not in their canonical form")
        if number == 2:
            lengths = data[at]
        elif kind in (STRING, BYTES):
            strings.append(data[at] if kind == BYTES else _utf8(data[at]))
        elif block is None:
            block = at
        else:
            raise WireError("a block is split")
    flat = _objects(strings) if kind in (STRING, BYTES) else _numbers(name, data, block, kind)
    return _rows(name, flat, _uint32s(lengths or b"")) if value_type.is_list else flat


def _numbers(name: str, data: bytes, block: slice | None, kind: int) -> AnyArray:
    if block is None:
        return np.zeros(0, dtype=NUMPY_NAMES[kind])
    size, width = block.stop - block.start, KIND_WIDTHS[kind]
    if size % width:
        raise invalid(f"column {name!r} has a block of {size} bytes, no multiple of {width}", field=name)
    if kind != BOOL:
        return np.frombuffer(data, dtype=NUMPY_NAMES[kind], count=size // width, offset=block.start).copy()
    varints = np.frombuffer(data, dtype=np.uint8, count=size, offset=block.start)
    if size and varints.max() > 1:
        raise WireError("a bool is not 0 or 1")
    return varints.astype(np.bool_)


def _rows(name: str, flat: AnyArray, lengths: list[int]) -> list[AnyArray]:
    """The list of each row, views of one array."""
    if sum(lengths) != len(flat):
        raise invalid(f"column {name!r} has {len(flat)} elements and lengths of {sum(lengths)}", field=name)
    rows, at = [], 0
    for length in lengths:
        rows.append(flat[at : at + length])
        at += length
    return rows


def _uint32s(packed: bytes) -> list[int]:
    if not packed or max(packed) < 0x80:
        return list(packed)
    out, at = [], 0
    while at < len(packed):
        value, at = read_varint(packed, at)
        if value > 0xFFFFFFFF:
            raise WireError("a length takes more than 32 bits")
        out.append(value)
    return out


def _objects(values: list[Any]) -> AnyArray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
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


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WireError("a string is not UTF-8") from error


def _datetime(value_us: int) -> datetime | int:
    try:
        return datetime_from_us(value_us)
    except OverflowError:
        return value_us
