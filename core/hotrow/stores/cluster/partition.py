"""How a store lies on a Redis Cluster: its rows in partitions, each in one slot, and what the store has once in a root.

The slot of a key goes by what stands between braces in it, its tag. There are `PARTITIONS` tags, whose slots are spread
over all, so that nodes get about as many whatever ranges of slots they have. An entity belongs to a partition by its
key. The number of partitions and their tags are part of the format, and never change.

Behind the store's prefix, what `hotrow.stores.redis.script` lists:

    {root}      meta, watermarks, schemas, marks, mark_order, outbox; `meta` has the number of partitions, too
    {<tag>}     meta, marks, mark_order, and the rows

The `meta` of a partition has id and epoch of the store, so that a script of one that was rebuilt is refused there too.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hotrow.codec.wire import Table
from hotrow.redis.topology import SLOTS, slot_of
from hotrow.stores.redis.script import Names

PARTITIONS = 128
_ROOT = b"root"


def partition_of(key: bytes) -> int:
    """The partition of an entity key."""
    return binascii.crc_hqx(key, 0) % PARTITIONS


def by_partition(keys: Sequence[bytes]) -> dict[int, list[int]]:
    """Where in `keys` those of each partition are."""
    found: dict[int, list[int]] = {}
    crc = binascii.crc_hqx
    for place, key in enumerate(keys):
        found.setdefault(crc(key, 0) % PARTITIONS, []).append(place)
    return found


def _tags() -> tuple[bytes, ...]:
    """Of each partition, the smallest number whose slot lies in the partition's share of all slots."""
    tags: dict[int, bytes] = {}
    number = 0
    while len(tags) < PARTITIONS:
        tag = b"%d" % number
        tags.setdefault(slot_of(tag) * PARTITIONS // SLOTS, tag)
        number += 1
    return tuple(tags[partition] for partition in range(PARTITIONS))


_TAGS = _tags()


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of one store.

    `prefixes[starts[p] : starts[p + 1]]` stands before an entity key of partition `p`; `slots` are those of the
    partitions, and behind them that of the root. `longest` is the size of the longest prefix.
    """

    root: Names
    partitions: tuple[Names, ...]
    slots: tuple[int, ...]
    prefixes: bytes
    starts: Table
    longest: int

    def row_key(self, key: bytes) -> bytes:
        """The key of the hash with an entity's rows."""
        return self.partitions[partition_of(key)].rows + key

    @property
    def metas(self) -> list[bytes]:
        """The `meta` of each partition, and behind them that of the root, as in `slots`."""
        return [names.meta for names in (*self.partitions, self.root)]


def layout_of(prefix: bytes) -> Layout:
    """The keys behind a prefix."""
    root = Names(prefix + b"{" + _ROOT + b"}")
    partitions = tuple(Names(prefix + b"{" + tag + b"}") for tag in _TAGS)
    before = [names.rows for names in partitions]
    starts = np.zeros(PARTITIONS + 1, np.int64)
    np.cumsum([len(one) for one in before], out=starts[1:])
    slots = tuple(map(slot_of, (*_TAGS, _ROOT)))
    return Layout(root, partitions, slots, b"".join(before), starts, max(map(len, before)))


def entity_key(key: bytes) -> bytes:
    """The entity key in the key of a hash with rows, whose prefix has no braces."""
    return key[key.index(b"}r:") + 3 :]
