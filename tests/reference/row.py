"""Stored rows, from the layout in `hotrow.codec.row`."""

import hashlib
import json
import struct

from reference.xxh64 import xxh64

FORMATS = {"float64": "<d", "float32": "<f", "int64": "<q", "int32": "<i", "bool": "<?", "timestamp_us": "<q"}


TYPE_NAMES = {
    "float64": "Float64",
    "float32": "Float32",
    "int64": "Int64",
    "int32": "Int32",
    "bool": "Bool",
    "string": "String",
    "bytes": "Bytes",
    "timestamp_us": "UnixTimestamp",
}
TYPE_NAMES |= {f"{wire}_list": f"Array({name})" for wire, name in TYPE_NAMES.items()}


def fingerprint(schema: dict[str, str], units: dict[str, str] | None = None) -> bytes:
    """Of a schema: 8 bytes of the SHA-256 of [[name, type, unit], ...], sorted, as JSON without spaces."""
    fields = [[name, TYPE_NAMES[schema[name]], (units or {}).get(name, "")] for name in sorted(schema)]
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()[:8]


def encode_row(
    schema: dict[str, str], values: dict[str, object], *, fingerprint: bytes, event_us: int, created_us: int
) -> bytes:
    """The row of `values`, by field name; `schema` has the type of every field."""
    names = sorted(schema)
    bitmap = bytearray((len(names) + 7) // 8)
    fixed = variable = b""
    for number, name in enumerate(names):
        type_, value = schema[name], values[name]
        if value is None:
            bitmap[number // 8] |= 1 << number % 8
        if type_ in FORMATS:
            fixed += bytes(struct.calcsize(FORMATS[type_])) if value is None else struct.pack(FORMATS[type_], value)
        else:
            variable += b"" if value is None else _variable(type_, value)
            fixed += len(variable).to_bytes(4, "little")
    return _framed(bytes(bitmap) + fixed + variable, flags=0, fingerprint=fingerprint, times=(event_us, created_us))


def encode_tombstone(*, fingerprint: bytes, event_us: int, created_us: int) -> bytes:
    """The row that says there is none."""
    return _framed(b"", flags=1, fingerprint=fingerprint, times=(event_us, created_us))


def decode_row(row: bytes, schema: dict[str, str]) -> dict[str, object]:
    """The values of a row of exactly this schema."""
    names = sorted(schema)
    body = row[32:-4]
    at = (len(names) + 7) // 8
    variable = body[at + sum(_width(schema[name]) for name in names) :]
    values: dict[str, object] = {}
    start = 0
    for number, name in enumerate(names):
        type_ = schema[name]
        cell = body[at : at + _width(type_)]
        at += _width(type_)
        if type_ in FORMATS:
            (value,) = struct.unpack(FORMATS[type_], cell)
        else:
            end = int.from_bytes(cell, "little")
            value = _value(type_, variable[start:end])
            start = end
        values[name] = None if body[number // 8] >> number % 8 & 1 else value
    return values


def _framed(body: bytes, *, flags: int, fingerprint: bytes, times: tuple[int, int]) -> bytes:
    length = 32 + len(body) + 4
    head = length.to_bytes(4, "little") + bytes([1, flags, 0, 0]) + fingerprint
    head += b"".join((time + 2**63).to_bytes(8, "big") for time in times)
    return head + body + (xxh64(head + body) & 0xFFFFFFFF).to_bytes(4, "little")


def _width(type_: str) -> int:
    return struct.calcsize(FORMATS[type_]) if type_ in FORMATS else 4


def _variable(type_: str, value) -> bytes:
    element = type_.removesuffix("_list")
    if element == type_:
        return value.encode() if type_ == "string" else value
    if element in FORMATS:
        return b"".join(struct.pack(FORMATS[element], one) for one in value)
    entries = [one.encode() if element == "string" else one for one in value]
    return len(entries).to_bytes(4, "little") + b"".join(b"\x0a" + _varint(len(one)) + one for one in entries)


def _value(type_: str, data: bytes) -> object:
    element = type_.removesuffix("_list")
    if element == type_:
        return data.decode() if type_ == "string" else data
    if element in FORMATS:
        return [value for (value,) in struct.iter_unpack(FORMATS[element], data)]
    count, data = int.from_bytes(data[:4], "little"), data[4:]
    values = []
    for _ in range(count):
        length, data = _read_varint(data[1:])
        values.append(data[:length].decode() if element == "string" else data[:length])
        data = data[length:]
    return values


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _read_varint(data: bytes) -> tuple[int, bytes]:
    value = shift = 0
    for at, byte in enumerate(data):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, data[at + 1 :]
    raise ValueError("a varint does not end")
