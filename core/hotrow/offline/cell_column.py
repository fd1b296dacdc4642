"""From cells, as kernels fill them, to Arrow columns, block by block."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hotrow.codec.kernel_decode import PRESENT
from hotrow.codec.kernel_gather import gather
from hotrow.codec.layout import is_variable
from hotrow.codec.protowire import read_fields
from hotrow.codec.wire import Octets, Table
from hotrow.offline.arrow_column import arrow_type
from hotrow.types import BYTES, FLOAT32, FLOAT64, NUMPY_NAMES, STRING, ValueType

_TEXTS = (STRING, BYTES)
_COUNT_BYTES = 4  # of a list of strings or bytes, before its entries


class CellColumn:
    """A column of `rows` values that grows block by block."""

    def __init__(self, type_: ValueType, rows: int) -> None:
        self._type = type_
        self._null = np.zeros(rows, np.bool_)
        self._is_variable = is_variable(type_)
        self._values: npt.NDArray[Any] = np.zeros(rows, np.int64 if self._is_variable else NUMPY_NAMES[type_.kind])
        self._parts: list[Octets] = []

    def take(self, words: Table, lengths: Table, statuses: Octets, start: int) -> None:
        """The cells of the rows from `start` on; the words of strings and lists are addresses."""
        there = slice(start, start + len(words))
        self._null[there] = statuses != PRESENT
        if self._is_variable:
            self._values[there] = lengths
            self._parts.append(np.empty(int(lengths.sum()), np.uint8))
            gather(words, lengths, self._parts[-1])
        elif self._type.kind == FLOAT64:
            self._values[there] = words.view(np.float64)
        elif self._type.kind == FLOAT32:
            self._values[there] = words.astype(np.int32).view(np.float32)
        else:
            self._values[there] = words

    def finish(self) -> pa.Array:
        """The column, when all rows were taken."""
        mask = self._null if self._null.any() else None
        declared = arrow_type(self._type)
        if not self._is_variable:
            return pa.array(self._values, declared, mask=mask)
        data = np.concatenate(self._parts) if self._parts else np.zeros(0, np.uint8)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(self._values)])
        validity = None if mask is None else pa.array(~mask).buffers()[1]
        if not self._type.is_list:
            return pa.Array.from_buffers(
                declared, len(self._values), [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
            )
        element = self._type.element_kind
        if element in _TEXTS:
            lists = [
                None if null else _texts(data[start:end].tobytes(), element)
                for null, start, end in zip(self._null, offsets, offsets[1:], strict=False)
            ]
            return pa.array(lists, declared)
        held = pa.array(np.frombuffer(data, NUMPY_NAMES[element]), declared.value_type)
        counts = pa.array(offsets // np.dtype(NUMPY_NAMES[element]).itemsize)
        return pa.LargeListArray.from_arrays(counts, held, type=declared, mask=None if mask is None else pa.array(mask))


def _texts(data: bytes, element: int) -> list[str] | list[bytes]:
    entries = [data[place] for _, _, place in read_fields(data, _COUNT_BYTES)]
    return [entry.decode() for entry in entries] if element == STRING else entries
