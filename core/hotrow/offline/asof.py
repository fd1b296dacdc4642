"""The as-of join: for each entity row the latest source row of its key at or before its event time.

The entity rows are held, sorted by key and time, and the source passes by once, in any order. A source row of event
time s belongs to the first entity row of its key whose time is at or after s, its slot, and each slot keeps the best
row that came for it. All rows of a later slot are later than those of an earlier one, so in the end an entity row's
answer is the best of the last slot of its key, up to its own, that has one. Memory goes by the entity rows, never by
the source, and nothing of the source is sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hotrow.codec.kernel_asof import EMPTY, EVENT, ROW, SLOT_WIDTH, keep_best

Integers = npt.NDArray[np.int64]
_SPARSE, _SMALL = 8, 1 << 16  # a table has at most so many places a key, and so many more


@dataclass(frozen=True, slots=True)
class KeyCodes:
    """Numbers from 0 on for the distinct keys of the entity rows, of one column or several.

    `combined` has, for the second column and each later one, the distinct pairs of the number so far and the
    column's, as one integer, sorted.
    """

    dictionaries: tuple[pa.Array, ...]
    tables: tuple["_Table | None", ...]
    combined: tuple[Integers, ...]
    count: int

    def find(self, columns: Sequence[pa.Array], rows: int) -> Integers:
        """The number of each of `rows` keys, which have no nulls; -1 for one that no entity row has."""
        codes = np.zeros(rows, np.int64)
        for place, (column, dictionary) in enumerate(zip(columns, self.dictionaries, strict=True)):
            own = _places(column, dictionary, self.tables[place])
            if place == 0:
                codes = own
                continue
            pairs = self.combined[place - 1]
            pair = np.where((codes < 0) | (own < 0), -1, codes * len(dictionary) + own)
            at = np.minimum(np.searchsorted(pairs, pair), max(len(pairs) - 1, 0))
            codes = np.where(pairs[at] == pair, at, -1) if len(pairs) else np.full(rows, -1)
        return codes


@dataclass(frozen=True, slots=True)
class _Table:
    """Places of integers that lie close together, by their distance from the least; -1 for those that are not there."""

    least: np.uint64
    places: npt.NDArray[np.int32]


def _table(dictionary: pa.Array) -> _Table | None:
    """A table, where one for these integers is not much larger than they are: it is many times faster than hashing,
    whose table Arrow makes again for each block.
    """
    if dictionary.type != pa.int64() or not len(dictionary):
        return None
    values = dictionary.to_numpy()
    least, size = int(values.min()), int(values.max()) - int(values.min()) + 1
    if size > _SPARSE * len(values) + _SMALL:
        return None
    places = np.full(size, -1, np.int32)
    places[values - least] = np.arange(len(values))
    return _Table(np.int64(least).view(np.uint64), places)


def _places(column: pa.Array, dictionary: pa.Array, table: _Table | None) -> Integers:
    """Where each value stands in the dictionary; -1 for one that does not."""
    if table is None:
        found = pc.fill_null(pc.index_in(column, dictionary), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)
    distance = column.to_numpy().view(np.uint64) - table.least  # below the least it wraps, and is beyond the table
    inside = distance < len(table.places)
    return np.where(inside, table.places[np.where(inside, distance, 0)], np.int64(-1))


def encode_keys(columns: Sequence[pa.Array], rows: int) -> tuple[KeyCodes, Integers]:
    """The codes of the keys of `rows` rows without nulls, and each row's."""
    codes, count = np.zeros(rows, np.int64), 1
    dictionaries, combined = [], []
    for place, column in enumerate(columns):
        encoded = column.dictionary_encode()
        own = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        dictionaries.append(encoded.dictionary)
        if place == 0:
            codes, count = own, len(encoded.dictionary)
            continue
        # Both factors are at most the number of rows, so the product fits.
        pairs, codes = np.unique(codes * len(encoded.dictionary) + own, return_inverse=True)
        combined.append(pairs)
        count = len(pairs)
    tables = tuple(_table(dictionary) for dictionary in dictionaries)
    return KeyCodes(tuple(dictionaries), tables, tuple(combined), count), codes


def _sorted_order(codes: Integers, count: int, times_us: Integers) -> Integers:
    """The order by code, then time."""
    if len(codes):
        first_us = int(times_us.min())
        span = int(times_us.max()) - first_us + 1
        if span * count < 1 << 63:  # as one number the sort takes a third of the time
            return np.argsort(codes * span + (times_us - first_us))
    return np.lexsort((times_us, codes))


class EntityIndex:
    """The entity rows of one set of join keys, sorted by key and event time; rows with a null in a key are left out."""

    def __init__(self, keys: Sequence[pa.Array], times_us: Integers) -> None:
        self.rows = len(times_us)
        known = np.ones(self.rows, np.bool_)
        for key in keys:
            if key.null_count:
                known &= key.is_valid().to_numpy(zero_copy_only=False)
        places = np.flatnonzero(known)
        kept = list(keys) if known.all() else [key.filter(pa.array(known)) for key in keys]
        self.codes, code = encode_keys(kept, len(places))
        order = _sorted_order(code, self.codes.count, times_us[places])
        self.order = places[order]
        """Where each sorted row stands among the caller's."""
        self.times_us = times_us[self.order]
        self._group = code[order]
        self.bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(code, minlength=self.codes.count))])
        """Where the sorted rows of each key start; those of the last end at the last of these."""

    def starts_of_rows(self) -> Integers:
        """For each sorted row, where those of its key start."""
        return self.bounds[self._group]


class AsOfJoin:
    """One join of a source with the rows of an index: `offer` what comes; `matches` says which rows it came to.

    Source rows are numbered in the order in which they are offered, from 0 on.
    """

    def __init__(self, index: EntityIndex) -> None:
        self.offered = 0
        self._index = index
        self._table = np.zeros((len(index.order), SLOT_WIDTH), np.int64)
        self._rows = self._table[:, ROW]
        self._rows[:] = EMPTY

    def offer(self, codes: Integers, event_us: Integers, created_us: Integers) -> None:
        """The next rows of the source, by the numbers of their keys (-1: of no entity row) and their times.

        Of two rows of one event time the later created one wins, and of two that are equal in that the later offered.
        """
        index = self._index
        keep_best(codes, event_us, created_us, index.bounds, index.times_us, self._table, self.offered)
        self.offered += len(codes)

    def matches(self, ttl_us: int | None) -> Integers:
        """For each of the caller's entity rows the number of its source row, -1 for none.

        A source row whose age is greater than the ttl is none; None: no row is too old.
        """
        index = self._index
        out = np.full(index.rows, -1, np.int64)
        if not len(self._rows):
            return out
        slots = np.maximum.accumulate(np.where(self._rows != EMPTY, np.arange(len(self._rows)), -1))
        found = slots >= index.starts_of_rows()
        at = np.maximum(slots, 0)
        if ttl_us is not None:
            # As unsigned numbers: an age can be greater than any int64, and is never less than 0.
            found &= index.times_us.view(np.uint64) - self._table[at, EVENT].view(np.uint64) <= np.uint64(ttl_us)
        out[index.order] = np.where(found, self._rows[at], -1)
        return out
