"""Arrow columns to the wire: serialized `hotrow.v1.Column` and `MaterializeRowsRequest`, without an object a value.

The layout is protobuf's: a field is its tag (number << 3 | wire type), and for wire type 2 a length and that many
bytes. Strings become a length-delimited block by scattering Arrow's data buffer between the tags and lengths that
NumPy computes from Arrow's offsets.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotrow import types
from hotrow.codec.column import NULL_VALUE, PRESENT, column_bytes, packed_varints, varint_table
from hotrow.codec.protowire import length_delimited, varint
from hotrow.offline.conversion import Converted
from hotrow.types import NUMPY_NAMES, ValueType

_VALUES, _LENGTHS = 1, 2
_REQUEST_PROJECT, _REQUEST_VIEW, _REQUEST_ROWS = 1, 3, 4
_REQUEST_EVENT_TIMES, _REQUEST_CREATED_TIMES, _REQUEST_OP, _REQUEST_DRY_RUN = 5, 6, 7, 10
_REQUEST_SNAPSHOT, _REQUEST_WATERMARK = 11, 12

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go: a view of a project, as one snapshot defines it."""

    project: str
    view: str
    snapshot: str


def repeated_blobs(number: int, values: pa.Array) -> bytes:
    """Field `number`, repeated, once a slot of a `large_string` or `large_binary` array without nulls."""
    count = len(values)
    if not count:
        return b""
    _, offsets_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + count + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    data = data[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    table, sizes = varint_table(lengths.astype(np.uint64))
    ends = np.cumsum(1 + sizes + lengths)
    heads = ends - lengths - sizes - 1
    out = np.empty(int(ends[-1]), np.uint8)
    body = np.ones(len(out), np.bool_)
    out[heads] = number << 3 | 2
    body[heads] = False
    for place in range(int(sizes.max())):
        has = sizes > place
        at = heads[has] + 1 + place
        out[at] = table[has, place]
        body[at] = False
    out[body] = data
    return out.tobytes()


def _values_block(values: pa.Array, kind: int) -> bytes:
    """`repeated ... values = 1` of the kind's message."""
    if kind in (types.STRING, types.BYTES):
        return repeated_blobs(_VALUES, values)
    if not len(values):
        return b""
    numbers = values.to_numpy(zero_copy_only=False).astype(NUMPY_NAMES[kind], copy=False)
    return length_delimited(_VALUES, numbers.tobytes())


def encode_column(name: str, column: Converted, declared: ValueType, unit: str) -> bytes:
    """A serialized `hotrow.v1.Column`. Statuses are written only where a row is null."""
    block = _values_block(column.values, declared.element_kind)
    if column.lengths is not None and len(column.lengths):
        block += length_delimited(_LENGTHS, packed_varints(column.lengths))
    statuses = b""
    if column.nulls.any():
        statuses = np.where(column.nulls, np.uint8(NULL_VALUE), np.uint8(PRESENT)).tobytes()
    return column_bytes(name.encode(), declared.kind, block, unit.encode(), statuses)


def encode_rows(columns: list[bytes]) -> bytes:
    """`repeated Column rows = 4`, as the push and the materialization request have it."""
    return b"".join(length_delimited(_REQUEST_ROWS, column) for column in columns)


def encode_times(event_time_us: Times, created_time_us: Times | None) -> bytes:
    """The event times (field 5) and created times (field 6), one a row each."""
    out = length_delimited(_REQUEST_EVENT_TIMES, event_time_us.astype("<i8").tobytes()) if len(event_time_us) else b""
    if created_time_us is not None and len(created_time_us):
        out += length_delimited(_REQUEST_CREATED_TIMES, created_time_us.astype("<i8").tobytes())
    return out


def encode_request(
    target: Target, rows: bytes = b"", *, deleted: bool = False, watermark_us: int | None = None, dry_run: bool = False
) -> bytes:
    """A serialized `MaterializeRowsRequest`; `rows` are its fields 4 to 6."""
    out = b""
    if target.project:
        out += length_delimited(_REQUEST_PROJECT, target.project.encode())
    out += length_delimited(_REQUEST_VIEW, target.view.encode()) + rows
    if deleted:
        out += varint(_REQUEST_OP << 3) + varint(1)
    if dry_run:
        out += varint(_REQUEST_DRY_RUN << 3) + varint(1)
    if target.snapshot:
        out += length_delimited(_REQUEST_SNAPSHOT, target.snapshot.encode())
    if watermark_us is not None:
        out += varint(_REQUEST_WATERMARK << 3 | 1) + watermark_us.to_bytes(8, "little", signed=True)
    return out
