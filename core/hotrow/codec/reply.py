"""The bytes of a `hotrow.v1.GetOnlineFeaturesReply`, as NumPy arrays, without a Python object a number."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from hotrow.codec.column import PRESENT, DecodedColumn, column_from_message
from hotrow.errors import invalid
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, Matrix

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
    """The reply in `data`; raises HotrowError (INVALID) for bytes that are none, or do not fit together."""
    try:
        message = GetOnlineFeaturesReply.FromString(data)
    except DecodeError as error:
        raise invalid(f"the reply cannot be read: {error}") from error
    columns = tuple(column_from_message(column) for column in message.columns)
    matrix = None
    if message.HasField("matrix"):
        matrix = _read_matrix(message.matrix)
        columns = tuple(_with_statuses(column, len(matrix.values)) for column in columns)
    event_times_us = {times.view: np.array(times.values, dtype=np.int64) for times in message.event_times}
    return DecodedReply(columns, matrix, event_times_us, message.snapshot)


def _read_matrix(message: Matrix) -> DecodedMatrix:
    names, size = tuple(message.names), len(message.values)
    if size != message.rows * len(names) * _FLOAT32_BYTES:
        raise invalid(f"the matrix has {size} bytes for {message.rows} rows of {len(names)} float32")
    flat = np.frombuffer(message.values, dtype="<f4").copy()
    return DecodedMatrix(flat.reshape(message.rows, len(names)), names)


def _with_statuses(column: DecodedColumn, rows: int) -> DecodedColumn:
    """A column of a matrix reply carries no values, and no statuses either where all rows are PRESENT."""
    if column.type is not None or len(column.statuses) == rows:
        return column
    if len(column.statuses):
        raise invalid(f"column {column.name!r} has {len(column.statuses)} statuses in a matrix of {rows} rows")
    return DecodedColumn(column.name, None, np.zeros(rows, dtype=object), np.full(rows, PRESENT, np.uint8), column.unit)
