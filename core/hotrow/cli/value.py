"""Values on a command line and in JSON, read as the schema says.

| type               | on a command line                                                          |
|--------------------|----------------------------------------------------------------------------|
| Int32, Int64       | 42                                                                         |
| Float32, Float64   | 0.5, nan, inf                                                              |
| Bool               | true, false                                                                |
| String             | as it stands                                                               |
| UnixTimestamp      | 2024-05-01T12:00:00Z (no zone: UTC), or microseconds since 1970            |
| Bytes              | base64                                                                     |
| Array(T)           | a JSON list                                                                |
| a null             | null, of any type but String                                               |

JSON holds the same, with times and bytes as text and NaN and infinities as protobuf's JSON has them.
"""

import base64
import json
import math
from collections.abc import Callable
from typing import Any

from hotrow.clock import us_from_text
from hotrow.errors import HotrowError, invalid
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
    except (ValueError, KeyError, OverflowError):
        raise _refused(name, text, declared) from None


def _parsed(text: str, declared: ValueType) -> Any:
    if not declared.is_list:
        return _PARSERS[declared.kind](text)
    items = json.loads(text)
    if isinstance(items, list):
        return value_from_json("", items, declared)
    raise ValueError(text)


def value_from_json(name: str, value: Any, declared: ValueType) -> Any:
    """What JSON holds as the type says: times and bytes come as text there. Other types are checked when encoded."""
    if declared.is_list and isinstance(value, list):
        element = BY_KIND[declared.element_kind]
        return [value_from_json(name, item, element) for item in value]
    if not isinstance(value, str) or declared.kind not in _FROM_JSON_TEXT:
        return value
    try:
        return _FROM_JSON_TEXT[declared.kind](value)
    except (ValueError, KeyError):
        raise _refused(name, value, declared) from None


_PARSERS: dict[int, Callable[[str], Any]] = {
    FLOAT64: float,
    FLOAT32: float,
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
    except ValueError:
        raise invalid(
            f"{name}: {text!r} is no time; write 2024-05-01, 2024-05-01T12:00:00Z (no zone: UTC), "
            "microseconds since 1970, or now"
        ) from None


def _refused(name: str, text: str, declared: ValueType) -> HotrowError:
    examples = {BOOL: "true", BYTES: "aGk=", TIMESTAMP: "2024-05-01T12:00:00Z", FLOAT32: "0.5", FLOAT64: "0.5"}
    example = "[1, 2]" if declared.is_list else examples.get(declared.kind, "42")
    return invalid(f"{name or 'an element'}: {text!r} is no {declared.name}; write it as in {example}", field=name)
