"""Certificates: proof that a transform computes here what it computed where it was applied.

At apply the compiled function is compared with the plain one on some hundred rows, and what it makes of a few is kept
in the snapshot. A worker that makes something else of those does not become ready: better no features than others than
the model was trained with.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from hotrow import clock
from hotrow.errors import Code, HotrowError, invalid
from hotrow.schema.canonical import Document, canonical_json
from hotrow.schema.constant import constant_from_json, constant_to_json
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms.arena import Arena
from hotrow.transforms.edges import edge_rows
from hotrow.transforms.kernel_cells import NULL_VALUE, PRESENT, TRANSFORM_ERROR
from hotrow.transforms.program import plan_program
from hotrow.transforms.sample import sample_rows
from hotrow.transforms.values import new_cells, same_value
from hotrow.types import FLOAT32, ValueType

GOLDEN_ROWS, COMPARED_ROWS = 24, 512
_EDGES_S = 2.0  # in which no more edges are begun with: some 1,700 rows take a tenth of it where a function is quick
_NEAR, _NEAR_ZERO = 1e-9, 1e-12
"""How far, relatively and near 0, a float may be from Python's: C's functions and the order of NumPy's sums differ in
the last bits alone, of which a difference of large numbers leaves more."""

Result = list[tuple[int, Any]]
"""Status and value of each output, for a row."""


def certificate_of(transform: Transform) -> Document:
    """The certificate of a transform; raises INVALID as `with_certificates` of `hotrow.transforms.apart` does."""
    _compare(transform)
    rows = sample_rows(transform, GOLDEN_ROWS)
    return {
        "code": _code_hash(transform),
        "signature": signature_of(transform),
        "inputs": [[one.parameter, one.field.type.name, one.field.unit] for one in transform.inputs],
        "outputs": [[output.name, output.type.name, output.unit] for output in transform.fields],
        "golden": [
            [_to_json(row), [[status, *_to_json([value])] for status, value in result]]
            for row, result in zip(rows, run_rows(transform, rows), strict=True)
        ],
    }


def verify(transforms: Iterable[Transform]) -> None:
    """Raise FAILED_PRECONDITION unless each transform reproduces its golden vectors, bit for bit."""
    for transform in transforms:
        golden = transform.certificate.get("golden")
        if not golden:
            raise HotrowError(
                Code.FAILED_PRECONDITION, f"{transform.label} has no certificate; apply it with `hotrow apply`"
            )
        if transform.certificate.get("code") != _code_hash(transform):
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"{transform.label} has the certificate of other code; apply it again with `hotrow apply`",
            )
        rows = [[constant_from_json(value) for value in row] for row, _ in golden]
        for row, expected, result in zip(rows, golden, run_rows(transform, rows), strict=True):
            made = [[status, *_to_json([value])] for status, value in result]
            if made != expected[1]:
                raise HotrowError(
                    Code.FAILED_PRECONDITION,
                    f"{transform.label} does not compute here what its certificate says: {_shown(transform, row)} "
                    f"gives {made}, and gave {expected[1]} where it was applied; apply it again, "
                    "from a machine like this one",
                )


def signature_of(transform: Transform) -> str:
    """The types that a transform takes and returns: "rows (Float64, String) -> (Int64)"."""
    taken = ", ".join("mask" if one.is_mask else one.field.type.name for one in transform.inputs)
    returned = ", ".join(output.type.name for output in transform.fields)
    return f"{transform.mode} ({taken}) -> ({returned})"


def _held(type_: ValueType, value: Any) -> Any:
    """An input as a row may have it: what is beyond a Float32 is an infinity."""
    if type_.element_kind != FLOAT32 or value is None:
        return value
    with np.errstate(over="ignore"):
        narrow = np.asarray(value, np.float64).astype(np.float32)
    return narrow.tolist()


class RowRunner:
    """A transform with rows put into cells: a value for each input but masks, None is null."""

    def __init__(self, transform: Transform, rows: Sequence[Sequence[Any]]) -> None:
        columns: dict[tuple[str, str], int] = {}
        for source, name in [(one.source, one.field.name) for one in transform.inputs]:
            columns.setdefault((source.label, name), len(columns))
        for output in transform.fields:
            columns[transform.label, output.name] = len(columns)
        self._outputs = [(columns[transform.label, output.name], output.type) for output in transform.fields]
        self._cells, self._kept = new_cells(len(columns), len(rows))
        self._arena = Arena()
        taken = [one for one in transform.inputs if not one.is_mask]
        for number, row in enumerate(rows):
            for one, value in zip(taken, row, strict=True):
                column = columns[one.source.label, one.field.name]
                self._cells.put(column, number, one.field.type, _held(one.field.type, value), self._arena)
        self._program = plan_program([transform], lambda source, name: columns[source.label, name])

    def run(self) -> None:
        """Compute all rows."""
        self._program.run(self._cells.block)

    def results(self) -> list[Result]:
        """What was computed, row by row."""
        self.run()
        cells = self._cells
        return [
            [(int(cells.statuses[column, row]), cells.value(column, row, type_)) for column, type_ in self._outputs]
            for row in range(cells.block.n)
        ]


def run_rows(transform: Transform, rows: Sequence[Sequence[Any]]) -> list[Result]:
    """What a transform makes of rows with a value for each input but masks; None is null."""
    return RowRunner(transform, rows).results()


def _compare(transform: Transform) -> None:
    """Raise INVALID where the compiled function and the plain one differ by more than the last bits of floats."""
    rows = sample_rows(transform, COMPARED_ROWS, salt="compared")
    if transform.mode == "python":
        if not all(_equal(*pair) for pair in zip(run_rows(transform, rows), run_rows(transform, rows), strict=True)):
            raise invalid(
                f"{transform.place or transform.label}: {transform.name} gives another result when it runs again; a "
                "transform gives the same for the same row"
            )
        return
    _compare_rows(transform, rows)
    edges, started_s = edge_rows(transform), clock.monotonic_s()
    while clock.monotonic_s() - started_s < _EDGES_S and (rows := list(islice(edges, COMPARED_ROWS))):
        _compare_rows(transform, rows)


def _compare_rows(transform: Transform, rows: Sequence[Sequence[Any]]) -> None:
    numpy_scalars = _meets_numpy(transform)
    made_rows = run_rows(transform, rows)  # first: what cannot be compiled is not run in Python either
    if transform.mode == "columns":
        expected = [run_rows(transform, [row])[0] for row in rows]  # a row may not depend on the others
    else:
        expected = run_rows(replace(transform, mode="python"), rows)
    for row, made, wanted in zip(rows, made_rows, expected, strict=True):
        if not all(_near(row, *pair, numpy_scalars=numpy_scalars) for pair in zip(made, wanted, strict=True)):
            reason = (
                "gives another result alone than among other rows: a column must be computed row by row"
                if transform.mode == "columns"
                else 'computes something else compiled than in Python; write it otherwise, or use mode="python"'
            )
            where = "alone" if transform.mode == "columns" else "in Python"
            raise invalid(
                f"{transform.place or transform.label}: {transform.name} {reason}: {_shown(transform, row)} gives "
                f"{_shown_result(made)}, and {_shown_result(wanted)} {where}"
            )


def _equal(one: Result, other: Result) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a[0] == b[0] and same_value(a[1], b[1]) for a, b in pairs)


def _meets_numpy(transform: Transform) -> bool:
    """Whether in Python some of its numbers are NumPy's, which warn where Python's raise. Compiled, all raise."""

    def imports(code: FunctionCode) -> bool:
        return any(target.partition(".")[0] == "numpy" for target in code.imports.values()) or any(
            map(imports, code.functions.values())
        )

    return any(one.field.type.is_list for one in transform.inputs) or imports(transform.code)


def _near(row: Sequence[Any], made: tuple[int, Any], wanted: tuple[int, Any], *, numpy_scalars: bool) -> bool:
    if made[0] != wanted[0]:
        if numpy_scalars and made[0] == TRANSFORM_ERROR:
            return True
        # An integer may leave 64 bits on the way to a result that does not.
        large = any(isinstance(value, int | float) and abs(value) >= 1 << 31 for value in row)
        return made[0] == TRANSFORM_ERROR and wanted[0] in (PRESENT, NULL_VALUE) and large
    one, other = made[1], wanted[1]
    if isinstance(one, float) and isinstance(other, float):
        return (
            one == other
            or math.isclose(one, other, rel_tol=_NEAR, abs_tol=_NEAR_ZERO)
            or (math.isnan(one) and math.isnan(other))
        )
    if isinstance(one, np.ndarray):
        if one.dtype.kind == "f":
            return one.shape == other.shape and bool(
                np.allclose(one, other, rtol=_NEAR, atol=_NEAR_ZERO, equal_nan=True)
            )
        return bool(np.array_equal(one, other))
    return bool(one == other)


def _code_hash(transform: Transform) -> str:
    return hashlib.sha256(canonical_json(transform.code.document())).hexdigest()


def _to_json(values: Sequence[Any]) -> list[Any]:
    return [
        constant_to_json(tuple(v.tolist()) if isinstance(v, np.ndarray) else tuple(v) if isinstance(v, list) else v)
        for v in values
    ]


def _shown(transform: Transform, row: Sequence[Any]) -> str:
    names = [one.parameter for one in transform.inputs if not one.is_mask]
    return ", ".join(f"{name}={value!r}" for name, value in zip(names, row, strict=True))


def _shown_result(result: Result) -> str:
    names = {PRESENT: "", NULL_VALUE: "null", TRANSFORM_ERROR: "an error"}
    return ", ".join(names.get(status) or repr(value) for status, value in result)
