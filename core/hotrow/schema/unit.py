"""The syntax of units: "SEK", "km/h", "SEK/km", "m/s^2", "1/min", "L/(100*km)".

    unit    = factor {("*" | "/" | blank) factor}      from the left to the right, as in Python: a/b*c is (a/b)*c
    factor  = (number | symbol | "(" unit ")") [("^" | "**") integer | superscripts]

Things side by side are multiplied, as in "100 km", but not after a "/": there readers disagree on what is below the
line. What a symbol stands for is not looked at here: that takes a table of units (`hotrow.schema.known_unit`), and
definitions are read without one.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite

from hotrow.schema.currency import CURRENCIES

MAX_UNIT_LENGTH = 32
MAX_POWER = 99

ALIKE = "the same unit written otherwise"
_NO_UNIT = "no unit that hotrow reads"
_SUPERSCRIPTS = "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = re.compile(f"[{_SUPERSCRIPTS}]+")
_PLAIN = str.maketrans(_SUPERSCRIPTS, "+-0123456789")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<symbol>[%‰]|[Δ°]*[^\W\d]\w*|°)"
    r"|(?P<power>(?:\^|\*\*)\s*[+-]?[0-9]+(?![0-9.]))"
    r"|(?P<mark>[*/()]))\s*"
)


class UnitSyntaxError(ValueError):
    """Why a text is no unit, and what to write."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as read: a number, and symbols with their powers. `symbols` are all that stand in the text, in order."""

    factor: float = 1.0
    powers: Mapping[str, int] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()

    def times(self, other: "Unit", sign: int) -> "Unit":
        """The product with `other`, or for a sign of -1 the quotient."""
        powers = dict(self.powers)
        for symbol, power in other.powers.items():
            powers[symbol] = powers.get(symbol, 0) + sign * power
        factor = self.factor * other.factor**sign
        return Unit(factor, {s: power for s, power in powers.items() if power}, self.symbols + other.symbols)

    def to_the(self, power: int) -> "Unit":
        """The unit raised to a power."""
        powers = {symbol: own * power for symbol, own in self.powers.items() if power}
        return Unit(self.factor**power, powers, self.symbols)


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> Unit:
    """The unit of a text; of an empty one, that of a bare number. Raises UnitSyntaxError."""
    try:
        unit = _Parser(text).whole() if text else Unit()
    except (OverflowError, ZeroDivisionError):
        unit = Unit(0.0)
    if not unit.factor or not isfinite(unit.factor):
        raise UnitSyntaxError("its number is zero or too large")
    if any(abs(power) > MAX_POWER for power in unit.powers.values()):
        raise UnitSyntaxError(f"a power is over {MAX_POWER}")
    return unit


def difference(declared: str, stated: str) -> str:
    """What two different texts have to do with each other as far as their writing tells, for messages."""
    if len(stated) > MAX_UNIT_LENGTH:
        return _NO_UNIT
    try:
        ours, theirs = parse_unit(declared), parse_unit(stated)
    except UnitSyntaxError:
        return _NO_UNIT
    if (ours.factor, ours.powers) == (theirs.factor, theirs.powers):
        return ALIKE
    if money(ours) != money(theirs) and sorted(money(ours).values()) == sorted(money(theirs).values()):
        return "another currency"
    return "another unit"


def money(unit: Unit) -> dict[str, int]:
    """The currencies among the symbols, with their powers."""
    return {symbol: power for symbol, power in unit.powers.items() if symbol in CURRENCIES}


class _Parser:
    """Reads one text from the left to the right."""

    def __init__(self, text: str) -> None:
        self._text = _RAISED.sub(lambda raised: "^" + raised.group().translate(_PLAIN), text)
        self._at = 0

    def whole(self) -> Unit:
        unit = self._product()
        if self._at < len(self._text):
            raise UnitSyntaxError('a ")" has no "("')
        return unit

    def _product(self) -> Unit:
        unit = self._factor()
        divided = False
        while self._at < len(self._text) and not self._peek(")"):
            sign = 1
            if self._take("/"):
                sign, divided = -1, True
            elif not self._take("*") and divided:
                rest = self._text[self._at :]
                raise UnitSyntaxError(f'it is not clear whether {rest!r} is below the line; write "*", or parentheses')
            unit = unit.times(self._factor(), sign)
        return unit

    def _factor(self) -> Unit:
        if self._take("("):
            unit = self._product()
            if not self._take(")"):
                raise UnitSyntaxError('a "(" has no ")"')
        elif number := self._next("number"):
            unit = Unit(float(number))
        elif symbol := self._next("symbol"):
            unit = Unit(1.0, {symbol: 1}, (symbol,))
        else:
            raise self._unexpected()
        power = self._next("power")
        return unit.to_the(int(power.lstrip("^* "))) if power else unit

    def _peek(self, mark: str) -> bool:
        found = _TOKEN.match(self._text, self._at)
        return found is not None and found["mark"] == mark

    def _take(self, mark: str) -> bool:
        return self._peek(mark) and bool(self._next("mark"))

    def _next(self, kind: str) -> str:
        """The token that stands here, if it is of that kind; else nothing is taken."""
        found = _TOKEN.match(self._text, self._at)
        if found is None or found[kind] is None:
            return ""
        self._at = found.end()
        return str(found[kind])

    def _unexpected(self) -> UnitSyntaxError:
        rest = self._text[self._at :].strip()
        if not rest:
            return UnitSyntaxError("it ends where a symbol or a number is expected")
        if unicodedata.category(rest[0]) == "Sc":
            return UnitSyntaxError(f"{rest[0]!r} is the sign of a currency; write its code of ISO 4217, such as EUR")
        if rest[0] in "^*":
            return UnitSyntaxError(f"{rest!r} is not a power; give a whole number after a symbol, such as m^2")
        return UnitSyntaxError(f"{rest!r} stands where a symbol or a number is expected")
