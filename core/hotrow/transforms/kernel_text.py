"""Strings in compiled transforms: a look at UTF-8 that lies in a row, in a request or in the code.

A `Text` is an address and a number of bytes, so that no string is copied or allocated for a transform, and none can
leak. Strings are made of code points, as Python's are: lengths and slices count them. Bytes in order are code points in
order, which is what makes comparisons simple.
"""

import operator
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import (
    intrinsic,
    make_attribute_wrapper,
    models,
    overload,
    overload_method,
    register_jitable,
    register_model,
)

from hotrow.codec.kernel_memory import load_u8
from hotrow.transforms.kernel_operators import add, mul
from hotrow.transforms.kernel_overload import is_whole, refuse


class TextType(types.Type):
    """The Numba type of a string of a transform."""

    def __init__(self) -> None:
        super().__init__(name="Text")


TEXT = TextType()


@register_model(TextType)
class _TextModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, [("at", types.int64), ("size", types.int64)])


make_attribute_wrapper(TextType, "at", "at")
make_attribute_wrapper(TextType, "size", "size")


@intrinsic
def text(typingctx: Any, at: Any, size: Any) -> Any:
    """The string of `size` bytes of UTF-8 at an address, which must outlive it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = numba.core.cgutils.create_struct_proxy(TEXT)(context, builder)
        made.at, made.size = arguments
        return made._getvalue()  # noqa: SLF001 - how Numba's own code reads a struct

    return TEXT(types.int64, types.int64), codegen


@intrinsic
def literal(typingctx: Any, octets: Any) -> Any:
    """The string whose UTF-8 stands in the code as a str of one character a byte: see `rewrite`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = numba.core.cgutils.create_struct_proxy(types.unicode_type)(context, builder, value=arguments[0])
        made = numba.core.cgutils.create_struct_proxy(TEXT)(context, builder)
        made.at = builder.ptrtoint(held.data, ir.IntType(64))
        made.size = held.length
        return made._getvalue()  # noqa: SLF001

    return TEXT(types.unicode_type), codegen


@register_jitable
def compare(a, b):
    """Less than 0, 0, or more, as `a` is less than, equal to or greater than `b`."""
    for i in range(min(a.size, b.size)):
        x, y = np.int64(load_u8(a.at, i)), np.int64(load_u8(b.at, i))  # int() of a byte is unsigned, and wraps
        if x != y:
            return x - y
    return a.size - b.size


@register_jitable
def same_bytes(at, other, size):
    """Whether `size` bytes at two addresses are equal."""
    for i in range(size):
        if load_u8(at, i) != load_u8(other, i):
            return False
    return True


@register_jitable
def points(a):
    """How many code points a string has."""
    count = 0
    for i in range(a.size):
        if load_u8(a.at, i) & 0xC0 != 0x80:
            count += 1
    return count


@register_jitable
def byte_of_point(a, point):
    """Where a code point begins; the size of the string for one behind its last."""
    at = 0
    for _ in range(point):
        if at >= a.size:
            break
        at += 1
        while at < a.size and load_u8(a.at, at) & 0xC0 == 0x80:
            at += 1
    return at


@register_jitable
def find_bytes(a, b, start):
    """The byte at which `b` first begins in `a` from `start` on; -1 where it does not."""
    for at in range(start, a.size - b.size + 1):
        if same_bytes(a.at + at, b.at, b.size):
            return at
    return -1


def _texts(*operands: Any) -> bool:
    return all(isinstance(operand, TextType) for operand in operands)


def _comparison(operation: Any, implementation: Any) -> None:
    def compared(a, b):
        return implementation if _texts(a, b) else None

    overload(operation)(compared)


_comparison(operator.eq, lambda a, b: a.size == b.size and same_bytes(a.at, b.at, a.size))
_comparison(operator.ne, lambda a, b: a.size != b.size or not same_bytes(a.at, b.at, a.size))
_comparison(operator.lt, lambda a, b: compare(a, b) < 0)
_comparison(operator.le, lambda a, b: compare(a, b) <= 0)
_comparison(operator.gt, lambda a, b: compare(a, b) > 0)
_comparison(operator.ge, lambda a, b: compare(a, b) >= 0)
_comparison(operator.contains, lambda a, b: find_bytes(a, b, 0) >= 0)


@overload(len)
def _len(a):
    return (lambda a: points(a)) if _texts(a) else None


@overload(bool)
def _bool(a):
    return (lambda a: a.size > 0) if _texts(a) else None


@overload(operator.not_)
def _not(a):
    return (lambda a: a.size == 0) if _texts(a) else None


@overload(operator.getitem)
def _getitem(a, index):
    if not _texts(a):
        return None
    if isinstance(index, types.SliceType):
        if index.has_step:
            raise refuse("a slice of a string has no step in compiled code; leave the step out")
        return _slice
    return _point if is_whole(index) else None


def _point(a, index):
    at = index if index >= 0 else index + points(a)
    start = byte_of_point(a, at) if at >= 0 else a.size
    if start >= a.size:
        raise IndexError("string index out of range")
    return text(a.at + start, byte_of_point(text(a.at + start, a.size - start), 1))


def _slice(a, index):
    start, stop = index.start, index.stop
    if start < 0 or stop < 0:
        n = points(a)
        start = max(start + n, 0) if start < 0 else start
        stop = max(stop + n, 0) if stop < 0 else stop
    first = byte_of_point(a, start)
    rest = text(a.at + first, a.size - first)
    return text(rest.at, byte_of_point(rest, max(stop - start, 0)))


@overload(ord)
def _ord(a):
    if not _texts(a):
        return None

    def code_point(a):
        if points(a) != 1:
            raise TypeError("ord() takes a string of one character")
        first = np.int64(load_u8(a.at, 0))
        if a.size == 1:
            return first
        value = first & (0xFF >> (a.size + 1))
        for i in range(1, a.size):
            value = value << 6 | (np.int64(load_u8(a.at, i)) & 0x3F)
        return value

    return code_point


def _method(name: str, implementation: Any) -> None:
    def method(a, b, start=None):
        if not _texts(a, b) or (start not in (None, types.none) and not isinstance(start, types.Omitted)):
            raise refuse(f"{name}() of a string takes one string in compiled code, and neither a place nor several")
        return implementation

    overload_method(TextType, name)(method)


def _count(a, b, start=None):
    if b.size == 0:
        return points(a) + 1
    count = 0
    at = find_bytes(a, b, 0)
    while at >= 0:
        count += 1
        at = find_bytes(a, b, at + b.size)
    return count


def _find(a, b, start=None):
    at = find_bytes(a, b, 0)
    return points(text(a.at, at)) if at >= 0 else -1


_method("startswith", lambda a, b, start=None: a.size >= b.size and same_bytes(a.at, b.at, b.size))
_method("endswith", lambda a, b, start=None: a.size >= b.size and same_bytes(a.at + a.size - b.size, b.at, b.size))
_method("find", _find)
_method("count", _count)


def _refuse_operation(operation: Any, text_of_it: str) -> None:
    def refused(a, b):
        if isinstance(a, TextType) or isinstance(b, TextType):
            raise refuse(text_of_it)

    overload(operation)(refused)


_refuse_operation(add, 'compiled code joins no strings; give the transform mode="python"')
_refuse_operation(mul, 'compiled code repeats no strings; give the transform mode="python"')
