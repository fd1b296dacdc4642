"""The columns of a reply in the canonical form that hotrow's servers write, read in place.

protobuf takes any form of a message, and 500 us of CPU for the 50 columns of 100 doubles that this reads in 180. A
number block is copied once, so that the array is aligned and the caller's own; statuses look into the reply's bytes.
Any other form (fields in another order, split or unpacked, unknown ones) raises, and protobuf reads that reply.

    reply   0A <length> column  ...  then what is no column, in any form
    column  0A <length> name,  <kind> <length> block,  92 01 <length> unit,  9A 01 <length> statuses; each may be absent
    block   0A <length> values,  12 <length> lengths of lists; each absent where it would be empty
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hotrow.codec.column import PRESENT, DecodedColumn, objects_of, rows_of_lists
from hotrow.codec.protowire import WireError, read_varint, tag
from hotrow.types import BOOL, BY_KIND, BYTES, LIST, NUMPY_NAMES, STRING, ValueType
from hotrow.v1 import column_pb2

_VALUES, _LENGTHS = 0x0A, 0x12  # also the tags of a column and of its name
_UINT8: Final = np.dtype(np.uint8)


_SHORT_TAGS: Final = [BY_KIND.get((tag >> 3) - 1) if tag & 7 == 2 and tag < 0x80 else None for tag in range(256)]
_LONG_TAGS: Final = {tag(kind + 1, 2): type_ for kind, type_ in BY_KIND.items() if kind >= 15}
_UNIT, _STATUSES = tag(18, 2), tag(19, 2)
_DTYPES: Final = [np.dtype(name or "O") for name in NUMPY_NAMES]
_WIDTHS: Final = [dtype.itemsize for dtype in _DTYPES]
_ZERO_OR_ONE: Final = frozenset((0, 1))
_TEXTS: Final[dict[int, Any]] = {STRING: column_pb2.Strings, BYTES: column_pb2.BytesValues}
_TEXT_LISTS: Final[dict[int, Any]] = {STRING: column_pb2.StringLists, BYTES: column_pb2.BytesLists}


def columns_from_wire(data: bytes) -> tuple[tuple[DecodedColumn, ...], bytes]:
    """The columns, and the bytes after them, which hold the reply's other fields and may hold more columns.

    Raises WireError, IndexError, UnicodeDecodeError or DecodeError for bytes that are not canonical; as a reply they
    may be right.
    """
    columns = []
    at, end = 0, len(data)
    while at < end and data[at] == _VALUES:
        start, at = _span(data, at + 1, end)
        columns.append(_column(data, start, at))
    return tuple(columns), data[at:]


def _span(data: bytes, at: int, limit: int) -> tuple[int, int]:
    """Where what has its length at `at` starts and stops."""
    size = data[at]
    if size < 0x80:
        at += 1
    elif data[at + 1] < 0x80:  # two bytes are common too: read in place, a call costs more than all of this
        size = size & 0x7F | data[at + 1] << 7
        at += 2
    else:
        size, at = read_varint(data, at)
    stop = at + size
    if stop > limit:
        raise WireError("a field is cut off")
    return at, stop


def _column(data: bytes, at: int, stop: int) -> DecodedColumn:
    if data[at] != _VALUES:
        raise WireError("a column has a name")
    start, at = _span(data, at + 1, stop)
    name, unit = data[start:at].decode(), ""
    type_ = _SHORT_TAGS[data[at]] if at < stop else None
    if type_ is None and (type_ := _LONG_TAGS.get(data[at : at + 2])) is not None:
        at += 1
    values = None
    if type_ is not None:
        start, at = _span(data, at + 1, stop)
        values = _values(data, start, at, type_, name)
    if at < stop and data[at : at + 2] == _UNIT:
        start, at = _span(data, at + 2, stop)
        unit = data[start:at].decode()
    statuses = _statuses(data, at, stop, None if values is None else len(values))
    if values is None:
        values = np.zeros(len(statuses), dtype=object)
    return DecodedColumn(name, type_, values, statuses, unit)


def _statuses(data: bytes, at: int, stop: int, rows: int | None) -> npt.NDArray[np.uint8]:
    """The last field of a column, a byte a row; where it is left out all rows are PRESENT."""
    if at == stop:
        return np.full(rows or 0, PRESENT, _UINT8)
    start, end = _span(data, at + 2, stop)
    if data[at : at + 2] != _STATUSES or end != stop or not data[start:end].isascii():
        raise WireError("a column has a field that is not expected here, or a status of several bytes")
    if rows not in (None, end - start):
        raise WireError("a column has as many statuses as values")
    return np.frombuffer(data, _UINT8, end - start, start)


def _values(data: bytes, at: int, stop: int, type_: ValueType, name: str) -> Any:
    """What a block holds: an array of numbers, protobuf's strings, or a list with an array a row."""
    kind = type_.kind
    is_list = kind > LIST
    if is_list:
        kind -= LIST
    if kind in _TEXTS:
        if not is_list:
            return _TEXTS[kind].FromString(data[at:stop]).values
        lists = _TEXT_LISTS[kind].FromString(data[at:stop])
        return rows_of_lists(name, objects_of(lists.values), list(lists.lengths))
    numbers, lengths = np.empty(0, _DTYPES[kind]), []
    if at < stop and data[at] == _VALUES:
        start, at = _span(data, at + 1, stop)
        count, odd = divmod(at - start, _WIDTHS[kind])
        if odd or (kind == BOOL and not _ZERO_OR_ONE.issuperset(data[start:at])):
            raise WireError("a block of numbers is not of its width")
        numbers = np.frombuffer(data, _DTYPES[kind], count, start).copy()
    if is_list and at < stop and data[at] == _LENGTHS:
        start, at = _span(data, at + 1, stop)
        packed = data[start:at]
        lengths = list(packed if packed.isascii() else _varints(packed))
    if at != stop:
        raise WireError("a block has a field that is not expected here")
    return rows_of_lists(name, numbers, lengths) if is_list else numbers


def _varints(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = read_varint(packed, at)
        yield value & 0xFFFFFFFF  # as protobuf takes a uint32
