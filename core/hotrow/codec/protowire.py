"""The few rules of the protobuf wire format that the Python-side codecs need: varints, and fields one after another.

Format: https://protobuf.dev/programming-guides/encoding/. For plans, answers and clients; the kernels have their own.
"""

from collections.abc import Iterator
from functools import lru_cache

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types; the two others are groups, which no message of ours has."""


class WireError(ValueError):
    """Bytes that are not protobuf's wire format, or a form of it that the caller does not read."""


_SHORT = [bytes((value,)) for value in range(0x80)]  # most varints are


def varint(value: int) -> bytes:
    """The varint of a number that is not negative."""
    if value < 0x80:
        return _SHORT[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=256)  # a plan asks for the same few, hundreds of times
def tag(field: int, wire_type: int) -> bytes:
    """What stands before each field's value."""
    return varint(field << 3 | wire_type)


def length_delimited(field: int, payload: bytes) -> bytes:
    """A string, bytes, message or packed field, the empty one included."""
    return b"".join((tag(field, LENGTH), varint(len(payload)), payload))


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint at `at` and where it ends; raises WireError when it is cut off or longer than ten bytes."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise WireError("a varint is cut off")


def read_fields(data: bytes, start: int = 0, end: int = -1) -> Iterator[tuple[int, int, slice]]:
    """Each field of the message in `data[start:end]`: number, wire type, and the slice of `data` that is its value.

    Raises WireError where the bytes end within a field, and for groups and field number 0.
    """
    at, end = start, len(data) if end < 0 else end
    last = len(data) - 1
    while at < end:
        key = data[at]
        at += 1
        if key > 0x7F:
            key, at = read_varint(data, at - 1)
        wire_type = key & 7
        if wire_type == LENGTH:
            # A varint of one byte, as most are, is read in place: a call would double the cost of a field.
            if at <= last and data[at] < 0x80:
                stop = at + 1 + data[at]
                at += 1
            else:
                size, at = read_varint(data, at)
                stop = at + size
        elif wire_type == VARINT:
            stop = read_varint(data, at)[1]
        elif wire_type in (FIXED64, FIXED32):
            stop = at + (8 if wire_type == FIXED64 else 4)
        else:
            raise WireError(f"wire type {wire_type} is not read here")
        if stop > end or key < 8:
            raise WireError("a field is cut off or has no number")
        yield key >> 3, wire_type, slice(at, stop)
        at = stop
