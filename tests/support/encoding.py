"""Other encodings of a message than protobuf's own: all that a decoder has to take, drawn by Hypothesis."""

from google.protobuf.message import Message
from hypothesis import strategies as st

WIDTHS = {"float64": 8, "int64": 8, "timestamp_us": 8, "float32": 4, "int32": 4, "bool": 1}


def varint(value: int, *, extra: int = 0) -> bytes:
    """A varint, with bytes that it does not need."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    if extra:
        out[-1] |= 0x80
        out += b"\x80" * (extra - 1) + b"\0"
    return bytes(out)


def field(number: int, payload: bytes, *, extra: int = 0) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2, extra=extra) + varint(len(payload), extra=extra) + payload


def unknown(number: int = 99) -> list[bytes]:
    """Fields that no message of ours has, of every wire type, groups included."""
    group = varint(number << 3 | 3) + varint(8) + b"\x05" + field(3, b"xyz") + varint(number << 3 | 4)
    return [
        varint(number << 3) + varint(-1),
        varint(number << 3 | 1) + bytes(8),
        varint(number << 3 | 5) + bytes(4),
        field(number, b"\xff\xfe"),
        group,
    ]


@st.composite
def encodings(draw, message: Message) -> bytes:
    """The message with its fields in any order, split, unpacked, with overlong varints and unknown fields between."""
    pieces: list[tuple[int, bytes]] = []
    for descriptor, value in message.ListFields():
        repeated = value if descriptor.is_repeated else [value]
        number = descriptor.number
        if descriptor.message_type is not None:
            pieces += [(number, _delimited(draw, number, draw(encodings(one)))) for one in repeated]
        elif not descriptor.is_repeated or descriptor.type in (descriptor.TYPE_STRING, descriptor.TYPE_BYTES):
            single = type(message)()
            for one in repeated:
                single.Clear()
                if descriptor.is_repeated:
                    getattr(single, descriptor.name).append(one)
                else:
                    setattr(single, descriptor.name, one)
                pieces.append((number, single.SerializeToString()))
        else:
            pieces += [(number, piece) for piece in _split(draw, message, descriptor, list(value))]
    pieces += [(99, draw(st.sampled_from(unknown()))) for _ in range(draw(st.integers(0, 1)))]
    return b"".join(_interleaved(draw, pieces))


def _delimited(draw, number: int, payload: bytes) -> bytes:
    return field(number, payload, extra=draw(st.sampled_from([0, 0, 1, 2])))


def _split(draw, message: Message, descriptor, values: list):
    """A packed field in parts, some of one value each without a length."""
    while values:
        count = draw(st.integers(1, len(values)))
        part = type(message)()
        getattr(part, descriptor.name).extend(values[:count])
        packed = part.SerializeToString()
        if count == 1 and draw(st.booleans()):
            wire = {descriptor.TYPE_DOUBLE: 1, descriptor.TYPE_SFIXED64: 1}.get(descriptor.type, 0)
            wire = 5 if descriptor.type in (descriptor.TYPE_FLOAT, descriptor.TYPE_SFIXED32) else wire
            start = 3 if descriptor.number > 15 else 2
            yield varint(descriptor.number << 3 | wire) + packed[start:]
        else:
            yield packed
        values = values[count:]


def _interleaved(draw, pieces: list[tuple[int, bytes]]) -> list[bytes]:
    """Shuffled, but the pieces of one field in their order, which is a part of its value."""
    order = draw(st.permutations([number for number, _ in pieces]))
    queues: dict[int, list[bytes]] = {}
    for number, piece in pieces:
        queues.setdefault(number, []).append(piece)
    return [queues[number].pop(0) for number in order]
