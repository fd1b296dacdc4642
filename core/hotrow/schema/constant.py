"""Constants that a transform uses, and how JSON holds them.

Integers, bools, strings and None are themselves, finite floats are numbers with a point; all else is an object of one
key: {"float": "NaN"}, {"bytes": base64}, {"tuple": [...]}, {"array": [NumPy's type, shape, base64]}.
"""

import base64
import math
from typing import Any

_ARRAY_KINDS = "biuf"
_INT64 = 1 << 63


class UnfitConstantError(ValueError):
    """A value that a snapshot cannot hold; the text goes on after its name, and says the remedy."""


def constant_to_json(value: Any) -> Any:  # noqa: C901, PLR0911 - a line a kind
    """The JSON value of a constant; raises UnfitConstantError for what is none."""
    if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
        if not hasattr(value, "__len__") or value.ndim == 0:
            return constant_to_json(value.item())
        return _array_to_json(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise UnfitConstantError("an integer that 64 bits do not hold; use a float")
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return {"float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if type(value) is tuple:
        return {"tuple": [constant_to_json(item) for item in value]}
    raise UnfitConstantError(
        f"a {type(value).__name__}, which a snapshot cannot hold; make it a number, a string, a tuple of these or a "
        "NumPy array of numbers"
    )


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise UnfitConstantError("a string with half of a surrogate pair, which has no UTF-8; leave it out") from None
    return str(value)


def constant_from_json(value: Any) -> Any:
    """The inverse of `constant_to_json`; raises ValueError for anything else."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("a constant cannot be a list")  # noqa: TRY004 - of a document, not of a caller
        return value
    ((kind, held),) = value.items()
    if kind == "float":
        return float(held)
    if kind == "bytes":
        return base64.b64decode(held, validate=True)
    if kind == "tuple":
        return tuple(constant_from_json(item) for item in held)
    if kind == "array":
        return _array_from_json(*held)
    raise ValueError(f"unknown kind of constant {kind!r}")


def _array_to_json(value: Any) -> Any:
    if value.dtype.kind not in _ARRAY_KINDS or value.ndim > 2:
        raise UnfitConstantError(
            f"a NumPy array of {value.dtype} with {value.ndim} dimensions, which a snapshot cannot hold; give it "
            "numbers and at most two"
        )
    little = value.astype(value.dtype.newbyteorder("<"), order="C")
    data = base64.b64encode(little.tobytes()).decode("ascii")
    return {"array": [little.dtype.str, list(little.shape), data]}


def _array_from_json(kind: str, shape: list[int], data: str) -> Any:
    import numpy as np  # noqa: PLC0415 - definitions without arrays do not load it

    return np.frombuffer(base64.b64decode(data, validate=True), np.dtype(kind)).reshape(shape)
