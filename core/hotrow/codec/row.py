"""Rows as bytes: one row of one view, as the stores keep it. Integers are little-endian unless said otherwise.

    offset      bytes  what
    0           4      length of the whole row
    4           1      format version, 1
    5           1      flags; bit 0: a tombstone, which ends with the header and the checksum
    6           2      0
    8           8      schema fingerprint: the first bytes of the SHA-256 of `FeatureView.schema_bytes`
    16          8      event time, microseconds, UTC: big-endian, the sign bit flipped
    24          8      created time, likewise; 16 to 32 is the row's version, whose bytes compare as the times do
    32          b      null bitmap, a bit a field, lowest first: 1 says null; b = (fields + 7) // 8
    32 + b      f      fixed block: every field in the order of the names, 8 bytes (Float64, Int64, UnixTimestamp),
                       4 (Float32, Int32) or 1 (Bool); of a String, Bytes or Array the 4-byte offset in the variable
                       block at which it ends (it begins where the one before it ends)
    32 + b + f  v      variable block: strings in UTF-8, bytes, arrays of fixed-width elements one after another;
                       arrays of strings or bytes: 4 bytes count, then for each 0x0A, its length as a varint, its bytes
                       (as protobuf has them, so that a reply copies them)
    ...         4      checksum: the low 32 bits of XXH64, seed 0, of all bytes before it

A null takes the place of a zero in the fixed block and none in the variable block. Fields are found by name through
the schema that the fingerprint stands for, so that fields may be added to a view and removed from it.
"""

_FLAGS, _TOMBSTONE = 5, 1
_FINGERPRINT = slice(8, 16)
_SIGN = 1 << 63

FAULTS = {
    0: "",
    -51: "its length does not agree with its bytes",
    -52: "it has a format version that this version of hotrow does not know",
    -53: "its checksum does not agree with its bytes",
    -54: "its schema is not known",
    -55: "its fields do not agree with its schema",
}
"""What is wrong with a row, by the numbers of `hotrow.codec.kernel_decode`."""


def fingerprint(row: bytes) -> bytes:
    """The fingerprint of the schema that the row was written with."""
    return row[_FINGERPRINT]


def is_tombstone(row: bytes) -> bool:
    """Whether the row says that there is none: it was deleted."""
    return bool(row[_FLAGS] & _TOMBSTONE)


def event_time_us(row: bytes) -> int:
    """Microseconds, UTC."""
    return int.from_bytes(row[16:24], "big") - _SIGN


def created_time_us(row: bytes) -> int:
    """Microseconds, UTC; 0 for rows of a source without created times."""
    return int.from_bytes(row[24:32], "big") - _SIGN


def verify_row(row: bytes) -> str | None:
    """What is wrong with a row's frame (length, format, checksum); None where nothing is. Loads the kernels."""
    from hotrow.codec.kernel_decode import check_row  # noqa: PLC0415 - tools that do not verify need no Numba

    return FAULTS[check_row(row)] or None
