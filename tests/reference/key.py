"""Entity keys, from the description in `hotrow.codec.key`."""

TAGS = {"bytes": 1, "string": 2, "int64": 3, "int32": 3, "bool": 4, "timestamp_us": 5}
MAX_KEY_BYTES = 480


def encode_key(values: list[tuple[str, object]]) -> bytes:
    """The key of (type, value) pairs that stand in the order of the join keys' names."""
    return b"".join(bytes([TAGS[type_]]) + _encode(type_, value) for type_, value in values)


def _encode(type_: str, value) -> bytes:
    if type_ == "bool":
        return b"\1" if value else b"\0"
    if type_ in ("string", "bytes"):
        data = value.encode() if type_ == "string" else value
        return b"".join(b"\0\xff" if byte == 0 else bytes([byte]) for byte in data) + b"\0"
    return (value + 2**63).to_bytes(8, "big")
