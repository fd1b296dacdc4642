"""Rows of a Parquet file, for `hotrow push`."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hotrow.cli import render
from hotrow.cli.push_arguments import PushArguments
from hotrow.cli.value import time_us_option
from hotrow.errors import invalid
from hotrow.offline.parquet import Column, Interval, SourceColumns, open_source
from hotrow.offline.rows import Refusals, encode_batch
from hotrow.schema.view import FeatureView


def parquet_rows(arguments: PushArguments, view: FeatureView, time_column: str) -> Iterator[tuple[bytes, int]]:
    """Fields 4 and 5 of requests, and how many rows each has; raises HotrowError naming the file and the column."""
    if arguments.file is None:
        return
    if not time_column:
        raise invalid("name the column of the event times with --event-time-column: the view has no source that does")
    keys = [Column(key.name, key.type, key=True) for key in view.join_keys]
    fields = [Column(f.name, f.type, f.unit, optional=f.has_default) for f in view.fields]
    columns = keys if arguments.delete else [*keys, *fields]
    reader = open_source(arguments.file, SourceColumns(view.name, tuple(columns), time_column))
    refusals = Refusals()
    for batch in reader.batches(Interval()):
        if arguments.event_time:
            at_us = time_us_option("--event-time", arguments.event_time)
            rows = batch.rows.num_rows
            batch = replace(  # noqa: PLW2901 - the same rows at the time that was asked for
                batch, event_time_us=np.full(rows, at_us, np.int64), timeless=np.zeros(rows, np.bool_)
            )
        for encoded in encode_batch(batch, time_column, refusals):
            yield encoded.rows, encoded.count
    for (column, reason), rows in refusals.counts.items():
        render.warn(f"{rows} rows left out: {column} {reason}")
