"""Hive partitions: columns that the folders of a Parquet file tell, such as `country=SE/day=2024-05-01/1.parquet`."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from hotrow import types
from hotrow.errors import invalid
from hotrow.number import decimal_from_text, nearest_float32, nearest_float64
from hotrow.offline.conversion import TARGETS
from hotrow.offline.source import SourceColumns
from hotrow.types import UnixTimestamp, ValueType

_FLOATS = {types.FLOAT64: nearest_float64, types.FLOAT32: nearest_float32}
_NULL = "__HIVE_DEFAULT_PARTITION__"
_ZONE = re.compile(r":\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")  # behind a time of day: a date ends with digits, too


def partitions_of(where: str, folders: Path, schema: pa.Schema, wanted: SourceColumns) -> Mapping[str, pa.Scalar]:
    """The columns wanted that `folders`, relative to the source, tell, in the type that the view wants.

    A column that the file has itself is the file's. Raises INVALID for a text that is no value of the type.
    """
    types_wanted: dict[str, ValueType] = dict.fromkeys(wanted.times, UnixTimestamp)
    types_wanted |= {column.name: column.type for column in wanted.columns}
    found = {}
    for part in folders.parts:
        name, equals, text = part.partition("=")
        name = unquote(name)
        if equals and name in types_wanted and name not in schema.names:
            found[name] = _value(f"{where}: partition {part!r}", unquote(text), types_wanted[name])
    return found


def _value(where: str, text: str, declared: ValueType) -> pa.Scalar:
    if declared.is_list:
        raise invalid(f"{where}: a folder holds no {declared.name}; put the column into the file")
    held = pa.timestamp("us") if declared.kind == types.TIMESTAMP else TARGETS[declared.kind]
    if text == _NULL:
        return pa.scalar(None, held)
    try:
        if declared.kind in _FLOATS:
            return pa.scalar(_FLOATS[declared.kind](decimal_from_text(text)), held)
        if declared.kind == types.TIMESTAMP and _ZONE.search(text):
            held = pa.timestamp("us", tz="UTC")
        return pa.scalar(text).cast(held)
    except (pa.ArrowInvalid, ValueError, OverflowError):
        raise invalid(
            f"{where}: {text!r} is no {declared.name}; rename the folder, or put the column into the file"
        ) from None
