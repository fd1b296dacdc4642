"""The bytes of a `hotrow.v1.GetOnlineFeaturesReply`, read into NumPy arrays without a protobuf object a value."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from hotrow.codec.column import PRESENT, DecodedColumn, canonical_bytes, read_column
from hotrow.codec.protowire import LENGTH, VARINT, WireError, read_fields, read_varint
from hotrow.errors import invalid
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply

_COLUMN, _MATRIX, _EVENT_TIMES, _SNAPSHOT = 1, 2, 3, 4
_FLOAT32_BYTES: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class DecodedMatrix:
    """`values` are float32 of shape (rows, len(names)); a slot without a value is NaN."""

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedReply:
    """A read's answer: columns in the order asked, `event_times_us` (int64, 0 where there is no row) by view."""

    columns: tuple[DecodedColumn, ...]
    matrix: DecodedMatrix | None
    event_times_us: dict[str, npt.NDArray[np.int64]]
    snapshot: str


def decode_reply(data: bytes) -> DecodedReply:
    """The reply in `data`, in whatever form protobuf allows; raises HotrowError (INVALID) for bytes that are none."""
    try:
        return _read_reply(data)
    except (WireError, UnicodeDecodeError):
        message = GetOnlineFeaturesReply()
    try:
        message.ParseFromString(data)
        return _read_reply(canonical_bytes(message))
    except (DecodeError, WireError) as error:
        raise invalid(f"the reply cannot be read: {error}") from error


def _read_reply(data: bytes) -> DecodedReply:
    columns: list[DecodedColumn] = []
    event_times_us: dict[str, npt.NDArray[np.int64]] = {}
    matrix, snapshot = None, ""
    for number, wire_type, at in read_fields(data):
        if wire_type != LENGTH or (number == _MATRIX and matrix is not None):
            raise WireError("fields are not in their canonical form")
        if number == _COLUMN:
            columns.append(read_column(data, at))
        elif number == _MATRIX:
            matrix = _read_matrix(data, at)
        elif number == _EVENT_TIMES:
            view, times = _read_event_times(data, at)
            event_times_us[view] = times
        elif number == _SNAPSHOT:
            snapshot = data[at].decode()
        else:
            raise WireError("a field that this version does not know")
    if matrix is not None:
        columns = [_with_statuses(column, len(matrix.values)) for column in columns]
    return DecodedReply(tuple(columns), matrix, event_times_us, snapshot)


def _read_matrix(data: bytes, where: slice) -> DecodedMatrix:
    rows, names, block = 0, [], slice(0, 0)
    for number, wire_type, at in read_fields(data, where.start, where.stop):
        if wire_type != (VARINT if number == 2 else LENGTH) or number > 3:
            raise WireError("fields of the matrix are not in their canonical form")
        if number == 1:
            block = at
        elif number == 2:
            rows = read_varint(data, at.start)[0]
        else:
            names.append(data[at].decode())
    size = block.stop - block.start
    if size != rows * len(names) * _FLOAT32_BYTES:
        raise invalid(f"the matrix has {size} bytes for {rows} rows of {len(names)} float32")
    flat = np.frombuffer(data, dtype="<f4", count=size // _FLOAT32_BYTES, offset=block.start).copy()
    return DecodedMatrix(flat.reshape(rows, len(names)), tuple(names))


def _read_event_times(data: bytes, where: slice) -> tuple[str, npt.NDArray[np.int64]]:
    view, block = "", slice(0, 0)
    for number, wire_type, at in read_fields(data, where.start, where.stop):
        if wire_type != LENGTH or number > 2 or (number == 2 and block.stop):
            raise WireError("event times are not in their canonical form")
        if number == 1:
            view = data[at].decode()
        else:
            block = at
    size = block.stop - block.start
    if size % 8:
        raise invalid(f"the event times of {view!r} have {size} bytes, no multiple of 8")
    return view, np.frombuffer(data, dtype="<i8", count=size // 8, offset=block.start).copy()


def _with_statuses(column: DecodedColumn, rows: int) -> DecodedColumn:
    """A column of a matrix reply carries no values, and no statuses either where all rows are PRESENT."""
    if column.type is not None or len(column.statuses) == rows:
        return column
    if len(column.statuses):
        raise invalid(f"column {column.name!r} has {len(column.statuses)} statuses in a matrix of {rows} rows")
    return DecodedColumn(column.name, None, np.zeros(rows, dtype=object), np.full(rows, PRESENT, np.uint8), column.unit)
