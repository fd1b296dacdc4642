"""All rows of a view in a range of event times, as the entity rows of a training set."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.offline.arrow_column import TIMESTAMP, arrow_type
from hotrow.offline.conversion import convert
from hotrow.offline.number_column import Mask
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import BLOCK, Interval, SourceBatch
from hotrow.offline.view_source import Source


def view_rows(source: Source, interval: Interval, event_time: str, known_us: int | None) -> pa.Table:
    """The join keys and, as `event_time`, the event time of each row, in the order of time, each once.

    Rows that materialization would leave out are left out, and so are deleted ones, and with `known_us` those that were
    created later. Raises INVALID where a file turns out to be damaged.
    """
    keys = [(key.name, arrow_type(key.type)) for key in source.view.join_keys]
    schema = pa.schema([*keys, (event_time, TIMESTAMP)])
    table = pa.concat_tables([schema.empty_table(), *_pieces(source, interval, known_us, schema)])
    distinct = table.group_by(schema.names).aggregate([]).select(schema.names)
    return distinct.sort_by([(name, "ascending") for name in (event_time, *(name for name, _ in keys))])


def known_rows(batch: SourceBatch, known_us: int | None) -> Mask:
    """Which rows were created by then; one without a created time always was."""
    if known_us is None or batch.created_time_us is None:
        return np.ones(batch.rows.num_rows, np.bool_)
    return np.asarray(batch.created_time_us <= known_us)


def _pieces(source: Source, interval: Interval, known_us: int | None, schema: pa.Schema) -> Iterator[pa.Table]:
    refusals = Refusals()
    for part in source.reader.parts:
        deciding = part.deciding
        for batch in part.batches(interval, deciding, BLOCK):
            converted = [convert(batch.rows.column(column.name), column.type) for column in deciding]
            kept = kept_rows(batch, converted, source.columns.event_time, refusals) & known_rows(batch, known_us)
            if batch.deleted is not None:
                kept &= ~batch.deleted
            by_name = {column.name: cells.values for column, cells in zip(deciding, converted, strict=True)}
            columns = [by_name[key.name].cast(schema.field(key.name).type) for key in source.view.join_keys]
            columns.append(pa.array(batch.event_time_us).cast(TIMESTAMP))
            yield pa.table([pc.filter(column, pa.array(kept)) for column in columns], schema=schema)
