"""Parquet files as they are opened here, and what their statistics tell of times.

INT96, the timestamps of Spark and Impala, has no unit: it is days and nanoseconds, which Arrow reads as nanoseconds
unless it is told otherwise, and these wrap beyond the year 2262. As microseconds they wrap beyond the year 294247,
without a word; milliseconds hold every day that INT96 has, and so tell which ones those are.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hotrow.offline.arrow_form import combined
from hotrow.offline.conversion import convert
from hotrow.offline.number_column import Mask
from hotrow.types import Array, UnixTimestamp

OUT_OF_RANGE = "is out of range"
_UNITS = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}


def open_file(path: Path, metadata: pq.FileMetaData | None = None, *, buffer_bytes: int = 0) -> pq.ParquetFile:
    """Open a file to be read a batch at a time; raises what pyarrow raises."""
    return pq.ParquetFile(
        path, metadata=metadata, buffer_size=buffer_bytes, pre_buffer=False, coerce_int96_timestamp_unit="us"
    )


def int96_columns(metadata: pq.FileMetaData, names: Sequence[str]) -> list[str]:
    """Those of the columns that have INT96, alone or in lists."""
    columns = (metadata.schema.column(i) for i in range(len(metadata.schema)))
    held = {column.path.split(".")[0] for column in columns if column.physical_type == "INT96"}
    return [name for name in names if name in held]


def rows_out_of_range(
    path: Path, metadata: pq.FileMetaData, groups: Sequence[int], names: Sequence[str]
) -> Mapping[str, Mask]:
    """Which rows of the row groups have an INT96 that microseconds cannot hold, by column, where any has."""
    columns = int96_columns(metadata, names)
    if not columns:
        return {}
    with pq.ParquetFile(path, metadata=metadata, pre_buffer=False, coerce_int96_timestamp_unit="ms") as file:
        table = file.read_row_groups(list(groups), columns=columns)
    found = {name: _refused(combined(table.column(name))) for name in columns}
    return {name: refused for name, refused in found.items() if refused is not None}


def _refused(times: pa.Array) -> Mask | None:
    declared = UnixTimestamp if pa.types.is_timestamp(times.type) else Array(UnixTimestamp)
    refused = convert(times, declared).refused
    return None if refused is None else np.asarray(refused, np.bool_)


def time_bounds_us(metadata: pq.FileMetaData, name: str) -> tuple[int, int] | None:
    """The least and the greatest time of a column in a file, in microseconds; None where its statistics do not tell."""
    bounds = []
    for group in range(metadata.num_row_groups):
        column = event_column(metadata, group, name)
        bounds.append(bounds_us(metadata, column) if column is not None else None)
    known = [one for one in bounds if one is not None]
    if not known or len(known) < len(bounds):
        return None
    return min(first for first, _ in known), max(last for _, last in known)


def event_column(metadata: pq.FileMetaData, group: int, name: str) -> pq.ColumnChunkMetaData | None:
    row_group = metadata.row_group(group)
    for i in range(row_group.num_columns):
        if row_group.column(i).path_in_schema == name:
            return row_group.column(i)
    return None


def bounds_us(metadata: pq.FileMetaData, column: pq.ColumnChunkMetaData) -> tuple[int, int] | None:
    """The least and greatest event time of a row group in microseconds, where its statistics tell."""
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max or not statistics.has_null_count:
        return None
    if column.physical_type != "INT64":
        return None
    names = [metadata.schema.column(i).path for i in range(len(metadata.schema.names))]
    logical = json.loads(metadata.schema.column(names.index(column.path_in_schema)).logical_type.to_json())
    per_s = _UNITS.get(logical.get("timeUnit", ""))
    if per_s is None:
        return None
    return statistics.min_raw * 1_000_000 // per_s, statistics.max_raw * 1_000_000 // per_s
