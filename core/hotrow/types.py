"""The types a feature or a join key can have, and how each stands on the wire and in a row.

`kind` is the number of the type everywhere: in kernels, in row layouts, and (plus one) as the field number in
`hotrow.v1.Column`. The kinds of lists are those of their elements plus eight.
"""

from dataclasses import dataclass

FLOAT64, FLOAT32, INT64, INT32, BOOL, STRING, BYTES, TIMESTAMP = range(1, 9)
LIST = 8  # added to the kind of the element

WIRE_NAMES = ("", "float64", "float32", "int64", "int32", "bool", "string", "bytes", "timestamp_us")
"""Name of a scalar kind's field in `hotrow.v1.Column`; that of a list is the same with `_list`."""

NUMPY_NAMES = ("", "<f8", "<f4", "<i8", "<i4", "|b1", "O", "O", "<i8")
"""NumPy's name of a scalar kind's values; strings and bytes are objects."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """One of the types below, or `Array` of one."""

    name: str
    kind: int

    def __repr__(self) -> str:
        return self.name

    @property
    def is_list(self) -> bool:
        return self.kind > LIST

    @property
    def element_kind(self) -> int:
        """The scalar kind: its own, or that of a list's elements."""
        return self.kind - LIST if self.kind > LIST else self.kind

    @property
    def wire_name(self) -> str:
        """Name of the type's field in `hotrow.v1.Column`."""
        return WIRE_NAMES[self.element_kind] + ("_list" if self.is_list else "")


Float64 = ValueType("Float64", FLOAT64)
Float32 = ValueType("Float32", FLOAT32)
Int64 = ValueType("Int64", INT64)
Int32 = ValueType("Int32", INT32)
Bool = ValueType("Bool", BOOL)
String = ValueType("String", STRING)
Bytes = ValueType("Bytes", BYTES)
UnixTimestamp = ValueType("UnixTimestamp", TIMESTAMP)

SCALARS = (Float64, Float32, Int64, Int32, Bool, String, Bytes, UnixTimestamp)
JOIN_KEY_TYPES = (Int32, Int64, String, Bytes, Bool, UnixTimestamp)


def Array(element: ValueType) -> ValueType:  # noqa: N802 - reads as a type in a schema
    """A list of `element`, any length; raises TypeError unless `element` is a scalar type of this module."""
    if element not in SCALARS:
        raise TypeError(f"Array takes one of {', '.join(t.name for t in SCALARS)}, not {element!r}")
    return ValueType(f"Array({element.name})", element.kind + LIST)


BY_NAME = {t.name: t for t in (*SCALARS, *(Array(scalar) for scalar in SCALARS))}
BY_KIND = {t.kind: t for t in BY_NAME.values()}


def type_from_kind(kind: int) -> ValueType:
    """The type of a kind; raises KeyError for a number that is none."""
    return BY_KIND[kind]
