"""The entity rows of a training set: join keys, event times and request data, checked and in the types that join.

Keys are compared by encoding class, as an online read compares them: every integer type is one, and so on. A null in a
join key is a key that no row has. An event time is needed in every row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from hotrow import types
from hotrow.errors import invalid, nearest
from hotrow.offline.arrow_column import column_from_source
from hotrow.offline.arrow_form import combined
from hotrow.offline.asof import Integers
from hotrow.offline.conversion import convert, mismatch
from hotrow.offline.stated_unit import check_stated_unit
from hotrow.schema.entity import JoinKey
from hotrow.schema.field import Field
from hotrow.types import BY_KIND, UnixTimestamp, ValueType


def joined_type(declared: ValueType) -> ValueType:
    """The type in which join keys of that type are compared."""
    return BY_KIND[types.INT64] if declared.kind == types.INT32 else declared


@dataclass(frozen=True, slots=True)
class EntityRows:
    """Join keys and request data by name, null where the caller's are, and the event times in microseconds."""

    keys: dict[str, pa.Array]
    times_us: Integers
    request: dict[str, pa.Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times_us)

    def slice(self, start: int, end: int) -> "EntityRows":
        """The rows from `start` up to `end`, without a copy."""
        keys = {name: key.slice(start, end - start) for name, key in self.keys.items()}
        request = {name: column.slice(start, end - start) for name, column in self.request.items()}
        return EntityRows(keys, self.times_us[start:end], request)


@dataclass(frozen=True, slots=True)
class EntityColumns:
    """Which columns the entity rows must have; `request` are what transforms take of a caller.

    `where` they come from is for messages.
    """

    where: str
    keys: tuple[JoinKey, ...]
    event_time: str
    request: tuple[Field, ...] = ()

    @property
    def names(self) -> list[str]:
        """The columns that are read, each once."""
        names = [*(key.name for key in self.keys), self.event_time, *(sent.name for sent in self.request)]
        return list(dict.fromkeys(names))

    def check_names(self, names: Sequence[str], feature_columns: Sequence[str]) -> None:
        """Raise INVALID for a column that is missing, there twice, or in the way of a feature's."""
        roles = [*(("join key", key.name) for key in self.keys), ("event time", self.event_time)]
        for role, name in [*roles, *(("request data", sent.name) for sent in self.request)]:
            if name not in names:
                remedy = "add it (in pandas, an index is no column: reset_index makes it one)"
                if role == "event time":
                    remedy += ", or name the column that has the event times"
                raise invalid(f"{self.where}: the {role} column {name!r} is missing{nearest(name, names)}; {remedy}")
        for name in names:
            if names.count(name) > 1:
                raise invalid(f"{self.where}: column {name!r} is there {names.count(name)} times; rename all but one")
        for name in feature_columns:
            if name in names:
                raise invalid(
                    f"{self.where} has a column {name!r}, and so would the result, for the feature; rename or drop the "
                    "column, or ask for full names"
                )

    def check_types(self, schema: pa.Schema) -> None:
        """Raise INVALID for a column whose type or stated unit is not that of the schema, or no time."""
        for key in self.keys:
            held = schema.field(key.name).type
            objection = mismatch(held, joined_type(key.type), key=True)
            if objection:
                raise invalid(
                    f"{self.where}: column {key.name!r} does not fit the join key, which is {key.type.name}: "
                    f"{objection}; {_key_remedy(held)}"
                )
        for sent in self.request:
            objection = mismatch(schema.field(sent.name).type, sent.type)
            if objection:
                raise invalid(
                    f"{self.where}: column {sent.name!r} does not fit the request data, which are {sent.type.name}: "
                    f"{objection}; convert it"
                )
            check_stated_unit(self.where, schema.field(sent.name), sent.unit)
        held = schema.field(self.event_time).type
        objection = mismatch(held, UnixTimestamp)
        if objection:
            raise invalid(
                f"{self.where}: column {self.event_time!r} does not fit timestamps of the event time: {objection}; "
                f"{_time_remedy(held)}, or name the column that has the event times"
            )

    def read(self, table: pa.Table, first_row: int = 0) -> EntityRows:
        """The rows of a table with a checked schema; raises INVALID, naming the row, for what is no key or time.

        `first_row` is the number of the table's first row, for messages.
        """
        times = convert(combined(table.column(self.event_time)), UnixTimestamp)
        wrong = times.nulls if times.refused is None else times.nulls | times.refused
        if wrong.any():
            row = first_row + int(np.flatnonzero(wrong)[0])
            what = "has no event time" if times.refused is None else "has an event time that is out of range"
            raise invalid(
                f"{self.where}: column {self.event_time!r} {what} in {np.count_nonzero(wrong)} of {len(wrong)} rows, "
                f"first in row {row}; fill it, or drop the rows"
            )
        keys = {key.name: self._key(table, key, first_row) for key in self.keys}
        request = {sent.name: self._request(table, sent, first_row) for sent in self.request}
        return EntityRows(keys, times.values.to_numpy(), request)

    def _key(self, table: pa.Table, key: JoinKey, first_row: int) -> pa.Array:
        return self._converted(
            combined(table.column(key.name)), joined_type(key.type), f"join key {key.name!r}", first_row
        )

    def _request(self, table: pa.Table, sent: Field, first_row: int) -> pa.Array:
        return self._converted(combined(table.column(sent.name)), sent.type, f"column {sent.name!r}", first_row)

    def _converted(self, array: pa.Array, declared: ValueType, what: str, first_row: int) -> pa.Array:
        converted = convert(array, declared)
        if converted.refused is not None:
            row = first_row + int(np.flatnonzero(converted.refused)[0])
            raise invalid(f"{self.where}: {what} in row {row}: {converted.example} {converted.reason}; correct it")
        return column_from_source(array, declared)


def _key_remedy(held: pa.DataType) -> str:
    if pa.types.is_floating(held):
        return 'make it integers (pandas makes floats of them where one is missing: astype("Int64") keeps them)'
    return "convert it"


def _time_remedy(held: pa.DataType) -> str:
    if pa.types.is_string(held) or pa.types.is_large_string(held):
        return "convert it (in pandas, to_datetime; in CSV, write all as ISO 8601, and all with a zone or none)"
    return "convert it"
