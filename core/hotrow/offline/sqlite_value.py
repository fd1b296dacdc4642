"""Values as SQLite gives them (int, float, str, bytes, None) to Arrow, in the type of their field.

| declared       | accepted                                                                     |
|----------------|------------------------------------------------------------------------------|
| Int64, Int32   | numbers that are whole and fit                                               |
| Float64,       | numbers, rounded once to the nearest float; one that would become infinite   |
| Float32        | not                                                                          |
| Bool           | 0 and 1                                                                      |
| String         | texts                                                                        |
| Bytes          | blobs                                                                        |
| UnixTimestamp  | ISO 8601 texts (without a zone: UTC), and integers: seconds since 1970, of   |
|                | the years 1 to 9999, so that milliseconds are not taken for seconds          |

A number is an integer, a real, or a text of decimal digits, as NUMERIC values are kept that no real holds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from hotrow import types
from hotrow.number import nearest_float32, nearest_float64, whole_number
from hotrow.offline.conversion import TARGETS
from hotrow.types import ValueType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_S, _END_S = -62_135_596_800, 253_402_300_800
"""The years 1 to 9999, which are those that a text can say."""
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_MAX_SHOWN = 60


class BrokenText(bytes):
    """A text that is not UTF-8: it fits no type."""


def text_of(stored: bytes) -> str | BrokenText:
    """A text as SQLite keeps it."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return BrokenText(stored)


@dataclass(frozen=True, slots=True)
class Cells:
    """One column: `refused` are rows whose value does not fit, null in `values`; `example` is the first of them."""

    values: pa.Array
    refused: Sequence[int] = ()
    reason: str = ""
    example: str = ""


def sqlite_type(declared: ValueType) -> pa.DataType:
    """The Arrow type in which values of a declared type are given."""
    return pa.timestamp("us", tz="UTC") if declared.kind == types.TIMESTAMP else TARGETS[declared.kind]


def column_of(values: Sequence[Any], declared: ValueType) -> Cells:
    """A column of a type that is no list."""
    accept = _ACCEPT[declared.kind]
    out: list[Any] = []
    refused: list[int] = []
    for row, value in enumerate(values):
        try:
            out.append(None if value is None else accept(value))
        except (ValueError, OverflowError):
            refused.append(row)
            out.append(None)
    held = sqlite_type(declared)
    array = pa.array(out, pa.int64()).cast(held) if declared.kind == types.TIMESTAMP else pa.array(out, held)
    if not refused:
        return Cells(array)
    return Cells(array, refused, f"is no {declared.name}", repr(values[refused[0]])[:_MAX_SHOWN])


def _integer(bits: int) -> Callable[[Any], int]:
    return lambda value: whole_number(_number(value), bits)


def _float64(value: Any) -> float:
    return nearest_float64(_number(value))


def _float32(value: Any) -> float:
    return nearest_float32(_number(value))


def _number(value: Any) -> float | Decimal:
    """An integer, a real, or a decimal that is kept as a text: SQLite has no other place for all of its digits."""
    if type(value) is str and _DECIMAL.fullmatch(value):
        return Decimal(value)
    if type(value) is not int and type(value) is not float:
        raise ValueError
    return value


def _bool(value: Any) -> bool:
    if type(value) is not int or value not in (0, 1):
        raise ValueError
    return value == 1


def _string(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return value


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise ValueError
    return value


def _time_us(value: Any) -> int:
    if type(value) is int and _FIRST_S <= value < _END_S:
        return value * 1_000_000
    if type(value) is not str:
        raise ValueError
    time = datetime.fromisoformat(value)
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


_ACCEPT: dict[int, Callable[[Any], Any]] = {
    types.INT64: _integer(64),
    types.INT32: _integer(32),
    types.FLOAT64: _float64,
    types.FLOAT32: _float32,
    types.BOOL: _bool,
    types.STRING: _string,
    types.BYTES: _bytes,
    types.TIMESTAMP: _time_us,
}
