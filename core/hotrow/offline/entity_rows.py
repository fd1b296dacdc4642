"""The entity rows of a training set: their join keys and event times, checked and in the types that join.

Keys are compared by encoding class, as an online read compares them: every integer type is one, and so on. A null in a
join key is a key that no row has. An event time is needed in every row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hotrow import types
from hotrow.errors import invalid, nearest
from hotrow.offline.arrow_column import column_from_source
from hotrow.offline.asof import Integers
from hotrow.offline.conversion import convert, mismatch
from hotrow.schema.entity import JoinKey
from hotrow.types import BY_KIND, UnixTimestamp, ValueType


def joined_type(declared: ValueType) -> ValueType:
    """The type in which join keys of that type are compared."""
    return BY_KIND[types.INT64] if declared.kind == types.INT32 else declared


@dataclass(frozen=True, slots=True)
class EntityRows:
    """Join keys by name, null where the caller's are, and the event times in microseconds."""

    keys: dict[str, pa.Array]
    times_us: Integers

    def __len__(self) -> int:
        return len(self.times_us)

    def slice(self, start: int, end: int) -> "EntityRows":
        """The rows from `start` up to `end`, without a copy."""
        keys = {name: key.slice(start, end - start) for name, key in self.keys.items()}
        return EntityRows(keys, self.times_us[start:end])


@dataclass(frozen=True, slots=True)
class EntityColumns:
    """Which columns the entity rows must have. `where` they come from is for messages."""

    where: str
    keys: tuple[JoinKey, ...]
    event_time: str

    @property
    def names(self) -> list[str]:
        """The columns that are read, each once."""
        return list(dict.fromkeys([*(key.name for key in self.keys), self.event_time]))

    def check_names(self, names: Sequence[str], feature_columns: Sequence[str]) -> None:
        """Raise INVALID for a column that is missing, there twice, or in the way of a feature's."""
        for role, name in [*(("join key", key.name) for key in self.keys), ("event time", self.event_time)]:
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
        """Raise INVALID for a column whose type is not that of the join key, or no time."""
        for key in self.keys:
            held = schema.field(key.name).type
            objection = mismatch(held, joined_type(key.type))
            if objection:
                raise invalid(
                    f"{self.where}: column {key.name!r} does not fit the join key, which is {key.type.name}: "
                    f"{objection}; {_key_remedy(held)}"
                )
        objection = mismatch(schema.field(self.event_time).type, UnixTimestamp)
        if objection:
            raise invalid(
                f"{self.where}: column {self.event_time!r} does not fit timestamps of the event time: {objection}; "
                "convert it, or name the column that has the event times"
            )

    def read(self, table: pa.Table, first_row: int = 0) -> EntityRows:
        """The rows of a table with a checked schema; raises INVALID, naming the row, for what is no key or time.

        `first_row` is the number of the table's first row, for messages.
        """
        times = convert(_column(table, self.event_time), UnixTimestamp)
        wrong = times.nulls if times.refused is None else times.nulls | times.refused
        if wrong.any():
            row = first_row + int(np.flatnonzero(wrong)[0])
            what = "has no event time" if times.refused is None else "has an event time that is out of range"
            raise invalid(
                f"{self.where}: column {self.event_time!r} {what} in {np.count_nonzero(wrong)} of {len(wrong)} rows, "
                f"first in row {row}; fill it, or drop the rows"
            )
        keys = {key.name: self._key(table, key, first_row) for key in self.keys}
        return EntityRows(keys, times.values.to_numpy())

    def _key(self, table: pa.Table, key: JoinKey, first_row: int) -> pa.Array:
        array, declared = _column(table, key.name), joined_type(key.type)
        converted = convert(array, declared)
        if converted.refused is not None:
            row = first_row + int(np.flatnonzero(converted.refused)[0])
            raise invalid(
                f"{self.where}: join key {key.name!r} in row {row}: {converted.example} {converted.reason}; correct it"
            )
        return column_from_source(array, declared)


def _column(table: pa.Table, name: str) -> pa.Array:
    chunks: pa.ChunkedArray = table.column(name)
    if pa.types.is_dictionary(chunks.type):
        chunks = chunks.cast(chunks.type.value_type)
    combined = chunks.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _key_remedy(held: pa.DataType) -> str:
    if pa.types.is_floating(held):
        return "make it whole numbers (in pandas, nulls have made them floats: use the dtype Int64)"
    return "convert it"
