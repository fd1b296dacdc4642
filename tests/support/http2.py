"""A few HTTP/2 frames written by hand: for peers that break off where no client library would."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS = 1, 4
CANCEL = struct.pack(">I", 8)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def greeting() -> bytes:
    """What a connection begins with."""
    return PREFACE + frame(SETTINGS, 0, 0)


def call(path: str, stream: int, *, end: bool = False, encoding: str = "") -> bytes:
    """The headers of a gRPC call, which ends with them or not; its messages may be encoded."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]
    fields += [("content-type", "application/grpc"), ("te", "trailers")]
    fields += [("grpc-encoding", encoding)] if encoding else []
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def message(payload: bytes, *, compressed: int = 0) -> bytes:
    """A gRPC message with its prefix."""
    return struct.pack(">BI", compressed, len(payload)) + payload


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
