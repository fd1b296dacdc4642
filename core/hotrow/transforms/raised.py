"""What a transform raises, in words: the exception, its line, and the inputs of a row.

Compiled code keeps of an exception that there was one. The words come from calling the plain function again, on the
values of one row, where somebody is to read them.
"""

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms.arena import Arena
from hotrow.transforms.function import plain
from hotrow.transforms.kernel_cells import PRESENT, TRANSFORM_ERROR
from hotrow.transforms.program import ColumnOf
from hotrow.transforms.python_step import arguments, values_of
from hotrow.transforms.values import Cells, new_cells

_MOST_SHOWN = 200  # characters of a message, and of a value
_OTHERWISE = "it leaves 64 bits on the way, or divides integers by 0, which compiled code takes for an error"


@dataclass(frozen=True, slots=True)
class Raised:
    """Rows for which a transform raised, or an input of it had: how many, the first one, and the reason of that."""

    transform: str
    rows: int
    row: int
    reason: str


def raised_in(transforms: Iterable[Transform], column_of: ColumnOf, cells: Cells) -> list[Raised]:
    """What each of some transforms raised in cells over which they have run."""
    return [found for one in transforms if (found := _raised(one, column_of, cells))]


def _raised(transform: Transform, column_of: ColumnOf, cells: Cells) -> Raised | None:
    wrong = cells.statuses[column_of(transform, transform.fields[0].name)] == TRANSFORM_ERROR
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return None
    columns = [column_of(one.source, one.field.name) for one in transform.inputs]
    for one, column in zip(transform.inputs, columns, strict=True):
        if not one.is_mask and one.parameter not in transform.masked:
            wrong &= cells.statuses[column] == PRESENT
    own = np.flatnonzero(wrong)
    if not len(own):
        return Raised(transform.name, len(rows), int(rows[0]), "an input is of a transform that raises")
    row = int(own[0])
    return Raised(transform.name, len(rows), row, reason_of(transform, arguments(transform, columns, cells, row)))


def reason_of(transform: Transform, values: Sequence[Any]) -> str:
    """What the function raises for the values of its parameters: exception, line and values."""
    shown = ", ".join(f"{one.parameter}={_cut(repr(v))}" for one, v in zip(transform.inputs, values, strict=True))
    try:
        with np.errstate(all="ignore"):
            _call(transform, values)
    except Exception as error:  # noqa: BLE001 - what the function of a user raises is what is asked for
        return f"{_cut(f'{type(error).__name__}: {error}')}{_line(transform.code, error)}, with {shown}"
    return f"{_OTHERWISE}, with {shown}"


def _call(transform: Transform, values: Sequence[Any]) -> None:
    """Call the plain function, and put what it returns into cells of the outputs."""
    is_columns = transform.mode == "columns"
    returned = plain(transform.code)(*([np.array([value]) for value in values] if is_columns else values))
    cells, kept = new_cells(len(transform.fields), 1)
    made = values_of(returned, len(transform.fields))
    for number, (output, value) in enumerate(zip(transform.fields, made, strict=True)):
        cells.put(number, 0, output.type, value[0] if is_columns else value, Arena())
    del kept


def _line(code: FunctionCode, error: Exception) -> str:
    """The last line of the transform's own code that the error went through, and its text."""
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<plain ")]
    if not places:
        return ""
    last = places[-1]
    inside = "" if last.name == code.name else f" of {last.name}"
    return f", at line {last.lineno}{inside}, `{_cut(last.line or '')}`"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
