"""Entity frames of pandas, Polars and Arrow: their columns as Arrow, and the result in the kind that was given.

Neither pandas nor Polars is imported here: a caller who hands in a frame has imported it.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from hotrow.errors import invalid


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of any kind. `names` are all of its columns, `column` gives one as Arrow, and `attach` gives the frame
    with feature columns on its right.
    """

    names: list[str]
    column: Callable[[str], pa.Array | pa.ChunkedArray]
    attach: Callable[[pa.Table], Any]

    def table(self, names: Sequence[str]) -> pa.Table:
        """Some columns as a table; raises INVALID for a column of mixed types."""
        columns = []
        for name in names:
            try:
                columns.append(self.column(name))
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                brief = str(error).split("\n", 1)[0].rstrip(".")
                raise invalid(
                    f"the entity frame: column {name!r} does not have values of one type ({brief}); convert it"
                ) from error
        return pa.table(columns, names=list(names))


def open_frame(entity_df: Any) -> Frame:
    """The frame of a pandas or Polars DataFrame or a pyarrow Table; raises INVALID for anything else."""
    if isinstance(entity_df, pa.Table):
        return Frame(entity_df.column_names, entity_df.column, lambda features: _arrow(entity_df, features))
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(entity_df, pandas.DataFrame):
        return Frame(
            list(entity_df.columns),
            lambda name: pa.array(entity_df[name], from_pandas=True),
            lambda features: _pandas(pandas, entity_df, features),
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
    out.attrs = {**entities.attrs, **describe(features.schema)}
    return out


def describe(schema: pa.Schema) -> dict[str, Any]:
    """The metadata of feature columns as plain values: units by column, and where the features are from."""
    units = {one.name: one.metadata[b"unit"].decode() for one in schema if b"unit" in (one.metadata or {})}
    origin = {name.decode(): text.decode() for name, text in (schema.metadata or {}).items()}
    return {**origin, "hotrow.units": units}
