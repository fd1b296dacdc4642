"""Rows of a Parquet file, for `hotrow push`."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from hotrow.cli import render
from hotrow.cli.push_arguments import PushArguments
from hotrow.cli.value import time_us_option
from hotrow.errors import invalid
from hotrow.offline.parquet import open_parquet
from hotrow.offline.rows import Refusals, encode_batch
from hotrow.offline.source import MAX_BYTES, MAX_ROWS, Column, Interval, SourceColumns
from hotrow.schema.view import FeatureView


def parquet_rows(arguments: PushArguments, view: FeatureView, time_column: str) -> Iterator[tuple[bytes, int]]:
    """Fields 4 and 5 of requests, and how many rows each has; raises HotrowError naming the file and the column.

    Rows that cannot be sent are left out with a warning. With --atomic that is an error, as are rows for two requests.
    """
    refusals = Refusals()
    requests = _requests(arguments, view, time_column, refusals)
    if arguments.atomic:
        requests = _alone(list(islice(requests, 2)), refusals)
    yield from requests
    for (column, reason), rows in refusals.counts.items():
        render.warn(f"{rows} rows left out: {column} {reason}")


def _alone(requests: list[tuple[bytes, int]], refusals: Refusals) -> Iterator[tuple[bytes, int]]:
    """All rows of the file, in the one request that the server takes whole or not at all."""
    for column, reason in refusals.counts:
        raise invalid(f"--atomic: a row cannot be sent: {column} {reason}; nothing was written")
    if len(requests) > 1:
        raise invalid(f"--atomic takes what fits into one request, {MAX_ROWS:,} rows or {MAX_BYTES >> 20} MiB at most")
    return iter(requests)


def _requests(
    arguments: PushArguments, view: FeatureView, time_column: str, refusals: Refusals
) -> Iterator[tuple[bytes, int]]:
    if arguments.file is None:
        return
    if not time_column:
        raise invalid("name the column of the event times with --event-time-column: the view has no source that does")
    keys = [Column(key.name, key.type, key=True) for key in view.join_keys]
    fields = [Column(f.name, f.type, f.unit, optional=f.has_default) for f in view.fields]
    columns = keys if arguments.delete else [*keys, *fields]
    reader = open_parquet(arguments.file, SourceColumns(view.name, tuple(columns), time_column))
    for batch in reader.batches(Interval()):
        if arguments.event_time:
            at_us = time_us_option("--event-time", arguments.event_time)
            rows = batch.rows.num_rows
            batch = replace(  # noqa: PLW2901 - the same rows at the time that was asked for
                batch, event_time_us=np.full(rows, at_us, np.int64), timeless=np.zeros(rows, np.bool_)
            )
        for encoded in encode_batch(batch, time_column, refusals):
            yield encoded.rows, encoded.count
