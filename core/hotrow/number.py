"""Numbers to the types of fields, by one rule wherever they come from (docs/sources.md states it).

A float field takes the nearest value that it can hold (IEEE 754, round to nearest, ties to even), and the value is
rounded once; a finite number beyond its range is refused. An integer field takes a number that is whole and in its
range. What is here does it for single Python values; `hotrow.codec.column_values` and `hotrow.offline.number_column`
do it for whole columns.
"""

import math
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

_MOST_DIGITS = 400  # before the point; no float and no integer field has more
_LEAST_EXPONENT = -1200  # below which every number is 0 to every float


def nearest_float64(value: float | Decimal) -> float:
    """The nearest float of 64 bits; raises OverflowError for a finite number beyond its range."""
    number = _checked_float(value)
    if math.isinf(number) and _is_finite(value):
        raise OverflowError("a number beyond the range of a float of 64 bits")
    return number


def nearest_float32(value: float | Decimal) -> float:
    """The nearest float of 32 bits; raises OverflowError for a finite number beyond its range."""
    number = nearest_float64(value)
    if not isinstance(value, float) and math.isfinite(number) and number != value:
        # To round twice may end beside the nearest. The first time round to the odd one of the two neighbours: then no
        # tie arises that the value itself does not have.
        bits = struct.unpack("<q", struct.pack("<d", number))[0]
        if not bits & 1:
            number = math.nextafter(number, math.inf if number < value else -math.inf)
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        raise OverflowError("a number beyond the range of a float of 32 bits") from None
    return rounded


def float_as_given(value: float | Decimal, nearest: Callable[[float | Decimal], float]) -> float:
    """The float of 64 bits, where `nearest` makes the same of it as of the value itself, else that.

    So 0.1 for a Float32 is shown, and kept, as 0.1. Raises what `nearest` raises.
    """
    wide, kept = nearest_float64(value), nearest(value)
    try:
        return wide if nearest(wide) == kept else kept
    except OverflowError:
        return kept


def whole_number(value: float | Decimal, bits: int) -> int:
    """The integer that a number is; raises ValueError for one that is not whole, OverflowError beyond `bits` bits."""
    if not _is_finite(value):
        raise ValueError("not a whole number")
    if isinstance(value, Decimal) and value and value.adjusted() > _MOST_DIGITS:
        raise OverflowError(f"an integer that does not fit in {bits} bits")
    if isinstance(value, Decimal) and value and value.adjusted() < 0:
        raise ValueError("not a whole number")
    number = int(value)
    if number != value:
        raise ValueError("not a whole number")
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise OverflowError(f"an integer that does not fit in {bits} bits")
    return number


def plain_text(value: Decimal) -> str:
    """A decimal as digits with all places of its scale, without an exponent: "1.50"; raises ValueError for none."""
    if not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError("not a decimal with a plain text")
    return format(value, "f")


def decimal_from_text(text: str) -> Decimal:
    """The number that a text says, exactly; raises ValueError for none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None


def _is_finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or math.isfinite(value)


def _checked_float(value: float | Decimal) -> float:
    if isinstance(value, Decimal) and value.is_finite() and value and value.adjusted() < _LEAST_EXPONENT:
        return math.copysign(0.0, value)
    try:
        return float(value)
    except OverflowError:  # of an integer
        raise OverflowError("a number beyond the range of a float of 64 bits") from None
