"""Numbers and times that a Python program has, as arrays of a column's type.

Numbers follow the rule of `hotrow.number`, each rounded once, if at all. A time is a datetime or a date (no zone: UTC),
a datetime64 of any unit, an ISO 8601 text, or an integer of microseconds; one that 64 bits of microseconds cannot hold
is refused, and so is an integer that seems to be of another unit. Times finer than a microsecond are truncated toward
minus infinity.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hotrow.clock import OTHER_UNITS, UnitError, checked_us, us_from_datetime, us_from_text
from hotrow.errors import Code, HotrowError, invalid
from hotrow.number import nearest_float32, nearest_float64, whole_number
from hotrow.types import FLOAT32, FLOAT64, NUMPY_NAMES, TIMESTAMP

AnyArray = npt.NDArray[Any]

_MAX_SHOWN: Final = 60
_FINER: Final = {"ns": 1_000, "ps": 1_000_000, "fs": 1_000_000_000, "as": 1_000_000_000_000}


class ColumnTypeError(HotrowError, TypeError):
    """Values that are not of the column's type; the message names the column."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(Code.INVALID, f"column {name!r} {what}", field=name)


def number_array(name: str, values: AnyArray, kind: int) -> AnyArray:
    """An array of numbers, or of times for TIMESTAMP, in the dtype of the kind; raises INVALID naming the column."""
    dtype = np.dtype(NUMPY_NAMES[kind])
    if dtype.kind == "f":
        made = _float_array(name, values, dtype)
    elif values.dtype.kind == "M":
        made = us_from_datetime64(name, values)
    else:
        made = _int_array(name, values, dtype)
        if kind == TIMESTAMP:
            _check_unit(name, made)
    return np.ascontiguousarray(made)


def number_list(name: str, values: Sequence[Any], kind: int) -> AnyArray:
    """The same of a list; raises INVALID, naming the column and the value."""
    alike = _alike(values, set(map(type, values)), kind)
    return _one_by_one(name, values, kind) if alike is None else number_array(name, alike, kind)


def _alike(values: Sequence[Any], types: set[type], kind: int) -> AnyArray | None:
    """Values that all become an array at once, exactly; None where each has to be looked at."""

    def of(*wanted: type) -> bool:
        return all(issubclass(one, wanted) for one in types)

    try:
        if of(int, np.integer):
            return np.fromiter(map(int, values), "<i8", len(values))
        if of(float, np.floating) or (kind == FLOAT64 and of(float, np.floating, int, np.integer)):
            return np.fromiter(map(float, values), "<f8", len(values))
    except OverflowError:  # an integer of more than 64 bits
        return None
    if kind == TIMESTAMP and of(datetime):
        return np.fromiter(map(us_from_datetime, values), "<i8", len(values)).view("<M8[us]")
    return None


def _one_by_one(name: str, values: Sequence[Any], kind: int) -> AnyArray:
    dtype = np.dtype(NUMPY_NAMES[kind])
    bits = 8 * dtype.itemsize
    nearest = nearest_float32 if kind == FLOAT32 else nearest_float64
    out = np.empty(len(values), dtype)
    for place, given in enumerate(values):
        value: Any = given.item() if isinstance(given, (np.integer, np.floating)) else given
        try:
            if kind == TIMESTAMP:
                out[place] = _us(name, value)
            else:
                out[place] = nearest(value) if dtype.kind == "f" else whole_number(value, bits)
        except HotrowError:
            raise
        except (ValueError, OverflowError) as error:
            raise invalid(f"column {name!r}: {str(value)[:_MAX_SHOWN]} is {error}", field=name) from None
    return out


def _float_array(name: str, values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    with np.errstate(over="ignore", invalid="ignore"):
        out: AnyArray = values.astype(dtype, copy=False)
        if values.dtype.itemsize > out.dtype.itemsize and (np.isinf(out) & np.isfinite(values)).any():
            bits = 8 * dtype.itemsize
            raise invalid(f"column {name!r} has a number beyond the range of a float of {bits} bits", field=name)
    return out


def _int_array(name: str, values: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    bounds = np.iinfo(dtype)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            if not (np.trunc(values) == values).all():
                raise invalid(f"column {name!r} has a number that is not whole, for an integer field", field=name)
        beyond = (values < float(bounds.min)) | (values >= -float(bounds.min))
    else:
        beyond = (values < bounds.min) | (values > bounds.max)
    if beyond.any():
        raise invalid(f"column {name!r} has an integer that does not fit in {bounds.bits} bits", field=name)
    return values.astype(dtype, copy=False)


def _us(name: str, value: date | np.datetime64 | int | str) -> int:
    if isinstance(value, datetime):
        return us_from_datetime(value)
    if isinstance(value, str):
        return _us_from_text(name, value)
    if isinstance(value, date):
        return us_from_datetime(datetime(value.year, value.month, value.day, tzinfo=UTC))
    return int(us_from_datetime64(name, np.asarray(value))) if isinstance(value, np.datetime64) else checked_us(value)


def _us_from_text(name: str, text: str) -> int:
    try:
        return us_from_text(text)
    except (UnitError, OverflowError):
        raise
    except ValueError:
        raise ColumnTypeError(
            name, f"has {text[:_MAX_SHOWN]!r}, which is no time; write it as in 2024-05-01T12:00:00Z (no zone: UTC)"
        ) from None


def _check_unit(name: str, times_us: AnyArray) -> None:
    for first, end in OTHER_UNITS.values():
        wrong = (times_us >= first) & (times_us < end)
        if wrong.any():
            try:
                checked_us(int(times_us[wrong][0]))
            except ValueError as error:
                raise invalid(f"column {name!r}: {times_us[wrong][0]} is {error}", field=name) from None


def us_from_datetime64(name: str, values: AnyArray) -> AnyArray:
    """Microseconds of a datetime64 array of any resolution; raises INVALID for a time that they cannot hold."""
    if np.isnat(values).any():
        raise ColumnTypeError(name, "has a null within a list; a row's list may be null, its elements may not")
    unit, count = np.datetime_data(values.dtype)
    try:
        if unit in _FINER:  # NumPy's own way down is not relied on for times before 1970
            ticks = values.astype(f"datetime64[{count}{unit}]").astype("<i8")
            finer = _FINER[unit]
            return np.asarray(ticks // finer if count == 1 else (ticks.astype(object) * count // finer).astype("<i8"))
        out = values.astype("datetime64[us]")
        fits = bool((out.astype(values.dtype) == values).all())
    except OverflowError:
        fits = False
    if not fits:
        raise invalid(f"column {name!r} has a time that does not fit in 64 bits of microseconds", field=name)
    return out.astype("<i8")


def unfit_hint(types: set[type]) -> str:
    """What to send in place of values of these types; empty where nothing is known."""
    names = {one.__name__ for one in types}
    if any(issubclass(one, Decimal) for one in types):
        return "; decimals have no type of their own: say the field's, such as Float64, in `types`"
    if "dict" in names:
        return "; make columns of its parts, such as [row['part'] for row in rows]"
    if "timedelta" in names or "timedelta64" in names or "Timedelta" in names:
        return "; send a number, such as value.total_seconds()"
    if "time" in names:
        return "; send an integer, such as microseconds since midnight"
    return ""
