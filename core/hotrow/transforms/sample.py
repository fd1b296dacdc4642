"""Rows to try a transform on: edges of its types, constants of its code and their neighbours, and random values.

The same for the same code, on every machine.
"""

import ast
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, STRING, TIMESTAMP, ValueType

FLOATS = (0.0, 1.0, -1.0, 0.5, -2.5, 100.0, 1e-3, -0.0, 1e6, math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324)
WHOLE = (0, 1, -1, 2, 3, 7, 10, 60, 100, 1000, -17)
_LARGE = ((1 << 62) + 1, -(1 << 63), (1 << 63) - 1, (1 << 53) + 1, 1 << 31)
TEXTS = ("", "a", "abc", "Göteborg", "å", "日本", "x😀y", "two words", "A,B", "0", " ")
TIMES = (0, 1, -1, 1_700_000_000_000_000, 951_782_400_000_000, -86_400_000_000)
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.Call, ast.Pow, ast.LShift)


def sample_rows(transform: Transform, n: int, *, salt: str = "") -> list[list[Any]]:
    """`n` rows with a value for each input, masks left out; None is null."""
    dice = random.Random(f"{transform.name} {transform.code.source} {salt}")
    constants = list(constants_of(transform.code))
    loops = any(isinstance(node, _LOOPS) for node in ast.walk(transform.code.tree()))  # which could take for ever
    makers = [_maker(one.field.type, dice, constants, large=not loops) for one in transform.inputs if not one.is_mask]
    return [[None if dice.random() < 0.07 else make(row) for make in makers] for row in range(n)]


def constants_of(code: FunctionCode) -> Iterator[Any]:
    """Numbers and strings that the code compares its inputs with, perhaps."""
    for node in ast.walk(code.tree()):
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool) and _fits(node.value):
            yield node.value
    for value in code.constants.values():
        yield from value if isinstance(value, tuple) else (value,)
    for called in code.functions.values():
        yield from constants_of(called)


def _fits(value: Any) -> bool:
    """Whether a row can hold a literal: compiling says what is wrong with one that none can."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    return not isinstance(value, int) or abs(value) < (1 << 63) - 1


def _maker(type_: ValueType, dice: random.Random, constants: list[Any], *, large: bool) -> Callable[[int], Any]:
    if type_.is_list:
        element = _scalar(type_.element_kind, dice, constants, large=False, tame=True)
        return lambda row: [element(row + i) for i in range(dice.choice((0, 1, 3, 3, 8)))]
    return _scalar(type_.kind, dice, constants, large=large)


def _scalar(
    kind: int, dice: random.Random, constants: list[Any], *, large: bool, tame: bool = False
) -> Callable[[int], Any]:
    """Values of a type; `tame` floats are not so large that a sum of them depends on its order."""
    if kind == BOOL:
        return lambda _: dice.random() < 0.5
    if kind in (STRING, BYTES):
        return _texts(kind, dice, [value for value in constants if isinstance(value, str)])
    numbers = [value for value in constants if isinstance(value, int | float)]
    if kind in (FLOAT64, FLOAT32):
        floats = [value for value in FLOATS if not (tame and 1e6 < abs(value) < math.inf)]
        edges = [*floats, *map(float, numbers)]
        return lambda row: edges[row // 2 % len(edges)] if row % 2 else _float(kind, dice)
    whole = [value + by for value in numbers if isinstance(value, int) for by in (-1, 0, 1)]
    edges_of_whole = [*WHOLE, *whole, *(TIMES if kind == TIMESTAMP else ()), *(_LARGE if large else ())]
    fitting = [value for value in edges_of_whole if kind != INT32 or abs(value) < 1 << 31]
    return lambda row: fitting[row // 2 % len(fitting)] if row % 2 else _whole(kind, dice)


def _float(kind: int, dice: random.Random) -> float:
    value = dice.choice((-1.0, 1.0, 1.0)) * math.exp(dice.uniform(-6.0, 9.0))
    return float(f"{value:.3g}") if kind == FLOAT32 or dice.random() < 0.5 else value


def _whole(kind: int, dice: random.Random) -> int:
    if kind == TIMESTAMP:
        return dice.randrange(-(10**15), 2 * 10**15)
    return dice.randrange(-20, dice.choice((20, 200, 10_000)))


def _texts(kind: int, dice: random.Random, constants: list[str]) -> Callable[[int], Any]:
    edges = [*TEXTS, *constants, *(text[:-1] for text in constants if text), *(text + "x" for text in constants)]

    def make(row: int) -> Any:
        text = (
            edges[row % len(edges)] if dice.random() < 0.7 else "".join(dice.choices("abåö,. 日9", k=dice.randrange(9)))
        )
        return text.encode("utf-8") if kind == BYTES else text

    return make
