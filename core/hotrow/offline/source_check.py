"""Whether a part of a source has what a view wants of it: checked by its Arrow schema, before any work starts."""

import pyarrow as pa

from hotrow.errors import HotrowError, invalid, nearest
from hotrow.offline.conversion import mismatch
from hotrow.offline.source import Column, SourceColumns
from hotrow.offline.stated_unit import check_stated_unit
from hotrow.types import UnixTimestamp


def checked_columns(where: str, schema: pa.Schema, wanted: SourceColumns, *, holder: str) -> tuple[Column, ...]:
    """The columns that are there of those wanted; raises INVALID with a line for each that is missing or wrong.

    `where` names the view and the part, `holder` is what the user would change: "file", "query".
    """
    columns, problems = [], []
    for column in wanted.columns:
        if column.name not in schema.names and column.optional:
            continue
        role = "join key" if column.key else "field"
        try:
            held = _type_of(schema, column.name, f"{where}, {role}", holder)
            objection = mismatch(held, column.type, key=column.key)
            _refuse(f"{where}: column {column.name!r}", objection, f"{column.type.name} of the {role}")
            check_stated_unit(where, schema.field(column.name), column.unit)
        except HotrowError as error:
            problems.append(error.message)
        columns.append(column)
    for role, name in (("event time", wanted.event_time), ("created time", wanted.created_time)):
        try:
            if name:
                held = _type_of(schema, name, f"{where}, {role}", holder)
                _refuse(f"{where}: column {name!r}", mismatch(held, UnixTimestamp), f"timestamps of the {role}")
        except HotrowError as error:
            problems.append(error.message)
    if problems:
        raise invalid("\n".join(problems))
    return tuple(columns)


def _type_of(schema: pa.Schema, name: str, where: str, holder: str) -> pa.DataType:
    count = schema.names.count(name)
    if count == 1:
        return schema.field(name).type
    if count:
        raise invalid(f"{where}: column {name!r} is there {count} times; rename all but one")
    remedy = f"add it to the {holder}" + (", or give the field a default" if where.endswith("field") else "")
    raise invalid(f"{where}: there is no column {name!r}{nearest(name, schema.names)}; {remedy}")


def _refuse(where: str, objection: str, wanted: str) -> None:
    if objection:
        remedy = "" if ";" in objection else "; cast it where it is written, or correct the schema"
        raise invalid(f"{where} does not fit {wanted}: {objection}{remedy}")
