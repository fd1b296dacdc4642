"""Parts of dates, in UTC."""

from collections.abc import Sequence
from typing import Unpack

from hotrow.encoders import code
from hotrow.encoders.definition import Kind, Options, made
from hotrow.errors import invalid, nearest
from hotrow.schema.canonical import Document
from hotrow.schema.field import Field
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.types import TIMESTAMP, Int32

PARTS = (
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "day_of_year",
    "day_of_week",
    "hour",
    "minute",
    "second",
    "is_weekend",
)
"""`week` is that of ISO 8601, `day_of_week` counts from Monday, 0; `is_weekend` is 1 on Saturday and Sunday."""


def date_parts(
    name: str,
    of: object,
    *,
    parts: Sequence[str] = ("year", "month", "day", "day_of_week", "hour"),
    **options: Unpack[Options],
) -> Transform:
    """Parts of a UnixTimestamp in UTC, each an Int32 `<name>_<part>`; see `PARTS`. As pandas' `Series.dt`."""
    return made(DATE_PARTS, name, of, {"parts": list(parts)}, options)


def _statistic(field: Field, parameters: Document) -> str:
    if field.type.kind != TIMESTAMP:
        raise invalid(f"it takes a UnixTimestamp, and {field.label} is {field.type}")
    for part in parameters["parts"]:
        if part not in PARTS:
            raise invalid(f"unknown part {part!r}{nearest(str(part), PARTS)}")
    if not parameters["parts"]:
        raise invalid(f"there are no parts; give some of {', '.join(PARTS)}")
    return ""


def _code(_field: Field, values: Document) -> FunctionCode:
    parts = values["parts"]
    return code.code_of(code.date_parts, {}, f"({', '.join(parts)})" if len(parts) > 1 else parts[0])


def _outputs(name: str, field: Field, values: Document) -> list[Field]:
    del field
    return [Field(f"{name}_{part}", Int32) for part in values["parts"]]


DATE_PARTS = Kind("date_parts", _statistic, _code, _outputs)
KINDS = (DATE_PARTS,)
