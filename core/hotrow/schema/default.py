"""Default values of fields: whether they fit the type, and how JSON holds them.

As JSON: integers and bools as they are, timestamps in microseconds, strings as they are, bytes in base64, floats as
numbers or "NaN", "Infinity", "-Infinity", lists as lists of these, null as null.
"""

import base64
import math
import numbers
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from hotrow.clock import us_from_datetime
from hotrow.number import float_as_given, nearest_float32, nearest_float64, whole_number
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, INT64, STRING, TIMESTAMP, ValueType


class Unset:
    """The type of `UNSET`, which says that a field has no default (None says that it is null)."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()


class UnfitDefaultError(ValueError):
    """A default that does not fit its type; the text says what was expected."""


DefaultValue = int | float | bool | str | bytes | tuple[Any, ...] | None
"""A default as a field keeps it: timestamps are microseconds, lists are tuples, None is null."""


def checked_default(value: object, type_: ValueType) -> DefaultValue:
    """The default as a field keeps it; raises UnfitDefaultError unless it fits the type."""
    if value is None:
        return None
    if not type_.is_list:
        return _CHECKS[type_.kind](value)
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise UnfitDefaultError("a list")
    check = _CHECKS[type_.element_kind]
    return tuple(check(element) for element in value)


def default_to_json(value: DefaultValue) -> Any:
    """The JSON value of a checked default."""
    if isinstance(value, tuple):
        return [default_to_json(element) for element in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def default_from_json(value: Any, type_: ValueType) -> Any:
    """The inverse of `default_to_json`; raises ValueError for a value that it never writes."""
    if isinstance(value, list):
        return tuple(_scalar_from_json(element, type_.element_kind) for element in value)
    return _scalar_from_json(value, type_.element_kind)


def _scalar_from_json(value: Any, kind: int) -> Any:
    if kind == BYTES and value is not None:
        return base64.b64decode(value, validate=True)
    if kind in (FLOAT32, FLOAT64) and isinstance(value, str):
        return float(value)
    return value


def _integer(value: object, bits: int) -> int:
    number = _number(value, "a whole number")
    try:
        return whole_number(number, bits)
    except OverflowError:
        raise UnfitDefaultError(f"a whole number of {bits} bits") from None
    except ValueError:
        raise UnfitDefaultError("a whole number") from None


def _float(value: object, nearest: Callable[[float | Decimal], float]) -> float:
    try:
        return float_as_given(_number(value, "a number"), nearest)
    except OverflowError:
        raise UnfitDefaultError("a number in the range of the type") from None
    except ValueError:
        raise UnfitDefaultError("a number") from None


def _number(value: object, expected: str) -> float | Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UnfitDefaultError(expected)
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnfitDefaultError("True or False")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitDefaultError("a string")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UnfitDefaultError("valid Unicode") from None
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes | bytearray):
        raise UnfitDefaultError("bytes")
    return bytes(value)


def _timestamp_us(value: object) -> int:
    if isinstance(value, datetime):
        return us_from_datetime(value)
    try:
        if not isinstance(value, float | Decimal):
            return _integer(value, 64)
    except UnfitDefaultError:
        pass
    raise UnfitDefaultError("a datetime, or microseconds since 1970 in UTC")


_CHECKS: dict[int, Callable[[object], int | float | bool | str | bytes]] = {
    FLOAT64: lambda value: _float(value, nearest_float64),
    FLOAT32: lambda value: _float(value, nearest_float32),
    INT64: lambda value: _integer(value, 64),
    INT32: lambda value: _integer(value, 32),
    BOOL: _bool,
    STRING: _string,
    BYTES: _bytes,
    TIMESTAMP: _timestamp_us,
}
