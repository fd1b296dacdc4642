"""What all kernels are made of: loads and stores at any byte offset, varints, UTF-8, and the checksum of rows.

Offsets are not checked here: each kernel checks an offset against its buffer before it loads, once a row or a field.
Integers are int64 throughout: in Numba an int64 and a uint64 together become a float.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from hotrow.codec.compile import part

PRIME_1 = np.uint64(0x9E3779B185EBCA87)
PRIME_2 = np.uint64(0xC2B2AE3D27D4EB4F)
PRIME_3 = np.uint64(0x165667B19E3779F9)
PRIME_4 = np.uint64(0x85EBCA77C2B2AE63)
PRIME_5 = np.uint64(0x27D4EB2F165667C5)


def _data(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    if isinstance(array_type, numba.types.Bytes):
        return context.make_helper(builder, array_type, value=array).data
    return context.make_array(array_type)(context, builder, array).data


def _pointer(context: Any, builder: Any, buffer_type: Any, buffer: Any, offset: Any) -> Any:
    octet = ir.IntType(8).as_pointer()
    if isinstance(buffer_type, numba.types.Integer):
        return builder.inttoptr(builder.add(buffer, offset), octet)
    return builder.gep(builder.bitcast(_data(context, builder, buffer_type, buffer), octet), [offset])


@intrinsic
def address(typingctx: Any, buffer: Any) -> Any:
    """Where a buffer is. A kernel hands addresses to its parts, in place of arrays, whose counts of references cost
    more than what most parts do; its arguments keep the buffers alive.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(_data(context, builder, signature.args[0], arguments[0]), ir.IntType(64))

    return numba.int64(buffer), codegen


def _load(bits: int, result: Any) -> Any:
    @intrinsic
    def load(typingctx: Any, array: Any, offset: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            where = _pointer(context, builder, signature.args[0], *arguments)
            value = builder.load(builder.bitcast(where, ir.IntType(bits).as_pointer()), align=1)
            if bits == result.bitwidth:
                return value
            return (builder.sext if result.signed else builder.zext)(value, ir.IntType(result.bitwidth))

        return result(array, numba.int64), codegen

    return load


def _store(bits: int) -> Any:
    @intrinsic
    def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            where = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
            low = arguments[2] if bits == 64 else builder.trunc(arguments[2], ir.IntType(bits))
            builder.store(low, builder.bitcast(where, ir.IntType(bits).as_pointer()), align=1)
            return context.get_dummy_value()

        return numba.void(array, numba.int64, numba.int64), codegen

    return store


def _bits(source: Any, target: Any) -> Any:
    @intrinsic
    def bits(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

        return target(source), codegen

    return bits


@intrinsic
def byte_swap(typingctx: Any, value: Any) -> Any:
    """The eight bytes of an int64 in the other order."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return numba.int64(numba.int64), codegen


@intrinsic
def copy(typingctx: Any, target: Any, at: Any, source: Any, start: Any, count: Any) -> Any:
    """`target[at : at + count] = source[start : start + count]`, of buffers that do not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        there = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        here = _pointer(context, builder, signature.args[2], arguments[2], arguments[3])
        numba.core.cgutils.raw_memcpy(builder, there, here, arguments[4], 1)
        return context.get_dummy_value()

    return numba.void(target, numba.int64, source, numba.int64, numba.int64), codegen


@intrinsic
def zero(typingctx: Any, target: Any, at: Any, count: Any) -> Any:
    """`target[at : at + count] = 0`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        there = _pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        numba.core.cgutils.memset(builder, there, arguments[2], 0)
        return context.get_dummy_value()

    return numba.void(target, numba.int64, numba.int64), codegen


@intrinsic
def prefetch(typingctx: Any, where: Any) -> Any:
    """Have the processor fetch the line of an address, which need not be one that may be read."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        octet, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [octet, number, number, number])
        fetch = numba.core.cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        read, keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(fetch, [builder.inttoptr(arguments[0], octet), read, keep, data])
        return context.get_dummy_value()

    return numba.void(numba.int64), codegen


load_u8 = _load(8, numba.uint8)
load_u16 = _load(16, numba.uint16)
load_u32 = _load(32, numba.uint32)
load_i32 = _load(32, numba.int32)
load_i64 = _load(64, numba.int64)
load_u64 = _load(64, numba.uint64)
store_u8, store_u32, store_i64 = _store(8), _store(32), _store(64)
i64_of_f64, f64_of_i64 = _bits(numba.float64, numba.int64), _bits(numba.int64, numba.float64)
i32_of_f32, f32_of_i32 = _bits(numba.float32, numba.int32), _bits(numba.int32, numba.float32)

SIGN = np.int64(-(2**63))


@part
def word(table, index):
    """`table[index]` without Numba's test for a negative index, which costs as much as the load."""
    return load_i64(table, 8 * index)


@part
def set_word(table, index, value):
    """`table[index] = value`, likewise."""
    store_i64(table, 8 * index, value)


@part
def store_time(out, at, time_us):
    """Eight bytes that compare, as bytes, as the times do: big-endian, the sign bit flipped."""
    store_i64(out, at, byte_swap(time_us ^ SIGN))


@part
def load_time(buffer, at):
    return byte_swap(load_i64(buffer, at)) ^ SIGN


@part
def read_varint(buffer, at, end):
    """The varint at `at` and the offset behind it; an offset of -1 where it runs over `end` or ten bytes."""
    value = np.int64(0)
    shift = np.int64(0)
    while at < end and shift < 64:
        byte = np.int64(load_u8(buffer, at))
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return value, np.int64(-1)


@part
def varint_length(value):
    """Bytes of the varint of a number that is not negative."""
    length = 1
    while value >= 0x80:
        value >>= 7
        length += 1
    return length


@part
def write_varint(out, at, value):
    """Write the varint of a number that is not negative; returns the offset behind it."""
    while value >= 0x80:
        store_u8(out, at, (value & 0x7F) | 0x80)
        value >>= 7
        at += 1
    store_u8(out, at, value)
    return at + 1


@part
def is_utf8(buffer, at, end):
    """Whether the bytes are UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF."""
    while at < end:
        if at + 8 <= end and load_i64(buffer, at) & 0x8080808080808080 == 0:
            at += 8
            continue
        first = np.int64(load_u8(buffer, at))
        at += 1
        if first < 0x80:
            continue
        if first < 0xC2 or first > 0xF4:
            return False
        more = 1 if first < 0xE0 else (2 if first < 0xF0 else 3)
        if at + more > end:
            return False
        second = np.int64(load_u8(buffer, at))
        low = 0xA0 if first == 0xE0 else (0x90 if first == 0xF0 else 0x80)
        high = 0x9F if first == 0xED else (0x8F if first == 0xF4 else 0xBF)
        if second < low or second > high:
            return False
        for i in range(1, more):
            if np.int64(load_u8(buffer, at + i)) & 0xC0 != 0x80:
                return False
        at += more
    return True


@part
def _rotate(value, bits):
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@part
def _round(lane, value):
    return _rotate(lane + value * PRIME_2, 31) * PRIME_1


@part
def _merge(digest, lane):
    return (digest ^ _round(np.uint64(0), lane)) * PRIME_1 + PRIME_4


@part
def checksum(buffer, at, end):
    """The low 32 bits of XXH64, in an int64.

    Chosen over CRC32, which costs 1 ns a byte from a table: this takes eight bytes a step.
    """
    return np.int64(xxh64(buffer, at, end) & np.uint64(0xFFFFFFFF))


@part
def xxh64(buffer, at, end):
    """XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md), a uint64."""
    length = np.uint64(end - at)
    if end - at >= 32:
        one, two = PRIME_1 + PRIME_2, PRIME_2
        three, four = np.uint64(0), np.uint64(0) - PRIME_1
        while at + 32 <= end:
            one = _round(one, load_u64(buffer, at))
            two = _round(two, load_u64(buffer, at + 8))
            three = _round(three, load_u64(buffer, at + 16))
            four = _round(four, load_u64(buffer, at + 24))
            at += 32
        digest = _rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)
        digest = _merge(_merge(_merge(_merge(digest, one), two), three), four)
    else:
        digest = PRIME_5
    digest += length
    while at + 8 <= end:
        digest = _rotate(digest ^ _round(np.uint64(0), load_u64(buffer, at)), 27) * PRIME_1 + PRIME_4
        at += 8
    if at + 4 <= end:
        digest = _rotate(digest ^ (np.uint64(load_u32(buffer, at)) * PRIME_1), 23) * PRIME_2 + PRIME_3
        at += 4
    while at < end:
        digest = _rotate(digest ^ (np.uint64(load_u8(buffer, at)) * PRIME_5), 11) * PRIME_1
        at += 1
    digest = (digest ^ (digest >> np.uint64(33))) * PRIME_2
    digest = (digest ^ (digest >> np.uint64(29))) * PRIME_3
    return digest ^ (digest >> np.uint64(32))
