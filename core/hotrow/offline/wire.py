"""Arrow columns to the wire: serialized `hotrow.v1.Column` and `MaterializeRowsRequest`, without an object a value.

The layout is protobuf's: a field is its tag (number << 3 | wire type), and for wire type 2 a length and that many
bytes. Fields are made as parts, so that numbers are copied once, when the parts are joined. Strings become a
length-delimited block by scattering Arrow's data buffer between the tags and lengths that NumPy computes from Arrow's
offsets.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotrow import types
from hotrow.codec.column import NULL_VALUE, PRESENT, packed_varints, varint_table
from hotrow.codec.protowire import LENGTH, length_delimited, tag, varint
from hotrow.offline.conversion import Converted
from hotrow.types import NUMPY_NAMES, ValueType

_NAME, _UNIT, _STATUSES = 1, 18, 19
_VALUES, _LENGTHS = 1, 2
_REQUEST_PROJECT, _REQUEST_VIEW, _REQUEST_ROWS = 1, 3, 4
_REQUEST_EVENT_TIMES, _REQUEST_CREATED_TIMES, _REQUEST_OP, _REQUEST_DRY_RUN = 5, 6, 7, 10
_REQUEST_SNAPSHOT, _REQUEST_WATERMARK = 11, 12

Times = npt.NDArray[np.int64]
Parts = list[bytes | memoryview]
"""Bytes one after another."""


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


def _delimited(number: int, parts: Parts) -> Parts:
    """A field of wire type 2 whose value these parts are."""
    return [tag(number, LENGTH), varint(sum(map(len, parts))), *parts]


def _packed(number: int, numbers: npt.NDArray[np.generic]) -> Parts:
    """A packed field, of an array as it lies in memory; none where that is empty."""
    return _delimited(number, [np.ascontiguousarray(numbers).view(np.uint8).data]) if len(numbers) else []


def _values_block(values: pa.Array, kind: int) -> Parts:
    """`repeated ... values = 1` of the kind's message."""
    if kind in (types.STRING, types.BYTES):
        return [repeated_blobs(_VALUES, values)]
    return _packed(_VALUES, values.to_numpy(zero_copy_only=False).astype(NUMPY_NAMES[kind], copy=False))


def column_parts(name: str, column: Converted, declared: ValueType, unit: str) -> Parts:
    """A serialized `hotrow.v1.Column`. Statuses are written only where a row is null."""
    block = _values_block(column.values, declared.element_kind)
    if column.lengths is not None and len(column.lengths):
        block.append(length_delimited(_LENGTHS, packed_varints(column.lengths)))
    parts: Parts = [length_delimited(_NAME, name.encode())] if name else []
    parts += _delimited(declared.kind + 1, block)
    if unit:
        parts.append(length_delimited(_UNIT, unit.encode()))
    if column.nulls.any():
        parts += _packed(_STATUSES, np.where(column.nulls, np.uint8(NULL_VALUE), np.uint8(PRESENT)))
    return parts


def row_parts(columns: list[Parts]) -> Parts:
    """`repeated Column rows = 4`, as the push and the materialization request have it."""
    return [part for column in columns for part in _delimited(_REQUEST_ROWS, column)]


def encode_rows(columns: list[bytes]) -> bytes:
    """As `row_parts`, of columns that are encoded."""
    return b"".join(row_parts([[column] for column in columns]))


def time_parts(event_time_us: Times, created_time_us: Times | None) -> Parts:
    """The event times (field 5) and created times (field 6), one a row each."""
    parts = _packed(_REQUEST_EVENT_TIMES, event_time_us.astype("<i8", copy=False))
    if created_time_us is not None:
        parts += _packed(_REQUEST_CREATED_TIMES, created_time_us.astype("<i8", copy=False))
    return parts


def encode_request(
    target: Target, rows: bytes = b"", *, deleted: bool = False, watermark_us: int | None = None, dry_run: bool = False
) -> bytes:
    """A serialized `MaterializeRowsRequest`; `rows` are its fields 4 to 6."""
    parts = [length_delimited(_REQUEST_PROJECT, target.project.encode())] if target.project else []
    parts += (length_delimited(_REQUEST_VIEW, target.view.encode()), rows)
    if deleted:
        parts += (varint(_REQUEST_OP << 3), varint(1))
    if dry_run:
        parts += (varint(_REQUEST_DRY_RUN << 3), varint(1))
    if target.snapshot:
        parts.append(length_delimited(_REQUEST_SNAPSHOT, target.snapshot.encode()))
    if watermark_us is not None:
        parts += (varint(_REQUEST_WATERMARK << 3 | 1), watermark_us.to_bytes(8, "little", signed=True))
    return b"".join(parts)
