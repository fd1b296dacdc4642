"""What a push means, read through protobuf objects: the whole refused, or a key and values or a fault for each row."""

import math
import struct
from dataclasses import dataclass, field

import numpy as np
from hotrow.v1.column_pb2 import Column
from hotrow.v1.push_pb2 import PushFeaturesRequest

from reference.column import values_of
from reference.key import MAX_KEY_BYTES, encode_key

INTEGERS = ("int64", "int32")
FLOATS = ("float64", "float32")


class RefusedError(Exception):
    """The whole push is refused."""


class UnfitError(Exception):
    """One value does not fit the type of its field."""


@dataclass(frozen=True)
class PushedView:
    """`keys` and `schema`: type by name; fields with a default may be left out."""

    keys: dict[str, str]
    schema: dict[str, str]
    units: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class PushedRow:
    """A row of a push; `faults` are the join keys and fields at fault, and where there are any, nothing else counts."""

    key: bytes = b""
    values: dict[str, object] = field(default_factory=dict)
    faults: frozenset[str] = frozenset()


def read_push(request: PushFeaturesRequest, view: PushedView) -> list[PushedRow]:
    """Every row of the push; raises RefusedError."""
    columns = _columns(request, view)
    try:
        values = {name: _values(column) for name, column in columns.items()}
    except ValueError as error:
        raise RefusedError from error
    if any(status not in (1, 2) for column in columns.values() for status in column.statuses):
        raise RefusedError
    counts = {len(rows) for rows in values.values()}
    if len(counts) > 1:
        raise RefusedError
    rows = counts.pop() if counts else len(request.event_time_us) or 1
    if request.event_time_us and len(request.event_time_us) != rows:
        raise RefusedError
    sources = {name: column.WhichOneof("values") for name, column in columns.items()}
    return [_row({name: rows_[r] for name, rows_ in values.items()}, sources, view) for r in range(rows)]


def _columns(request: PushFeaturesRequest, view: PushedView) -> dict[str, Column]:
    wanted = view.keys | view.schema
    columns: dict[str, Column] = {}
    for column in request.rows:
        source = column.WhichOneof("values")
        if column.name not in wanted or column.name in columns:
            raise RefusedError
        if not _may_be_anything(column, wanted[column.name]) and not fits(
            source, wanted[column.name], is_key=column.name in view.keys
        ):
            raise RefusedError
        if column.unit and column.unit != view.units.get(column.name, ""):
            raise RefusedError
        columns[column.name] = column
    if any(name not in columns and name not in view.defaults for name in wanted):
        raise RefusedError
    return columns


def _values(column: Column) -> list:
    """Those of the rows; of a column without values the nulls that its statuses say."""
    if column.WhichOneof("values") is not None:
        return values_of(column)
    if any(status != 2 for status in column.statuses):
        raise RefusedError
    return [None] * len(column.statuses)


def _may_be_anything(column: Column, wanted: str) -> bool:
    """Without a row, without values, or of empty lists alone."""
    source = column.WhichOneof("values")
    if source is None:
        return True
    block = getattr(column, source)
    if not source.endswith("_list"):
        return not block.values
    return not block.lengths or (wanted.endswith("_list") and not block.values)


def fits(source: str, wanted: str, *, is_key: bool) -> bool:
    """Whether a column of one type may be given for another: any number for a field, an integer for a join key."""
    if source == wanted:
        return True
    if source.endswith("_list") != wanted.endswith("_list"):
        return False
    source, wanted = source.removesuffix("_list"), wanted.removesuffix("_list")
    if is_key:
        return wanted in INTEGERS and source in INTEGERS
    return wanted in FLOATS + INTEGERS and source in INTEGERS + FLOATS


def convert(value, source: str, wanted: str):
    """The value as a field of type `wanted` holds it; raises UnfitError."""
    if wanted in INTEGERS and isinstance(value, float) and math.isnan(value):
        value = None
    if value is None or source == wanted:
        return value
    if wanted.endswith("_list"):
        elements = [convert(one, source.removesuffix("_list"), wanted.removesuffix("_list")) for one in value]
        if None in elements:
            raise UnfitError
        return elements
    if wanted in INTEGERS:
        bound = 2**31 if wanted == "int32" else 2**63
        if math.isinf(value) or value != math.floor(value) or not -bound <= value < bound:
            raise UnfitError
        return int(value)
    if source in INTEGERS:
        return float(np.int64(value).astype(np.float32 if wanted == "float32" else np.float64))
    if wanted == "float32":
        try:
            return struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError as error:
            raise UnfitError from error
    return value


def _row(values: dict[str, object], sources: dict[str, str], view: PushedView) -> PushedRow:
    faults = set()
    for name, type_ in (view.keys | view.schema).items():
        if name in values:
            try:
                values[name] = convert(values[name], sources[name], type_)
            except UnfitError:
                faults.add(name)
        else:
            values[name] = view.defaults[name]
    faults |= {name for name in view.keys if values[name] is None}
    if faults:
        return PushedRow(faults=frozenset(faults))
    key = encode_key([(view.keys[name], values[name]) for name in sorted(view.keys)])
    if len(key) > MAX_KEY_BYTES:
        return PushedRow(faults=frozenset(view.keys))
    return PushedRow(key, {name: values[name] for name in view.schema})
