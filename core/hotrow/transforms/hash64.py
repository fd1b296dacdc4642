"""A hash that is the same everywhere and always: what transforms take in place of Python's own."""

_BYTES = 8


def hash64(value: str | bytes | int) -> int:
    """XXH64, seed 0, as a signed integer of 64 bits: of a string's UTF-8, of bytes, of an integer's eight bytes.

    The same number in a transform, compiled or not. Raises OverflowError for an integer that 64 bits do not hold, and
    TypeError for other types: equal floats may differ in their bits.
    """
    from hotrow.codec.kernel_hash import hash_octets  # noqa: PLC0415 - definitions do not load Numba

    if isinstance(value, str):
        octets = value.encode("utf-8")
    elif isinstance(value, bytes):
        octets = value
    elif isinstance(value, int):
        octets = int(value).to_bytes(_BYTES, "little", signed=True)
    else:
        raise TypeError(f"hash64 takes a string, bytes or an integer, not a {type(value).__name__}")
    return int(hash_octets(octets))
