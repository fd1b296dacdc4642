"""What the symbols of units stand for: currencies of ISO 4217, and else the units of pint.

A currency wins over a unit of pint with the same letters; both are told from others by case. pint takes some tenths of
a second to load, and is loaded only here: for definitions that are applied and for sources of training sets, never
where requests are answered.
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from hotrow.schema.currency import CURRENCIES
from hotrow.schema.unit import ALIKE, Unit, difference, money, parse_unit

if TYPE_CHECKING:
    import pint

_EXACT = 1e-12  # what floats lose in some multiplications, and more
_NEAR = 0.8  # of 1: with less "rps" is proposed for "trips", and "count", which it should be, is not
_WITH_POWER = re.compile(r"([^\W\d]+)([0-9])")


def unknown_symbols(text: str) -> list[str]:
    """The symbols of a unit that nobody knows, each with what to write, for messages. Raises UnitSyntaxError."""
    symbols = dict.fromkeys(parse_unit(text).symbols)
    return [
        f"{symbol!r} is neither a currency of ISO 4217 nor a unit of pint{_proposal(symbol)}"
        for symbol in symbols
        if not _is_known(symbol)
    ]


def relation(declared: str, stated: str) -> str:
    """What two different texts have to do with each other, for messages: the same unit, a factor, another currency."""
    written = difference(declared, stated)
    if written != "another unit":
        return written
    ours, theirs = parse_unit(declared), parse_unit(stated)
    if money(ours) != money(theirs) or unknown_symbols(declared) or unknown_symbols(stated):
        return written
    one, other = _physical(ours), _physical(theirs)
    if one.dimensionality != other.dimensionality:
        return "a unit of something else"
    factor = _factor(one, other)
    if factor is None:
        return "another unit of the same thing"
    if abs(factor - 1) < _EXACT:
        return ALIKE
    return f"another unit of the same thing, {factor:.6g} times {declared!r}"


def _is_known(symbol: str) -> bool:
    if symbol in CURRENCIES:
        return True
    import pint  # noqa: PLC0415 - see above

    try:
        _units().parse_units(symbol, as_delta=False)
    except (pint.UndefinedUnitError, AssertionError, ValueError):
        return False
    return True


def _proposal(symbol: str) -> str:
    powered = _WITH_POWER.fullmatch(symbol)
    if powered and _is_known(powered[1]):
        return f"; write {powered[1]}^{powered[2]}"
    recased = [text for text in (symbol.upper(), symbol.lower()) if text != symbol and _is_known(text)]
    near = recased or difflib.get_close_matches(symbol, [*CURRENCIES, *_units()], n=3, cutoff=_NEAR)
    return f"; did you mean {' or '.join(near)}?" if near else "; what is counted has the unit 'count'"


def _physical(unit: Unit) -> pint.Quantity[Any]:
    """The unit without its currencies, with its number."""
    product = _units().dimensionless
    for symbol, power in unit.powers.items():
        if symbol not in CURRENCIES:
            product *= _units().parse_units(symbol, as_delta=False) ** power
    return _units().Quantity(unit.factor, product)


def _factor(one: pint.Quantity[Any], other: pint.Quantity[Any]) -> float | None:
    """How many of `one` are one of `other`; None for scales that are not in proportion, as of temperatures."""
    import pint  # noqa: PLC0415 - see above

    try:
        single, double = (
            float(_units().Quantity(n * other.magnitude, other.units).to(one.units).magnitude) for n in (1, 2)
        )
    except (pint.PintError, ArithmeticError, ValueError):
        return None
    return single / one.magnitude if abs(double - 2 * single) <= _EXACT * abs(double) else None


@cache
def _units() -> pint.UnitRegistry[Any]:
    import pint  # noqa: PLC0415 - see above

    return pint.UnitRegistry()
