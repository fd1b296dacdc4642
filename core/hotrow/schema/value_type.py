"""Checks of the types that definitions name."""

from hotrow.errors import invalid
from hotrow.types import BOOL, BY_NAME, BYTES, INT32, INT64, JOIN_KEY_TYPES, SCALARS, STRING, TIMESTAMP, ValueType

ENCODING_CLASSES = {
    INT32: "integer",
    INT64: "integer",
    STRING: "string",
    BYTES: "bytes",
    BOOL: "bool",
    TIMESTAMP: "time",
}
"""Class of a join key's encoding, by kind: types of one class have the same key bytes for the same value."""

_PYTHON_TYPES = {int: "Int64", float: "Float64", str: "String", bytes: "Bytes", bool: "Bool"}


def checked_type(where: str, value: object) -> ValueType:
    """The type; raises INVALID unless it is one of `hotrow.types`."""
    if isinstance(value, ValueType) and BY_NAME.get(value.name) == value:
        return value
    names = ", ".join(scalar.name for scalar in SCALARS)
    proposal = _PYTHON_TYPES.get(value) if isinstance(value, type) else None
    remedy = f"use {proposal}" if proposal else f"use one of {names}, or Array(...) of one"
    raise invalid(f"{where}: unknown type {getattr(value, '__name__', value)!r}; {remedy}")


def checked_join_key_type(where: str, value: object) -> ValueType:
    """The type; raises INVALID unless a join key may have it (floats and lists have no exact equality to join on)."""
    type_ = checked_type(where, value)
    if type_ in JOIN_KEY_TYPES:
        return type_
    names = ", ".join(key_type.name for key_type in JOIN_KEY_TYPES)
    raise invalid(f"{where}: a join key cannot be {type_.name}; use one of {names}")


def type_from_name(name: str) -> ValueType:
    """The type of a name such as "Array(Float32)"; raises INVALID for an unknown one."""
    found = BY_NAME.get(name)
    if found is None:
        raise invalid(f"unknown type {name!r}; it may come from a later version of hotrow")
    return found
