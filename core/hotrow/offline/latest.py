"""The latest row of each key, of rows that come in any order: what is worth writing of a source.

Rows are held as Arrow columns, and when they are too many those that a later one of their key replaces are dropped.
What is left comes out in the order of the keys, which is the order of the store's pages. No step holds more than one
column twice.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.codec.kernel_order import DIGIT_BITS, count_keys, sort_by_digit, take_latest
from hotrow.offline.arrow_column import arrow_type, column_from_source, column_of_default
from hotrow.offline.asof import Integers
from hotrow.offline.held_column import HeldColumn, places_of
from hotrow.offline.source import MAX_ROWS, Column, SourceBatch
from hotrow.schema.view import FeatureView


class LatestRows:
    """Rows of one view, about `limit` bytes of them at most; of each key the latest, and of equal ones the last."""

    def __init__(self, view: FeatureView, limit: int) -> None:
        self._n_keys = len(view.join_keys)
        self._fields = {field.name: field for field in view.fields}
        self._columns = (
            *(Column(key.name, key.type, key=True) for key in view.join_keys),
            *(Column(field.name, field.type, field.unit) for field in view.fields),
        )
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        types = [arrow_type(column.type) for column in self._columns]
        # By place, not by name: a field may be called as a time is here.
        self._held = [HeldColumn(one) for one in (*types, pa.int64(), pa.int64(), pa.bool_())]
        self._counts: list[int] = []
        self._order: Integers | None = None
        self._bytes = 0

    def add(self, batch: SourceBatch) -> None:
        """Take rows, each of which can be written."""
        there = {column.name for column in batch.columns}
        count = batch.rows.num_rows
        columns = [
            column_from_source(batch.rows.column(c.name), c.type)
            if c.name in there
            else column_of_default(self._fields[c.name], count)
            for c in self._columns
        ]
        created = batch.created_time_us
        times = [batch.event_time_us, np.zeros(count, np.int64) if created is None else created]
        deleted = np.zeros(count, np.bool_) if batch.deleted is None else batch.deleted
        pieces = columns + [pa.array(time) for time in times] + [pa.array(deleted)]
        for column, piece in zip(self._held, pieces, strict=True):
            column.add(piece)
            self._bytes += piece.nbytes
        self._counts.append(count)
        self._order = None

    @property
    def full(self) -> bool:
        """Whether what is held is to be taken, since dropping rows leaves too many."""
        if self._bytes <= self._limit:
            return False
        self._drop()
        return self._bytes > self._limit // 2

    def take(self) -> Iterator[SourceBatch]:
        """What is held, by the order of keys, in batches of at most MAX_ROWS; nothing is held afterwards."""
        self._drop()
        held, order, starts = self._held, self._order, self._starts()
        self._clear()
        return self._batches(held, order, starts) if order is not None else iter(())

    def _batches(self, held: Sequence[HeldColumn], order: Integers, starts: Integers) -> Iterator[SourceBatch]:
        names = [column.name for column in self._columns]
        for start in range(0, len(order), MAX_ROWS):
            places = places_of(order[start : start + MAX_ROWS], starts)
            *columns, event, created, gone = (column.take(places) for column in held)
            some = pa.RecordBatch.from_arrays(columns, names=names)
            none = np.zeros(some.num_rows, np.bool_)
            deleted = gone.to_numpy(zero_copy_only=False)
            times = (event.to_numpy(), created.to_numpy())
            yield SourceBatch(
                some, self._columns, *times, none, some.num_rows, deleted=deleted if deleted.any() else None
            )

    def _drop(self) -> None:
        """Hold the latest row of each key alone, and know their order."""
        if not self._counts or self._order is not None:
            return
        keys = [ranks(column.whole()) for column in self._held[: self._n_keys]]
        keys = keys or [np.zeros(sum(self._counts), np.int64)]  # a view without entities has one row
        rows = latest_of_keys(keys, lambda: [column.whole().to_numpy() for column in self._held[-3:-1]])
        if len(rows) < sum(self._counts):
            self._keep(rows)
        else:
            self._order = rows

    def _keep(self, rows: Integers) -> None:
        """Hold these rows, in this order."""
        places = places_of(rows, self._starts())
        for column in self._held:
            column.keep(places)
        self._counts = [len(rows)]
        self._order = np.arange(len(rows))
        self._bytes = sum(column.nbytes for column in self._held)

    def _starts(self) -> Integers:
        return np.array(list(accumulate(self._counts[:-1], initial=0)), np.int64)


def ranks(key: pa.Array) -> Integers:
    """Integers that are ordered as the values of a join key are, and equal where they are; no value is null."""
    if pa.types.is_boolean(key.type) or pa.types.is_integer(key.type) or pa.types.is_timestamp(key.type):
        return np.asarray(key.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
    encoded = key.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[encoded.indices.to_numpy(zero_copy_only=False)], np.int64)


def latest_of_keys(keys: Sequence[Integers], times: Callable[[], Sequence[Integers]]) -> Integers:
    """Of the rows of each key the one of the latest event time, then created time, then the last; sorted by key.

    `times` makes both, and is called where a key comes twice.
    """
    columns, bits = _packed(keys)
    order = np.arange(columns.shape[1])
    spare = np.empty_like(order)
    for column in reversed(range(len(columns))):
        for shift in range(0, bits[column], DIGIT_BITS):
            sort_by_digit(columns[column], shift, order, spare)
            order, spare = spare, order
    count = count_keys(columns, order)
    if count == len(order):
        return order
    found = spare[:count]
    take_latest(columns, order, *times(), found)
    return found


def _packed(keys: Sequence[Integers]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """As few columns as can be that order rows as the keys do, and how many bits their numbers have: neighbours become
    one number where that has room. The numbers begin with 0, and those of 64 bits count as unsigned.
    """
    columns = np.empty((len(keys), len(keys[0])), np.int64)
    spans: list[int] = []
    for key in keys:
        least, most = (int(key.min()), int(key.max())) if len(key) else (0, 0)
        span = most - least + 1
        if spans and spans[-1] * span < 1 << 63:
            columns[len(spans) - 1] *= span
            columns[len(spans) - 1] += key - least
            spans[-1] *= span
        else:
            np.subtract(key, least, out=columns[len(spans)])
            spans.append(span)
    return columns[: len(spans)], [(span - 1).bit_length() for span in spans]
