"""The join of one view: its source passes by in blocks, once to find the rows that entity rows get, once to fetch them.

A source row counts exactly when materialization would write it: the same conversion, and the same reasons to leave a
row out. All columns of the view that can give such a reason are read for that, asked for or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.errors import invalid
from hotrow.offline.arrow_column import TIMESTAMP, arrow_type, column_from_source, column_of_default
from hotrow.offline.asof import AsOfJoin, EntityIndex, Integers
from hotrow.offline.conversion import Converted, convert
from hotrow.offline.entity_rows import joined_type
from hotrow.offline.number_column import Mask
from hotrow.offline.progress import Piece
from hotrow.offline.row_log.folder import CREATED_TIME, DELETED, EVENT_TIME
from hotrow.offline.rows import Refusals, kept_rows
from hotrow.offline.source import BLOCK, Interval, SourceBatch
from hotrow.offline.view_rows import known_rows
from hotrow.offline.view_source import Source
from hotrow.schema.entity import JoinKey
from hotrow.schema.field import Field

_KEY_TOO_LONG = "makes an entity key that is too long"
_NUMBER_KEY_BYTES = 9  # of an encoded key: a tag and eight bytes; a text has a tag, an end, and two bytes a zero


@dataclass(frozen=True, slots=True)
class ViewRows:
    """What the join of a view came to, a row an entity row.

    `columns` are the features asked for, and with `row_times` the two times of the row; null where no row is at or
    before the time and within ttl. `found` says which entity rows have one; `read` counts the rows of the source that
    passed by.
    """

    columns: list[pa.ChunkedArray]
    found: Mask
    read: int


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """`known_us`: source rows that were created later are not seen. `row_times`: the event time and the created time of
    the rows that answer come, too.
    """

    known_us: int | None = None
    row_times: bool = False


DEFAULT_JOIN = JoinOptions()


class ViewJoin:
    """Joins the source of one view with the rows of an index; `fields` are the features asked for.

    The source is read twice: keys and times, which say the rows that entity rows get, and then the features of these
    rows alone. Rows come in time's order as a rule, and in that order nearly each is the best so far for a while.
    """

    def __init__(self, source: Source, fields: Sequence[Field], index: EntityIndex, options: JoinOptions) -> None:
        self.source = source
        self._options = options
        self._fields = fields
        self._index = index
        self._join = AsOfJoin(index)
        fields_of = [(field.name, arrow_type(field.type)) for field in fields]
        times_of = [(name, TIMESTAMP) for name in (EVENT_TIME, CREATED_TIME) if options.row_times]
        self._schema = pa.schema([*fields_of, *times_of, (DELETED, pa.bool_())])

    def run(self, interval: Interval, refusals: Refusals, progress: Piece) -> ViewRows:
        """Read the source; raises INVALID where a file turns out to be damaged, or was changed since it was checked.

        `progress` is told of each row twice.
        """
        read, starts = self._find(interval, refusals, progress)
        matches = self._join.matches(self.source.view.ttl_us)
        found = matches >= 0
        numbers, places = _distinct(matches, found)
        pieces = [self._schema.empty_table(), *self._fetch(numbers, starts, interval, progress)]
        if any(part.changed() for part in self.source.reader.parts):  # and the rows may not be those that were found
            raise invalid(f"view {self.source.view.name}: its source has changed since the work began; run it again")
        *columns, deleted = pa.concat_tables(pieces).combine_chunks().columns
        found &= ~pc.fill_null(deleted.take(pa.array(places, mask=~found)), True).to_numpy()
        indices = pa.array(places, mask=~found)
        return ViewRows([column.take(indices) for column in columns], found, read)

    def _find(self, interval: Interval, refusals: Refusals, progress: Piece) -> tuple[int, list[int]]:
        """Offer all rows to the join; how many were read, and the number of the first row of each part."""
        read, starts = 0, []
        for part in self.source.reader.parts:
            starts.append(self._join.offered)
            for batch in part.batches(interval, part.deciding, BLOCK):
                read += batch.scanned
                self._offer(batch, refusals)
                progress.advance(batch.scanned)
        return read, starts

    def _fetch(
        self, numbers: Integers, starts: Sequence[int], interval: Interval, progress: Piece
    ) -> Iterator[pa.Table]:
        """The features of the rows with these numbers, which are sorted; of parts that have none nothing is read."""
        asked = {field.name for field in self._fields}
        ends = [*starts[1:], self._join.offered]
        for part, first, end in zip(self.source.reader.parts, starts, ends, strict=True):
            if np.searchsorted(numbers, first) == np.searchsorted(numbers, end):
                progress.advance(part.rows(interval))
                continue
            at = first
            for batch in part.batches(interval, [c for c in part.columns if c.name in asked], BLOCK):
                own = numbers[slice(*np.searchsorted(numbers, [at, at + batch.rows.num_rows]))]
                if len(own):
                    yield self._features(batch, own - at)
                at += batch.rows.num_rows
                progress.advance(batch.scanned)

    def _offer(self, batch: SourceBatch, refusals: Refusals) -> None:
        converted = [convert(batch.rows.column(c.name), c.type) for c in batch.columns]
        kept = kept_rows(batch, converted, self.source.columns.event_time, refusals)
        by_name = {c.name: cells for c, cells in zip(batch.columns, converted, strict=True)}
        keys = [_key(by_name[key.name], key) for key in self.source.view.join_keys]
        kept &= known_rows(batch, self._options.known_us)
        kept &= _short_enough(keys, batch.rows.num_rows, kept, refusals)
        codes = self._index.codes.find(keys, batch.rows.num_rows)
        codes[~kept] = -1
        created_us = batch.created_time_us
        if created_us is None:
            created_us = np.zeros(len(codes), np.int64)
        self._join.offer(codes, batch.event_time_us, created_us)

    def _features(self, batch: SourceBatch, rows: Integers) -> pa.Table:
        there = {column.name for column in batch.columns}
        indices = pa.array(rows)
        columns = [
            column_from_source(batch.rows.column(field.name).take(indices), field.type)
            if field.name in there
            else column_of_default(field, len(rows))
            for field in self._fields
        ]
        if self._options.row_times:
            event_us, created_us = batch.event_time_us, batch.created_time_us
            columns.append(pa.array(event_us[rows]).cast(TIMESTAMP))
            created = pa.nulls(len(rows)) if created_us is None else pa.array(created_us[rows])
            columns.append(created.cast(TIMESTAMP))
        deleted = np.zeros(len(rows), np.bool_) if batch.deleted is None else batch.deleted[rows]
        return pa.Table.from_arrays([*columns, pa.array(deleted)], schema=self._schema)


def _distinct(matches: Integers, found: Mask) -> tuple[Integers, Integers]:
    """The distinct numbers among those found, sorted, and for each match where its number stands there.

    By a sort, which takes a sixth of the time of `numpy.unique` and `searchsorted`.
    """
    chosen = matches[found]
    order = np.argsort(chosen)
    ordered = chosen[order]
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    place = np.empty(len(chosen), np.int64)
    place[order] = np.cumsum(first) - 1
    places = np.zeros(len(matches), np.int64)
    places[found] = place
    return ordered[first], places


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
