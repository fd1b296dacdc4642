"""Entity keys as bytes.

The join keys of a view, in the order of their names, one after another, each as a tag and a value:

    1 bytes      the bytes, 0x00 written as 0x00 0xFF, then 0x00
    2 string     its UTF-8 likewise; byte for byte, nothing is normalised
    3 integer    Int32 and Int64 alike: 8 bytes, big-endian, the sign bit flipped
    4 bool       1 byte, 0 or 1
    5 time       microseconds, as an integer

Keys compare, as bytes, as their values do. The key of a view without entities is empty. A key has at most 480 bytes.
"""

import re
from collections.abc import Sequence

from hotrow.schema.entity import JoinKey
from hotrow.types import BOOL, BYTES, STRING, TIMESTAMP

_SIGN = 1 << 63
_TAGS = {BYTES: 1, STRING: 2, BOOL: 4, TIMESTAMP: 5}
_INTEGER = 3
_TEXT = re.compile(rb"((?:[^\0]++|\0\xff)*+)\0")


def encode_key(values: Sequence[tuple[JoinKey, object]]) -> bytes:
    """The key of join keys and their values, given in the order of the names; the plain form of the kernel's."""
    out = bytearray()
    for key, value in values:
        tag = _TAGS.get(key.type.kind, _INTEGER)
        out.append(tag)
        if isinstance(value, str | bytes):
            data = value.encode() if isinstance(value, str) else value
            out += data.replace(b"\0", b"\0\xff") + b"\0"
        elif tag == _TAGS[BOOL]:
            out.append(bool(value))
        else:
            out += (int(value) + _SIGN).to_bytes(8, "big")  # type: ignore[call-overload]
    return bytes(out)


def decode_key(key: bytes, join_keys: Sequence[JoinKey]) -> dict[str, object]:
    """The values of a key, for messages and tools; raises ValueError for bytes that are no key of these join keys."""
    values: dict[str, object] = {}
    at = 0
    for join_key in join_keys:
        kind = join_key.type.kind
        if key[at : at + 1] != bytes([_TAGS.get(kind, _INTEGER)]):
            raise ValueError(f"no key of {', '.join(k.name for k in join_keys)}")
        values[join_key.name], at = _read_value(key, at + 1, kind)
    if at != len(key):
        raise ValueError(f"the key goes on behind {', '.join(k.name for k in join_keys)}")
    return values


def _read_value(key: bytes, at: int, kind: int) -> tuple[object, int]:
    if kind in (STRING, BYTES):
        text = _TEXT.match(key, at)
        if text is None:
            raise ValueError("a string of the key does not end")
        data = text[1].replace(b"\0\xff", b"\0")
        return data.decode() if kind == STRING else data, text.end()
    width = 1 if kind == BOOL else 8
    data = key[at : at + width]
    if len(data) < width or (kind == BOOL and data > b"\1"):
        raise ValueError("a value of the key is cut off or not one of its type")
    return data == b"\1" if kind == BOOL else int.from_bytes(data, "big") - _SIGN, at + width
