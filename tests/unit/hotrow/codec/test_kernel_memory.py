"""The parts of all kernels: the checksum is XXH64, UTF-8 is that of RFC 3629, varints are protobuf's."""

import itertools

import numba
import numpy as np
import pytest
from hotrow.codec.kernel_memory import checksum, is_utf8, read_varint, varint_length, write_varint
from hypothesis import example, given
from hypothesis import strategies as st
from reference.xxh64 import xxh64

INT64 = st.integers(0, 2**63 - 1)
PRIME32, PRIME64 = 2654435761, 11400714785074694797


@numba.njit
def _write(value, out):
    return write_varint(out, 0, value), varint_length(value)


@numba.njit
def _checksum(data, start):
    return checksum(data, start, len(data))


@numba.njit
def _is_utf8(data, start):
    return is_utf8(data, start, len(data))


@numba.njit
def _read(data):
    return read_varint(data, 0, len(data))


def octets(data: bytes):
    return np.frombuffer(data, np.uint8)


def sanity_buffer(length: int) -> bytes:
    """The bytes that the reference implementation of xxHash tests itself with (XXH_selfTest)."""
    state, out = PRIME32, bytearray()
    for _ in range(length):
        out.append(state >> 56)
        state = state * PRIME64 % 2**64
    return bytes(out)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (sanity_buffer(1), 0xE934A84ADB052768),
        (sanity_buffer(4), 0x9136A0DCA57457EE),
        (sanity_buffer(14), 0x8282DCC4994E35C8),
        (sanity_buffer(222), 0xB641AE8CB691C174),
    ],
)
def test_the_twin_of_xxh64_has_the_published_values(data, digest):
    """Of the reference implementation's own test, and of well-known texts; the checksum is the low half."""
    assert xxh64(data) == digest
    assert _checksum(octets(data), 0) == digest & 0xFFFFFFFF


@given(st.binary(max_size=300), st.integers(0, 9))
def test_the_checksum_is_the_low_half_of_xxh64(data, start):
    """At any length and any alignment."""
    assert _checksum(octets(bytes(start) + data), start) == xxh64(data) & 0xFFFFFFFF


def _python_says(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(
    st.lists(st.text(max_size=9).map(str.encode) | st.binary(max_size=4), max_size=6).map(b"".join), st.integers(0, 8)
)
def test_utf_8_is_what_python_decodes(data, start):
    """Valid and broken texts, at any alignment."""
    assert _is_utf8(octets(b"\xff" * start + data), start) == _python_says(data)


def test_utf_8_of_every_short_sequence():
    """Every two bytes, and three and four of those at which a rule begins or ends, alone and after eight letters."""
    edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF]
    edges += [0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]
    short = itertools.product(range(256), repeat=2)
    longer = itertools.chain(
        itertools.product(edges, repeat=3), itertools.product(edges[-14:], edges[2:8], edges[2:8], edges)
    )
    wrong = [
        one for one in itertools.chain(short, longer) if _is_utf8(octets(bytes(one)), 0) != _python_says(bytes(one))
    ]
    assert wrong == []


@given(INT64)
@example(2**63 - 1)
def test_varints_are_read_as_they_are_written(value):
    """Every number that is not negative, in as many bytes as it takes."""
    out = np.zeros(10, np.uint8)
    end, length = _write(value, out)
    assert end == length == max(1, -(-value.bit_length() // 7))
    assert _read(out[:end]) == (value, end)
    assert all(_read(out[:cut])[1] == -1 for cut in range(end))


@pytest.mark.parametrize(
    ("data", "value", "end"),
    [
        (b"\xff" * 9 + b"\x01", -1, 10),
        (b"\x80" * 9 + b"\x01", -(2**63), 10),
        (b"\xff" * 10, None, -1),
        (b"\x80" * 10 + b"\0", None, -1),
        (b"", None, -1),
        (b"\x81\x00", 1, 2),
    ],
)
def test_varints_of_hostile_lengths(data, value, end):
    """Ten bytes at most; negative numbers have ten."""
    found = _read(octets(data))
    assert found[1] == end
    assert value is None or found[0] == value
