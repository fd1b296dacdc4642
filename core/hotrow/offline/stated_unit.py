"""Units that data state themselves, in the metadata `unit` of an Arrow or Parquet field: checked, never converted."""

import pyarrow as pa

from hotrow.errors import invalid
from hotrow.schema.known_unit import relation
from hotrow.schema.unit import ALIKE

UNIT = b"unit"


def stated_unit(column: pa.Field) -> str:
    """The unit that a column states; empty where it states none."""
    return str((column.metadata or {}).get(UNIT, b"").decode("utf-8", "replace"))


def check_stated_unit(where: str, column: pa.Field, declared: str) -> None:
    """Raise INVALID where the column states another unit than the one declared, naming both and what they differ by."""
    stated = stated_unit(column)
    if not stated or stated == declared:
        return
    what = f"{where}: column {column.name!r} states the unit {stated!r}"
    if not declared:
        raise invalid(f"{what}, and the schema has none for it; declare it there, or take it out of the data")
    told = relation(declared, stated)
    remedy = "write it so" if told == ALIKE else "convert the values, or declare a view of another name with this unit"
    raise invalid(f"{what}, and the schema has {declared!r}: {told}; {remedy}")
