"""The latest row of each key, of rows that come in any order: what is worth writing of a source.

Rows are held as Arrow columns, and when they are too many those that a later one of their key replaces are dropped.
What is left comes out in the order of the keys, which is the order of the store's pages. No step holds more than one
column twice.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.offline.arrow_column import column_from_source, column_of_default
from hotrow.offline.asof import Integers
from hotrow.offline.source import MAX_ROWS, Column, SourceBatch
from hotrow.schema.view import FeatureView


class LatestRows:
    """Rows of one view, about `limit` bytes of them at most; of each key the latest, and of equal ones the last."""

    def __init__(self, view: FeatureView, limit: int) -> None:
        self._keys = [key.name for key in view.join_keys]
        self._fields = {field.name: field for field in view.fields}
        self._columns = (
            *(Column(key.name, key.type, key=True) for key in view.join_keys),
            *(Column(field.name, field.type, field.unit) for field in view.fields),
        )
        # By place, not by name: a field may be called as a time is here.
        self._held: list[list[pa.Array]] = []
        self._order: Integers | None = None
        self._bytes = 0
        self._limit = limit

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
        held = columns + [pa.array(time) for time in times] + [pa.array(deleted)]
        self._held.append(held)
        self._order = None
        self._bytes += sum(column.nbytes for column in held)

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
        held, self._held, self._bytes = self._held, [], 0
        return self._batches(held[0], self._order) if held and self._order is not None else iter(())

    def _batches(self, held: list[pa.Array], order: Integers) -> Iterator[SourceBatch]:
        names = [column.name for column in self._columns]
        for start in range(0, len(order), MAX_ROWS):
            part = pa.array(order[start : start + MAX_ROWS])
            *columns, event, created, gone = (column.take(part) for column in held)
            some = pa.RecordBatch.from_arrays(columns, names=names)
            none = np.zeros(some.num_rows, np.bool_)
            deleted = gone.to_numpy(zero_copy_only=False)
            times = (event.to_numpy(), created.to_numpy())
            yield SourceBatch(
                some, self._columns, *times, none, some.num_rows, deleted=deleted if deleted.any() else None
            )

    def _drop(self) -> None:
        """Hold the latest row of each key alone, and know their order."""
        if not self._held or self._order is not None:
            return
        pieces, self._held = self._held, []
        whole = _columns_of(pieces)
        self._held = [whole]
        by_name = dict(zip([column.name for column in self._columns], whole, strict=False))
        event, created = (column.to_numpy() for column in whole[-3:-1])
        self._order = latest_of_keys([ranks(by_name[name]) for name in self._keys], event, created)
        if len(self._order) < len(event):
            latest = pa.array(self._order)
            for place, column in enumerate(whole):
                whole[place] = column.take(latest)
            self._order = np.arange(len(latest))
        self._bytes = sum(column.nbytes for column in whole)


def _columns_of(pieces: list[list[pa.Array]]) -> list[pa.Array]:
    """The columns whole; the lists are empty afterwards, so that each piece is let go when its column is made."""
    for piece in pieces:
        piece.reverse()
    return [pa.concat_arrays([piece.pop() for piece in pieces]) for _ in range(len(pieces[0]))]


def ranks(key: pa.Array) -> Integers:
    """Integers that are ordered as the values of a join key are, and equal where they are; no value is null."""
    if pa.types.is_boolean(key.type) or pa.types.is_integer(key.type) or pa.types.is_timestamp(key.type):
        return np.asarray(key.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
    encoded = key.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[encoded.indices.to_numpy(zero_copy_only=False)], np.int64)


def latest_of_keys(keys: Sequence[Integers], event_us: Integers, created_us: Integers) -> Integers:
    """Of the rows of each key the one of the latest event time, then created time, then the last; sorted by key."""
    alone = _order_of_distinct(keys)
    if alone is not None:
        return alone
    order = np.lexsort(_packed([*keys, event_us, created_us])[::-1])
    last = np.zeros(len(order), np.bool_)
    last[-1:] = True
    for key in keys:
        ordered = key[order]
        last[:-1] |= ordered[1:] != ordered[:-1]
    found: Integers = order[last]
    return found


def _order_of_distinct(keys: Sequence[Integers]) -> Integers | None:
    """The order of keys of which none comes twice; None for others, and where a key and a row's number together need
    more than 63 bits. Numbers are sorted in a fifth of the time that finding their order takes.
    """
    packed = _packed(keys)
    count = len(packed[0]) if packed else 0
    bits = count.bit_length()
    if len(packed) != 1 or not count or packed[0].min() < 0 or int(packed[0].max()) >= 1 << (63 - bits):
        return None
    numbered = np.sort(packed[0] << bits | np.arange(count))
    ordered = numbered >> bits
    if (ordered[1:] == ordered[:-1]).any():
        return None
    return numbered & ((1 << bits) - 1)


def _packed(columns: Sequence[Integers]) -> list[npt.NDArray[np.int64]]:
    """As few columns as can be that order rows as these do: neighbours become one number where that has room."""
    packed: list[npt.NDArray[np.int64]] = []
    room = 0
    for column in columns:
        least, most = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        span = most - least + 1
        if packed and room * span < 1 << 63:
            packed[-1] = packed[-1] * span + (column - least)
            room *= span
        elif span < 1 << 63:
            packed.append(column - least)
            room = span
        else:
            packed.append(column)
            room = 1 << 63
    return packed
