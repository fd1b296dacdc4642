"""Values on a command line and in JSON, read as the schema says.

| type               | on a command line                                                          |
|--------------------|----------------------------------------------------------------------------|
| Int32, Int64       | 42                                                                         |
| Float32, Float64   | 0.5, nan, inf; the nearest that the type holds                             |
| Bool               | true, false                                                                |
| String             | as it stands                                                               |
| UnixTimestamp      | 2024-05-01T12:00:00Z (no zone: UTC), or microseconds since 1970; a number  |
|                    | that seems to be of another unit is refused                                |
| Bytes              | base64                                                                     |
| Array(T)           | a JSON list                                                                |
| a null             | null, of any type but String                                               |

JSON holds the same, with times and bytes as text and NaN and infinities as protobuf's JSON has them.
"""

import base64
import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hotrow.clock import UnitError, checked_us, us_from_text
from hotrow.errors import HotrowError, invalid
from hotrow.number import decimal_from_text, float_as_given, nearest_float32, nearest_float64
from hotrow.types import BOOL, BY_KIND, BYTES, FLOAT32, FLOAT64, INT32, INT64, STRING, TIMESTAMP, ValueType

_NULL = "null"


def value_from_text(name: str, text: str, declared: ValueType) -> Any:
    """The value of `name` as typed; raises INVALID naming it."""
    if text == _NULL and declared.kind != STRING:
        return None
    try:
        return _parsed(text, declared)
    except HotrowError:
        raise
    except UnitError as error:
        raise invalid(f"{name}: {text} is {error}", field=name) from None
    except (ValueError, KeyError, OverflowError):
        raise _refused(name, text, declared) from None


def _parsed(text: str, declared: ValueType) -> Any:
    if not declared.is_list:
        return _PARSERS[declared.kind](text)
    items = loaded_json(text)
    if isinstance(items, list):
        return value_from_json("", items, declared)
    raise ValueError(text)


def loaded_json(text: str) -> Any:
    """JSON, its numbers with all their digits; raises ValueError."""
    return json.loads(text, parse_float=Decimal)


def value_from_json(name: str, value: Any, declared: ValueType) -> Any:
    """What JSON holds as the type says: times and bytes come as text there. Other types are checked when encoded."""
    if declared.is_list and isinstance(value, list):
        element = BY_KIND[declared.element_kind]
        return [value_from_json(name, item, element) for item in value]
    try:
        if isinstance(value, str):
            return _FROM_JSON_TEXT[declared.kind](value) if declared.kind in _FROM_JSON_TEXT else value
        if declared.kind == TIMESTAMP and isinstance(value, int) and not isinstance(value, bool):
            return checked_us(value)
        return _from_json_number(value, declared) if isinstance(value, Decimal) else value
    except UnitError as error:
        raise invalid(f"{name or 'an element'}: {value} is {error}", field=name) from None
    except (ValueError, KeyError, OverflowError):
        raise _refused(name, str(value), declared) from None


def _from_json_number(value: Decimal, declared: ValueType) -> float | Decimal:
    if declared.kind in _NEAREST:
        return float_as_given(value, _NEAREST[declared.kind])
    return value if declared.kind in (INT64, INT32) else float(value)


def typed_values(values: Sequence[Any], declared: ValueType) -> Sequence[Any]:
    """Values to encode: times, which are microseconds here and were looked at, say their unit."""
    if declared.element_kind != TIMESTAMP:
        return values
    import numpy as np  # noqa: PLC0415

    def typed(value: Any) -> Any:
        if isinstance(value, list):
            return [typed(one) for one in value]
        return np.datetime64(value, "us") if isinstance(value, int) and not isinstance(value, bool) else value

    return [typed(value) for value in values]


_NEAREST: dict[int, Callable[[float | Decimal], float]] = {FLOAT64: nearest_float64, FLOAT32: nearest_float32}
_PARSERS: dict[int, Callable[[str], Any]] = {
    FLOAT64: lambda text: nearest_float64(decimal_from_text(text)),
    FLOAT32: lambda text: float_as_given(decimal_from_text(text), nearest_float32),
    INT64: int,
    INT32: int,
    BOOL: lambda text: {"true": True, "false": False}[text.lower()],
    STRING: str,
    BYTES: lambda text: base64.b64decode(text, validate=True),
    TIMESTAMP: us_from_text,
}


_JSON_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FROM_JSON_TEXT: dict[int, Callable[[str], Any]] = {
    FLOAT64: _JSON_FLOATS.__getitem__,
    FLOAT32: _JSON_FLOATS.__getitem__,
    BYTES: _PARSERS[BYTES],
    TIMESTAMP: us_from_text,
}


def time_us_option(name: str, text: str) -> int:
    """The time of an argument; raises INVALID naming the argument."""
    try:
        return us_from_text(text)
    except UnitError as error:
        raise invalid(f"{name}: {text} is {error}") from None
    except (ValueError, OverflowError):
        raise invalid(
            f"{name}: {text!r} is no time; write 2024-05-01, 2024-05-01T12:00:00Z (no zone: UTC), "
            "microseconds since 1970, or now"
        ) from None


def _refused(name: str, text: str, declared: ValueType) -> HotrowError:
    examples = {BOOL: "true", BYTES: "aGk=", TIMESTAMP: "2024-05-01T12:00:00Z", FLOAT32: "0.5", FLOAT64: "0.5"}
    example = "[1, 2]" if declared.is_list else examples.get(declared.kind, "42")
    return invalid(f"{name or 'an element'}: {text!r} is no {declared.name}; write it as in {example}", field=name)
