"""Where the fields of a schema stand in a row: derived from the schema alone, so that every process agrees."""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from hotrow.codec.protowire import varint
from hotrow.schema.default import DefaultValue
from hotrow.types import BOOL, BY_NAME, BYTES, FLOAT32, FLOAT64, INT32, INT64, STRING, TIMESTAMP, ValueType

_FORMATS = {FLOAT64: "<d", FLOAT32: "<f", INT64: "<q", INT32: "<i", BOOL: "<?", TIMESTAMP: "<q"}
_REFERENCE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """One field: its bit in the null bitmap and its offset in the fixed block.

    `before` is, for a string, bytes or a list, the offset of the field of such a type before it, at whose end its own
    bytes begin; -1 where it is the first.
    """

    name: str
    type: ValueType
    unit: str
    bit: int
    fixed: int
    before: int


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The layout of rows of one schema; `fingerprint` is that of the schema, as the signed integer kernels compare.

    `ends` are the offsets in the fixed block of the ends of strings, bytes and lists, in the order of these.
    """

    fingerprint: int
    bitmap_bytes: int
    fixed_bytes: int
    slots: Mapping[str, Slot]
    ends: tuple[int, ...]


def is_variable(type_: ValueType) -> bool:
    """Whether values of the type stand in the variable block."""
    return type_.is_list or type_.kind in (STRING, BYTES)


@lru_cache(maxsize=1024)  # every plan of a view asks for it
def layout_from_schema(schema: bytes, fingerprint: bytes) -> RowLayout:
    """The layout of `FeatureView.schema_bytes`; raises ValueError or KeyError for what is no such schema."""
    slots: dict[str, Slot] = {}
    fixed, before = 0, -1
    for bit, (name, type_name, unit) in enumerate(json.loads(schema)):
        type_ = BY_NAME[type_name]
        variable = is_variable(type_)
        slots[name] = Slot(name, type_, unit, bit, fixed, before if variable else -1)
        if variable:
            before = fixed
        fixed += _REFERENCE_BYTES if variable else struct.calcsize(_FORMATS[type_.kind])
    signed = int.from_bytes(fingerprint, "little", signed=True)
    ends = tuple(slot.fixed for slot in slots.values() if is_variable(slot.type))
    return RowLayout(signed, (len(slots) + 7) // 8, fixed, slots, ends)


def stored_value(type_: ValueType, value: DefaultValue) -> bytes:
    """A value as a row holds it: in the fixed block, or, of strings, bytes and lists, in the variable block."""
    if type_.is_list:
        elements = value if isinstance(value, tuple) else ()
        if type_.element_kind in (STRING, BYTES):
            return len(elements).to_bytes(4, "little") + b"".join(map(_entry, elements))
        return b"".join(struct.pack(_FORMATS[type_.element_kind], element) for element in elements)
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else struct.pack(_FORMATS[type_.kind], value)


def _entry(element: str | bytes) -> bytes:
    data = element.encode() if isinstance(element, str) else element
    return b"\x0a" + varint(len(data)) + data


class Constants:
    """The bytes that a plan's tables refer to, each once."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._known: dict[bytes, int] = {}

    def put(self, data: bytes) -> int:
        """The offset of `data`."""
        if data not in self._known:
            self._known[data] = len(self._bytes)
            self._bytes += data
        return self._known[data]

    def put_all(self, pieces: Iterable[bytes]) -> list[tuple[int, int]]:
        """Offset and length of each of the pieces."""
        return [(self.put(piece), len(piece)) for piece in pieces]

    def __bytes__(self) -> bytes:
        return bytes(self._bytes)
