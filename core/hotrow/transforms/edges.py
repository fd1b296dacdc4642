"""Rows in which the edges of every two inputs meet: what overflows, or ends a process, does so with two of them.

Any number of inputs takes the square of a prime of rows. Row (i, j) gives input `c` its edge `i + c * j` modulo the
prime, so that any two inputs go through all pairs: an orthogonal array of strength two.
"""

import ast
import random
from collections.abc import Iterator
from typing import Any

from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms.sample import FLOATS, TEXTS, TIMES, WHOLE, constants_of, sample_rows
from hotrow.types import BOOL, BYTES, FLOAT32, FLOAT64, INT32, STRING, TIMESTAMP, ValueType

_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
_MOST = _PRIMES[-1]  # edges of an input; of more, some are taken
_LEAST, _EXACT = -(1 << 63), 1 << 53
_LARGE = (_LEAST, _LEAST + 1, -_LEAST - 1, -_LEAST - 2, 1 << 62, _EXACT, _EXACT + 1, -_EXACT - 1)
_LARGE_32 = (-(1 << 31), (1 << 31) - 1)
_SIZED = frozenset({"zeros", "ones", "empty", "full", "linspace", "arange"})


def edge_rows(transform: Transform) -> Iterator[list[Any]]:
    """Rows with a value for each input, masks left out; the same for the same code, on every machine."""
    dice = random.Random(f"{transform.name} {transform.code.source} edges")
    constants = list(constants_of(transform.code))
    large = not _is_unbounded(transform.code)
    lists = iter(zip(*sample_rows(transform, _MOST, salt="edges"), strict=True))
    edges = []
    for one in transform.inputs:
        if not one.is_mask:
            drawn = [value for value in next(lists) if value is not None]
            type_ = one.field.type
            edges.append(_some(drawn if type_.is_list else _edges(type_, constants, large=large), dice))
    prime = next(one for one in _PRIMES if one >= max(map(len, edges), default=1))
    for i in range(prime):
        for j in range(prime if len(edges) > 1 else 1):
            yield [of[(i + c * j) % prime % len(of)] for c, of in enumerate(edges)]


def _some(edges: list[Any], dice: random.Random) -> list[Any]:
    """Those of the type, which come first, and as many of the code's constants as there is room for."""
    kept = _MOST * 3 // 4
    return edges if len(edges) <= _MOST else edges[:kept] + dice.sample(edges[kept:], _MOST - kept)


def _edges(type_: ValueType, constants: list[Any], *, large: bool) -> list[Any]:
    """The edges of a type, and then the constants of the code that it holds, with their neighbours."""
    kind = type_.kind
    if kind == BOOL:
        return [False, True]
    if kind in (STRING, BYTES):
        texts = [*TEXTS, *(value for value in constants if isinstance(value, str))]
        return [text.encode("utf-8") if kind == BYTES else text for text in dict.fromkeys(texts)]
    numbers = [value for value in constants if isinstance(value, int | float)]
    if kind in (FLOAT64, FLOAT32):
        return [*FLOATS, *(value for value in map(float, numbers) if value not in FLOATS)]
    whole = [value + by for value in numbers if isinstance(value, int) for by in (-1, 0, 1)]
    limit = 31 if kind == INT32 else 63
    own = [*(_LARGE if large else ()), *(_LARGE_32 if large else ()), *WHOLE, *(TIMES if kind == TIMESTAMP else ())]
    return [value for value in dict.fromkeys([*own, *whole]) if -(1 << limit) <= value < 1 << limit]


def _is_unbounded(code: FunctionCode) -> bool:
    """Whether a large integer may keep a function busy for ever, or take all memory."""
    return any(_may_grow(node, code) for node in ast.walk(code.tree())) or any(
        map(_is_unbounded, code.functions.values())
    )


def _may_grow(node: ast.AST, code: FunctionCode) -> bool:
    if isinstance(node, ast.For | ast.comprehension):
        return not _goes_over_elements(node.iter)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
        by = getattr(node.right, "value", None)
        return not isinstance(by, int | float) or abs(by) > 64
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        outside = {*code.constants, *code.imports}
        named = [inner.id for one in node.args for inner in ast.walk(one) if isinstance(inner, ast.Name)]
        return name in _SIZED and not outside.issuperset(named)
    return isinstance(node, ast.While)


def _goes_over_elements(node: ast.expr) -> bool:
    """Whether a loop goes over what is there, or as often as the code says, and not as often as an input says."""
    if not isinstance(node, ast.Call):
        return True
    name = getattr(node.func, "id", "")
    if name == "range":
        return all(isinstance(one, ast.Constant) or _is_length(one) for one in node.args)
    return name in ("enumerate", "zip") and all(map(_goes_over_elements, node.args))


def _is_length(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len"
