"""From the values a Python program has to those of a column: one type, dense, little-endian, nulls apart.

Takes lists (None, NaT and pandas' NA are nulls), NumPy arrays of one dimension (masked arrays and NaT give nulls) and,
for lists, sequences of sequences or an array of two dimensions. NaN is a value of floats and a null of all else.
`hotrow.codec.number_values` has the rules for numbers and times.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hotrow.codec.number_values import AnyArray, ColumnTypeError, number_array, number_list, unfit_hint
from hotrow.errors import invalid
from hotrow.number import plain_text
from hotrow.types import (
    BOOL,
    BYTES,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    SCALARS,
    STRING,
    TIMESTAMP,
    Array,
    Float64,
    ValueType,
    type_from_kind,
)

__all__ = ["AnyArray", "BoolArray", "ColumnTypeError", "Dense", "dense_values"]

BoolArray = npt.NDArray[np.bool_]

_INTS: Final = (int, np.integer)
_FLOATS: Final = (float, int, np.floating, np.integer)
_NANS: Final = (float, np.floating)
_FLOAT_KINDS: Final = (FLOAT64, FLOAT32)
_NUMBERS: Final = (*_FLOATS, Decimal)
_TIMES: Final = (date, np.datetime64, int, np.integer, str)  # a datetime is a date
_BOOLS: Final = (bool, np.bool_)
_BINARY: Final = (bytes, bytearray, memoryview)

_ACCEPTED: Final[dict[int, tuple[type, ...]]] = {
    FLOAT64: _NUMBERS, FLOAT32: _NUMBERS, INT64: _NUMBERS, INT32: _NUMBERS,
    BOOL: _BOOLS, STRING: (str, Decimal), BYTES: _BINARY, TIMESTAMP: _TIMES,
}  # fmt: skip
_ACCEPTED_DTYPES: Final = {
    FLOAT64: "fiu", FLOAT32: "fiu", INT64: "iuf", INT32: "iuf", BOOL: "b", STRING: "UT", BYTES: "S", TIMESTAMP: "MiuUT",
}  # fmt: skip
_TAKES: Final = {
    FLOAT64: "numbers", FLOAT32: "numbers", INT64: "whole numbers", INT32: "whole numbers", BOOL: "bools",
    STRING: "strings", BYTES: "bytes", TIMESTAMP: "datetimes, ISO 8601 or microseconds",
}  # fmt: skip
_INFERRED: Final[tuple[tuple[tuple[type, ...], int], ...]] = (
    (_BOOLS, BOOL), ((np.int8, np.int16, np.int32), INT32), (_INTS, INT64), ((np.float16, np.float32), FLOAT32),
    (_FLOATS, FLOAT64), ((str,), STRING), (_BINARY, BYTES), ((date, np.datetime64), TIMESTAMP),
)  # fmt: skip
_INFERRED_DTYPES: Final = {"f": FLOAT64, "i": INT64, "u": INT64, "b": BOOL, "U": STRING, "T": STRING, "S": BYTES,
                           "M": TIMESTAMP}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A column's values: an array of the type's NumPy dtype, or encoded strings.

    Those of a list are all rows' elements one after another, with `lengths` (uint32) a row. `absent` (a bool a row)
    marks the slots without a value, which hold 0 or empty; None says that there are none. Without a type there are no
    values: every row is null, or there is no row, and the server knows the type.
    """

    type: ValueType | None
    rows: int
    values: AnyArray | list[bytes]
    lengths: npt.NDArray[np.uint32] | None
    absent: BoolArray | None

    def slice(self, start: int, stop: int) -> "Dense":
        """The rows from `start` up to `stop`; numbers are not copied."""
        absent = None if self.absent is None else self.absent[start:stop]
        if absent is not None and not absent.any():
            absent = None
        first, end, lengths = start, stop, self.lengths
        if lengths is not None:
            first, lengths = int(lengths[:start].sum(dtype=np.int64)), lengths[start:stop]
            end = first + int(lengths.sum(dtype=np.int64))
        return Dense(self.type, stop - start, self.values[first:end], lengths, absent)


def dense_values(name: str, values: object, type_: ValueType | None, withheld: BoolArray | None = None) -> Dense:
    """The dense values of a column; `withheld` marks slots whose value does not count, whatever it is.

    Without a type it is that of the values; a list without a value has none. Raises ColumnTypeError for values of
    another type, and HotrowError (INVALID) for ones out of its range.
    """
    rows, absent = _rows_and_nulls(name, values)
    if withheld is not None:
        if len(withheld) != len(rows):
            raise invalid(f"column {name!r} has {len(rows)} values and {len(withheld)} statuses", field=name)
        absent = withheld if absent is None else absent | withheld
    if (nan := _nan_nulls(rows, type_)) is not None:
        absent = nan if absent is None else absent | nan
    if absent is not None and not absent.any():
        absent = None
    present = rows if absent is None else _select(rows, ~absent)
    if type_ is None and isinstance(present, list) and not present:
        return Dense(None, len(rows), [], None, absent)
    kind = _inferred(name, present) if type_ is None else type_
    if kind.is_list:
        flat, present_lengths = _flatten(name, present)
        lengths = present_lengths if absent is None else _scatter(present_lengths, absent)
        return Dense(kind, len(rows), _scalars(name, flat, kind.element_kind), lengths, absent)
    if isinstance(present, np.ndarray) and present.ndim != 1:
        raise ColumnTypeError(name, f"is {kind}, and its array has {present.ndim} dimensions in place of one")
    scalars = _scalars(name, present, kind.kind)
    return Dense(kind, len(rows), scalars if absent is None else _scatter(scalars, absent), None, absent)


def _rows_and_nulls(name: str, values: object) -> tuple[AnyArray | list[Any], BoolArray | None]:
    """The rows, as an array of values (never of objects) or a list, and which of them are null."""
    if isinstance(values, (str, bytes, bytearray, dict, set, frozenset)) or not hasattr(values, "__iter__"):
        raise ColumnTypeError(
            name,
            f"takes a list or an array of values, one a row, not a {type(values).__name__}; for one row write [value]",
        )
    mask = None
    if isinstance(values, np.ma.MaskedArray):
        if values.ndim != 1:
            raise ColumnTypeError(name, "takes a masked array of one dimension")
        mask = np.ma.getmaskarray(values)
        values = values.data
    elif hasattr(values, "to_pylist"):  # pyarrow, whose own conversion to NumPy makes NaN of a null
        values = values.to_pylist()
    elif hasattr(values, "__array__"):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise ColumnTypeError(name, "takes an array of one dimension, a value a row")
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        nat = np.isnat(values) if values.dtype.kind == "M" and values.ndim == 1 else None
        return values, nat if mask is None else mask if nat is None else mask | nat
    items = values.tolist() if isinstance(values, np.ndarray) else list(values)
    nulls = _nulls(items)
    return items, nulls if mask is None else mask | nulls


def _nulls(items: list[Any]) -> BoolArray:
    """Which are None, NaT, or pandas' NaT and NA."""
    kinds = set(map(type, items))
    nulls = set(filter(_is_null_type, kinds))
    if any(issubclass(one, np.datetime64) for one in kinds):
        found = (
            type(value) in nulls or (isinstance(value, np.datetime64) and bool(np.isnat(value))) for value in items
        )
        return np.fromiter(found, np.bool_, len(items))
    if not nulls:
        return np.zeros(len(items), np.bool_)
    return np.fromiter((type(value) in nulls for value in items), np.bool_, len(items))


def _is_null_type(kind: type) -> bool:
    """Whether its values are nulls, whatever they are; pandas is known by name, for it is not imported here."""
    named = kind.__name__ in ("NaTType", "NAType") and kind.__module__.partition(".")[0] == "pandas"
    return named or kind is type(None)


def _nan_nulls(rows: AnyArray | list[Any], type_: ValueType | None) -> BoolArray | None:
    """Where a NaN is a null, because floats are not what the column has; None where there is none.

    Without a type floats are what it has if all are numbers.
    """
    if isinstance(rows, np.ndarray):
        held = type_ is not None and type_.kind not in _FLOAT_KINDS and rows.dtype.kind == "f" and rows.ndim == 1
        return np.isnan(rows) if held else None
    kinds = set(map(type, rows))
    if not any(issubclass(one, _NANS) for one in kinds) or (type_ is not None and type_.kind in _FLOAT_KINDS):
        return None
    plain = (_is_null_type(one) or (issubclass(one, _FLOATS) and not issubclass(one, _BOOLS)) for one in kinds)
    if type_ is None and all(plain):
        return None
    return np.fromiter((isinstance(one, _NANS) and bool(np.isnan(one)) for one in rows), np.bool_, len(rows))


def _select(rows: AnyArray | list[Any], which: BoolArray) -> AnyArray | list[Any]:
    return rows[which] if isinstance(rows, np.ndarray) else list(itertools.compress(rows, which))


def _scatter(present: Any, absent: BoolArray) -> Any:
    """`present` at the slots that are not `absent`; 0 or empty at the others."""
    if isinstance(present, list):
        source = iter(present)
        return [b"" if gone else next(source) for gone in absent]
    out = np.zeros(len(absent), dtype=present.dtype)
    out[~absent] = present
    return out


def _inferred(name: str, present: AnyArray | list[Any]) -> ValueType:
    """The type of values whose type nobody gave."""
    if isinstance(present, np.ndarray):
        kind = _INFERRED_DTYPES.get(present.dtype.kind, 0)
        if kind in (FLOAT64, INT64) and present.dtype.itemsize <= 4 and present.dtype != np.uint32:
            kind += 1  # the type of half the width follows
        if not kind:
            raise ColumnTypeError(name, f"cannot hold {present.dtype} values{unfit_hint({present.dtype.type})}")
        return type_from_kind(kind) if present.ndim == 1 else Array(type_from_kind(kind))
    types = set(map(type, present))
    if all(issubclass(t, (list, tuple, np.ndarray)) for t in types):
        elements = _flatten(name, present)[0]
        return Array(_inferred(name, elements) if len(elements) else Float64)  # of empty lists any type will do
    for accepted, kind in _INFERRED:
        if all(issubclass(t, accepted) and (kind == BOOL or not issubclass(t, _BOOLS)) for t in types):
            return type_from_kind(kind)
    hint = unfit_hint(types) or "; say the type"
    raise ColumnTypeError(name, f"cannot hold values of {_names(types)}{hint}")


def _flatten(name: str, rows: AnyArray | list[Any]) -> tuple[AnyArray | list[Any], npt.NDArray[np.uint32]]:
    """The elements of all rows one after another, and how many each row has."""
    if isinstance(rows, np.ndarray):
        if rows.ndim != 2:
            raise ColumnTypeError(name, f"is of lists, and its array has {rows.ndim} dimensions in place of two")
        return rows.reshape(-1), np.full(rows.shape[0], rows.shape[1], dtype=np.uint32)
    for row in rows:
        if not isinstance(row, (list, tuple, np.ndarray)) or (isinstance(row, np.ndarray) and row.ndim != 1):
            raise ColumnTypeError(name, f"is of lists, and a row holds a {type(row).__name__}")
    lengths = np.fromiter(map(len, rows), dtype=np.uint32, count=len(rows))
    if rows and all(isinstance(row, np.ndarray) and row.dtype.kind != "O" for row in rows):
        return np.concatenate(rows), lengths
    flat = list(itertools.chain.from_iterable(rows))
    if _nulls(flat).any():
        raise ColumnTypeError(name, "has a null within a list; a row's list may be null, its elements may not")
    return flat, lengths


def _scalars(name: str, values: AnyArray | list[Any], kind: int) -> AnyArray | list[bytes]:
    """Values without nulls as an array of the kind's dtype, or as encoded strings."""
    if isinstance(values, list):
        return _from_list(name, values, kind)
    if values.dtype.kind not in _ACCEPTED_DTYPES[kind] and values.size:
        raise ColumnTypeError(name, f"is {type_from_kind(kind)} and takes {_TAKES[kind]}, not {values.dtype}")
    if kind in (STRING, BYTES):
        return _encoded(name, values.tolist())
    if kind == TIMESTAMP and values.dtype.kind in "UT":
        return number_list(name, values.tolist(), kind)
    return np.ascontiguousarray(values) if kind == BOOL else number_array(name, values, kind)


def _from_list(name: str, values: list[Any], kind: int) -> AnyArray | list[bytes]:
    types = set(map(type, values))
    wrong = {t for t in types if not issubclass(t, _ACCEPTED[kind]) or (kind != BOOL and issubclass(t, _BOOLS))}
    if wrong:
        raise ColumnTypeError(
            name, f"is {type_from_kind(kind)} and takes {_TAKES[kind]}, not {_names(wrong)}{unfit_hint(wrong)}"
        )
    if kind in (STRING, BYTES):
        return _encoded(name, values)
    if kind == BOOL:
        return np.array(values, dtype=np.bool_)
    return number_list(name, values, kind)


def _encoded(name: str, values: Sequence[Any]) -> list[bytes]:
    try:
        return [bytes(v) if isinstance(v, _BINARY) else _string(v).encode() for v in values]
    except UnicodeEncodeError as error:
        raise invalid(f"column {name!r} has a string that is not Unicode: {error}", field=name) from error
    except ValueError as error:
        raise invalid(f"column {name!r} has {error}", field=name) from None


def _string(value: str | Decimal) -> str:
    return value if isinstance(value, str) else plain_text(value)


def _names(types: Iterable[type]) -> str:
    return ", ".join(sorted(t.__name__ for t in types))


assert {t.kind for t in SCALARS} == _ACCEPTED.keys()  # noqa: S101 - a new scalar type needs its lines above
