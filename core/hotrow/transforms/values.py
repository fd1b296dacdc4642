"""Cells from Python values and back: for transforms that are not compiled, for golden vectors and for tests."""

import ctypes
import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hotrow.codec.cells import Block, address_of
from hotrow.codec.protowire import length_delimited, read_fields
from hotrow.codec.wire import Octets, Table
from hotrow.number import nearest_float32
from hotrow.transforms.arena import Arena
from hotrow.transforms.kernel_cells import NULL_VALUE, PRESENT
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, INT64, NUMPY_NAMES, STRING, TIMESTAMP, ValueType

_TEXTS = (STRING, BYTES)
_COUNT_BYTES = 4  # of a list of strings or bytes, before its entries


class UnfitValueError(TypeError):
    """A value that its type does not take."""


class Cells:
    """The cells of a block as arrays [columns, rows], over the memory that they are in."""

    def __init__(self, block: Block, n_columns: int) -> None:
        self.block = block
        shape = (n_columns, block.n)
        self.words: Table = _view(block.cells, 8 * n_columns * block.n).view(np.int64).reshape(shape)
        self.lengths: Table = _view(block.lengths, 8 * n_columns * block.n).view(np.int64).reshape(shape)
        self.statuses: Octets = _view(block.statuses, n_columns * block.n).reshape(shape)

    def value(self, column: int, row: int, type_: ValueType) -> Any:
        """The value of a cell as transforms see it: what is not present is 0, False or empty."""
        word, length = int(self.words[column, row]), int(self.lengths[column, row])
        kind = type_.kind
        if kind == FLOAT64:
            return struct.unpack("<d", struct.pack("<q", word))[0]
        if kind == FLOAT32:
            return struct.unpack("<f", struct.pack("<i", word))[0]
        if kind == BOOL:
            return bool(word)
        if kind in (INT64, INT32, TIMESTAMP):
            return word
        data = ctypes.string_at(self.block.base + word, length) if length else b""
        if kind in _TEXTS:
            return data.decode("utf-8") if kind == STRING else data
        return list_from_bytes(data, type_)

    def put(self, column: int, row: int, type_: ValueType, value: Any, arena: Arena) -> None:
        """Fill a cell; None is null. Raises UnfitValueError, or OverflowError, for a value that the type has not."""
        word, length = (0, 0) if value is None else self._packed(type_, value, arena)
        self.words[column, row], self.lengths[column, row] = word, length
        self.statuses[column, row] = NULL_VALUE if value is None else PRESENT

    def fail(self, column: int, row: int, status: int) -> None:
        """Fill a cell that has no value, only a status."""
        self.words[column, row] = self.lengths[column, row] = 0
        self.statuses[column, row] = status

    def _packed(self, type_: ValueType, value: Any, arena: Arena) -> tuple[int, int]:
        kind = type_.kind
        if not type_.is_list and kind not in _TEXTS:
            return _word(kind, _unwrapped(value)), 0
        data = _text(kind, value) if not type_.is_list else list_bytes(type_, value)
        return arena.put(data) - self.block.base, len(data)


def new_cells(n_columns: int, n: int) -> tuple[Cells, list[Any]]:
    """Cells of their own, all null, and what keeps their memory alive. Offsets in them are addresses."""
    words, lengths = np.zeros(n_columns * n + 1, np.int64), np.zeros(n_columns * n + 1, np.int64)
    statuses = np.full(n_columns * n + 1, NULL_VALUE, np.uint8)
    block = Block(address_of(words), address_of(lengths), address_of(statuses), 0, n)
    return Cells(block, n_columns), [words, lengths, statuses]


def _view(at: int, size: int) -> npt.NDArray[np.uint8]:
    held: Any = (ctypes.c_uint8 * size).from_address(at)
    return np.frombuffer(held, np.uint8) if size else np.empty(0, np.uint8)


def _unwrapped(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _word(kind: int, value: Any) -> int:
    """The word of a number; Python's rules of types, as compiled code has them."""
    if kind == BOOL:
        if not isinstance(value, bool):
            raise UnfitValueError(f"{value!r} is no bool")
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitValueError(f"{value!r} is no number")
    if kind == FLOAT64:
        return int(struct.unpack("<q", struct.pack("<d", float(value)))[0])
    if kind == FLOAT32:
        return int(struct.unpack("<i", struct.pack("<f", nearest_float32(value)))[0])
    if not isinstance(value, int):
        raise UnfitValueError(f"{value!r} is no integer")
    bits = 31 if kind == INT32 else 63
    if not -(1 << bits) <= value < 1 << bits:
        raise OverflowError(f"{value} leaves {bits + 1} bits")
    return value


def _text(kind: int, value: Any) -> bytes:
    if kind == STRING and isinstance(value, str):
        return value.encode("utf-8")
    if kind == BYTES and isinstance(value, bytes):
        return value
    raise UnfitValueError(f"{value!r} is no {'string' if kind == STRING else 'bytes'}")


def list_bytes(type_: ValueType, value: Any) -> bytes:
    """The elements of a list as a row has them."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise UnfitValueError(f"{value!r} is no list")
    element = type_.element_kind
    if element in _TEXTS:
        entries = [length_delimited(1, _text(element, one)) for one in value]
        return struct.pack("<I", len(entries)) + b"".join(entries)
    words = [_word(element, _unwrapped(one)) for one in value]
    if element in (FLOAT64, INT64, TIMESTAMP):
        return np.array(words, "<i8").tobytes()
    return np.array(words, "<i4" if element in (FLOAT32, INT32) else "u1").tobytes()


def list_from_bytes(data: bytes, type_: ValueType) -> Any:
    """A list as transforms see it: a NumPy array of numbers, widened; a list of strings."""
    element = type_.element_kind
    if element not in _TEXTS:
        array = np.frombuffer(data, NUMPY_NAMES[element])
        return array.astype(np.float64 if element == FLOAT32 else np.int64 if element == INT32 else array.dtype)
    entries = [data[place] for _, _, place in read_fields(data, _COUNT_BYTES)]
    return [entry.decode("utf-8") for entry in entries] if element == STRING else entries


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are the same, NaN being itself."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(np.asarray(one), np.asarray(other), equal_nan=np.asarray(one).dtype.kind == "f"))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return bool(one == other) and isinstance(one, str) == isinstance(other, str)
