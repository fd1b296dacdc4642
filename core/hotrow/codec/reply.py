"""The bytes of a `hotrow.v1.GetOnlineFeaturesReply`, as NumPy arrays, without a Python object a number."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from hotrow.codec.column import PRESENT, DecodedColumn, column_from_message
from hotrow.codec.protowire import WireError
from hotrow.codec.reply_wire import columns_from_wire
from hotrow.errors import invalid
from hotrow.types import Float32
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply, Matrix

_FLOAT32_BYTES: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class DecodedMatrix:
    """`values` are float32 of shape (rows, len(names)); a slot without a value is NaN."""

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedReply:
    """A read's answer: columns in the order asked, `event_times_us` (int64, 0 where there is no row) by view.

    With a matrix, columns are Float32 and look into it.
    """

    columns: tuple[DecodedColumn, ...]
    matrix: DecodedMatrix | None
    event_times_us: dict[str, npt.NDArray[np.int64]]
    snapshot: str

    def rows(self, start: int, stop: int) -> "DecodedReply":
        """Some of the rows, without a copy of numbers."""
        matrix = self.matrix
        return DecodedReply(
            tuple(column.rows(start, stop) for column in self.columns),
            None if matrix is None else DecodedMatrix(matrix.values[start:stop], matrix.names),
            {view: times[start:stop] for view, times in self.event_times_us.items()},
            self.snapshot,
        )


def decode_reply(data: bytes) -> DecodedReply:
    """The reply in `data`; raises HotrowError (INVALID) for bytes that are none, or do not fit together.

    Canonical bytes, as hotrow's servers write them, are read in place; what is left of them, and any other form that
    protobuf allows, by protobuf.
    """
    columns, message = _read(data)
    matrix = None
    if message.HasField("matrix"):
        matrix = _read_matrix(message.matrix)
        columns = tuple(_of_matrix(column, matrix) for column in columns)
    event_times_us = {times.view: np.array(times.values, dtype=np.int64) for times in message.event_times}
    return DecodedReply(columns, matrix, event_times_us, message.snapshot)


def _read(data: bytes) -> tuple[tuple[DecodedColumn, ...], GetOnlineFeaturesReply]:
    """The columns, and a message that has all the rest."""
    try:
        try:
            columns, rest = columns_from_wire(data)
            message = GetOnlineFeaturesReply.FromString(rest)
            if not message.columns:
                return columns, message
        except (WireError, IndexError, UnicodeDecodeError, DecodeError):
            pass
        message = GetOnlineFeaturesReply.FromString(data)
    except DecodeError as error:
        raise invalid(f"the reply cannot be read: {error}") from error
    return tuple(column_from_message(column) for column in message.columns), message


def _read_matrix(message: Matrix) -> DecodedMatrix:
    names, size = tuple(message.names), len(message.values)
    if size != message.rows * len(names) * _FLOAT32_BYTES:
        raise invalid(f"the matrix has {size} bytes for {message.rows} rows of {len(names)} float32")
    flat = np.frombuffer(message.values, dtype="<f4").copy()
    return DecodedMatrix(flat.reshape(message.rows, len(names)), names)


def _of_matrix(column: DecodedColumn, matrix: DecodedMatrix) -> DecodedColumn:
    """A column of a matrix reply: it carries no values, and no statuses either where all rows are PRESENT."""
    rows = len(matrix.values)
    if column.type is not None:
        raise invalid(f"column {column.name!r} has values, and stands beside a matrix", field=column.name)
    if len(column.statuses) not in (0, rows):
        raise invalid(f"column {column.name!r} has {len(column.statuses)} statuses in a matrix of {rows} rows")
    if column.name not in matrix.names:
        raise invalid(f"column {column.name!r} is not in the matrix", field=column.name)
    statuses = column.statuses if len(column.statuses) else np.full(rows, PRESENT, np.uint8)
    values = matrix.values[:, matrix.names.index(column.name)]
    return DecodedColumn(column.name, Float32, values, statuses, column.unit)
