"""Entity frames of pandas, Polars and Arrow: their columns as Arrow, and the result in the kind that was given.

Neither pandas nor Polars is imported here: a caller who hands in a frame has imported it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from hotrow.errors import invalid
from hotrow.offline.stated_unit import UNIT, stated_unit

_UNITS = "hotrow.units"


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of any kind. `names` are its columns but for those of pandas whose name is no text, `column` gives one as
    Arrow, and `attach` gives the frame with feature columns on its right. `units` are those that the frame states, by
    column.
    """

    names: list[str]
    column: Callable[[str], pa.Array | pa.ChunkedArray]
    attach: Callable[[pa.Table], Any]
    units: Mapping[str, str] = field(default_factory=dict)

    def table(self, names: Sequence[str]) -> pa.Table:
        """Some columns as a table, with their units; raises INVALID for a column of mixed types, or one there twice."""
        columns = []
        for name in names:
            if self.names.count(name) > 1:
                raise invalid(f"the frame: column {name!r} is there {self.names.count(name)} times; rename all but one")
            try:
                columns.append(_untyped_if_empty(self.column(name)))
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                brief = str(error).split("\n", 1)[0].rstrip(".")
                raise invalid(
                    f"the entity frame: column {name!r} does not have values of one type ({brief}); convert it"
                ) from error
        metadata = [{UNIT: self.units[name]} if name in self.units else None for name in names]
        fields = [
            pa.field(name, column.type, metadata=stated)
            for name, column, stated in zip(names, columns, metadata, strict=True)
        ]
        return pa.table(columns, schema=pa.schema(fields))


def _untyped_if_empty(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column without rows, or of floats that are all null, has the type of a library's choice: it becomes Arrow's
    null, which fits every type.
    """
    untyped = not len(column) or (pa.types.is_floating(column.type) and column.null_count == len(column))
    return pa.nulls(len(column)) if untyped else column


def open_frame(entity_df: Any) -> Frame:
    """The frame of a pandas or Polars DataFrame or a pyarrow Table; raises INVALID for anything else."""
    if isinstance(entity_df, pa.Table):
        units = {one.name: unit for one in entity_df.schema if (unit := stated_unit(one))}
        return Frame(entity_df.column_names, entity_df.column, lambda features: _arrow(entity_df, features), units)
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(entity_df, pandas.DataFrame):
        return Frame(
            [name for name in entity_df.columns if isinstance(name, str)],
            lambda name: pa.array(entity_df[name], from_pandas=True),
            lambda features: _pandas(pandas, entity_df, features),
            _attrs_units(entity_df.attrs),
        )
    if polars is not None and isinstance(entity_df, polars.DataFrame):
        return Frame(
            entity_df.columns,
            lambda name: entity_df.get_column(name).to_arrow(),
            lambda features: entity_df.hstack(polars.from_arrow(features).get_columns()),
        )
    kind = f"{type(entity_df).__module__.partition('.')[0]}.{type(entity_df).__qualname__}"
    remedy = "collect it first" if kind == "polars.LazyFrame" else "make it one"
    raise invalid(f"the entity frame is a {kind}; give a pandas or Polars DataFrame or a pyarrow Table: {remedy}")


def _arrow(entities: pa.Table, features: pa.Table) -> pa.Table:
    schema = pa.schema(
        [*entities.schema, *features.schema],
        metadata={**(entities.schema.metadata or {}), **(features.schema.metadata or {})},
    )
    return pa.table([*entities.columns, *features.columns], schema=schema)


def _pandas(pandas: Any, entities: Any, features: pa.Table) -> Any:
    """Integers and bools in the dtypes that hold nulls: as floats, large integers would come out as other ones."""
    dtypes = {pa.int64(): pandas.Int64Dtype(), pa.int32(): pandas.Int32Dtype(), pa.bool_(): pandas.BooleanDtype()}
    columns = features.to_pandas(types_mapper=dtypes.get)
    columns.index = entities.index
    out = pandas.concat([entities, columns], axis=1)
    described = describe(features.schema)
    described[_UNITS] = _attrs_units(entities.attrs) | described[_UNITS]
    out.attrs = {**entities.attrs, **described}
    return out


def _attrs_units(attrs: Mapping[Any, Any]) -> dict[str, str]:
    """The units in `attrs` of a pandas frame, as `describe` puts them there; anything else states none."""
    stated = attrs.get(_UNITS)
    if not isinstance(stated, Mapping):
        return {}
    return {name: unit for name, unit in stated.items() if isinstance(name, str) and isinstance(unit, str) and unit}


def describe(schema: pa.Schema) -> dict[str, Any]:
    """The metadata of feature columns as plain values: units by column, and where the features are from."""
    units = {one.name: unit for one in schema if (unit := stated_unit(one))}
    origin = {name.decode(): text.decode() for name, text in (schema.metadata or {}).items()}
    return {**origin, _UNITS: units}
