"""The join of one view: its source passes by in blocks, and the rows that are the best so far are kept.

A source row counts exactly when materialization would write it: the same conversion, and the same reasons to leave a
row out. All columns of the view that can give such a reason are read for that, asked for or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.offline.arrow_column import arrow_type, column_from_source, column_of_default, may_refuse
from hotrow.offline.asof import AsOfJoin, EntityIndex, Integers
from hotrow.offline.conversion import Converted, Mask, convert
from hotrow.offline.entity_rows import joined_type
from hotrow.offline.log_folder import DELETED
from hotrow.offline.materialize import Source
from hotrow.offline.progress import Piece
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import BLOCK, Column, Interval, SourceBatch, SourcePart
from hotrow.schema.entity import JoinKey
from hotrow.schema.field import Field

_KEY_TOO_LONG = "makes an entity key that is too long"
_NUMBER_KEY_BYTES = 9  # of an encoded key: a tag and eight bytes; a text has a tag, an end, and two bytes a zero


@dataclass(frozen=True, slots=True)
class ViewRows:
    """What the join of a view came to, a row an entity row.

    `columns` are the features asked for, null where there is no row at or before the time and within ttl; `found` says
    which entity rows have one; `read` counts the rows of the source that passed by.
    """

    columns: list[pa.ChunkedArray]
    found: Mask
    read: int


class ViewJoin:
    """Joins the source of one view with the rows of an index; `fields` are the features asked for."""

    def __init__(self, source: Source, fields: Sequence[Field], index: EntityIndex) -> None:
        self.source = source
        self._fields = fields
        self._index = index
        self._join = AsOfJoin(index)
        fields_of = [(field.name, arrow_type(field.type)) for field in fields]
        self._schema = pa.schema([*fields_of, (DELETED, pa.bool_())])
        self._kept: list[pa.Table] = []
        self._kept_rows = 0

    def run(self, interval: Interval, refusals: Refusals, progress: Piece) -> ViewRows:
        """Read the source once; raises INVALID where a file turns out to be damaged."""
        read = 0
        for part in self.source.reader.parts:
            for batch in self._read(part, interval):
                read += batch.scanned
                self._offer(batch, refusals)
                progress.advance(batch.scanned)
        matches = self._join.matches(self.source.view.ttl_us)
        *columns, deleted = self._all_kept().columns
        found = matches >= 0
        gone = deleted.take(pa.array(matches, mask=~found))
        found &= ~pc.fill_null(gone, True).to_numpy()
        indices = pa.array(matches, mask=~found)
        return ViewRows([column.take(indices) for column in columns], found, read)

    def _read(self, part: SourcePart, interval: Interval) -> Iterator[SourceBatch]:
        asked = {field.name for field in self._fields}
        columns = [c for c in part.columns if c.key or c.name in asked or self._may_refuse(part.schema, c)]
        return part.batches(interval, columns, BLOCK)

    def _may_refuse(self, schema: pa.Schema, column: Column) -> bool:
        return may_refuse(schema.field(column.name).type, column.type)

    def _offer(self, batch: SourceBatch, refusals: Refusals) -> None:
        checked = [c for c in batch.columns if c.key or self._may_refuse(batch.rows.schema, c)]
        converted = [convert(batch.rows.column(c.name), c.type) for c in checked]
        kept = kept_rows(replace(batch, columns=tuple(checked)), converted, self.source.columns.event_time, refusals)
        by_name = {c.name: cells for c, cells in zip(checked, converted, strict=True)}
        keys = [_key(by_name[key.name], key) for key in self.source.view.join_keys]
        kept &= _short_enough(keys, batch.rows.num_rows, kept, refusals)
        codes = self._index.codes.find(keys, batch.rows.num_rows)
        codes[~kept] = -1
        created_us = batch.created_time_us
        if created_us is None:
            created_us = np.zeros(len(codes), np.int64)
        chosen = self._join.offer(codes, batch.event_time_us, created_us, self._kept_rows)
        self._keep(batch, chosen)

    def _keep(self, batch: SourceBatch, chosen: Integers) -> None:
        if not len(chosen):
            return
        there = {column.name for column in batch.columns}
        indices = pa.array(chosen)
        columns = [
            column_from_source(batch.rows.column(field.name).take(indices), field.type)
            if field.name in there
            else column_of_default(field, len(chosen))
            for field in self._fields
        ]
        deleted = np.zeros(len(chosen), np.bool_) if batch.deleted is None else batch.deleted[chosen]
        columns.append(pa.array(deleted))
        self._kept.append(pa.Table.from_arrays(columns, schema=self._schema))
        self._kept_rows += len(chosen)
        # Rows that better ones have replaced go when they are the most: so their number is bounded, and each row is
        # copied twice on average.
        if self._kept_rows > 2 * self._join.live + BLOCK.rows:
            live = self._join.renumber()
            self._kept = [self._all_kept().take(pa.array(live))]
            self._kept_rows = len(live)

    def _all_kept(self) -> pa.Table:
        if not self._kept:
            return self._schema.empty_table()
        self._kept = [pa.concat_tables(self._kept).combine_chunks()]
        return self._kept[0]


def _key(converted: Converted, key: JoinKey) -> pa.Array:
    """A join key of source rows in the type that joins; a null or refused one is not `kept`, whatever stands here."""
    return converted.values.cast(arrow_type(joined_type(key.type)))


def _short_enough(keys: Sequence[pa.Array], rows: int, kept: Mask, refusals: Refusals) -> Mask:
    """Which keys an online store can hold; the ingest worker refuses the others."""
    texts = [key for key in keys if pa.types.is_large_string(key.type) or pa.types.is_large_binary(key.type)]
    fits = np.ones(rows, np.bool_)
    if not texts:
        return fits
    from hotrow.stores.port import MAX_KEY_BYTES  # noqa: PLC0415 - with it come the kernels, for text alone

    length = np.full(rows, _NUMBER_KEY_BYTES * (len(keys) - len(texts)), np.int64)
    for key in texts:
        length += pc.binary_length(key).to_numpy(zero_copy_only=False) + 2
        length += pc.count_substring(key, "\0").to_numpy(zero_copy_only=False)
    fits = length <= MAX_KEY_BYTES
    refusals.add("the join key", _KEY_TOO_LONG, int(np.count_nonzero(kept & ~fits)))
    return np.asarray(fits)
