"""Looks through all rows of a store in Redis, by SCAN."""

import collections
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from hotrow.stores.port import StoredRow
from hotrow.stores.redis.script import Names

_KEYS_AT_ONCE = 500
_REMEMBERED = 1 << 16
_SPECIAL = re.compile(rb"([\[\]*?^\\-])")


class Asks(Protocol):
    """A server that takes commands, or a node of a cluster."""

    def ask(self, *command: bytes | str | int) -> Any: ...

    def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Any]: ...


def scan_rows(client: Asks, names: Names, view_id: bytes | None) -> Iterator[StoredRow]:
    """Every row, or every row of a view."""
    start = len(names.rows)
    for keys in scan_keys(client, names):
        yield from rows_of(client, keys, view_id, lambda key: key[start:])


def rows_of(
    client: Asks, keys: Sequence[bytes], view_id: bytes | None, entity_key: Callable[[bytes], bytes]
) -> Iterator[StoredRow]:
    """The rows in the hashes of some keys, of which `entity_key` tells the entity's."""
    hashes = client.ask_all([("HGETALL", key) for key in keys])
    for key, rows in zip(keys, hashes, strict=True):
        for view, row in rows.items():
            if view_id is None or view == view_id:
                yield StoredRow(view, entity_key(key), row)


def scan_keys(client: Asks, names: Names) -> Iterator[list[bytes]]:
    """The keys of all rows, some at a time, each once."""
    return scan_pattern(client, escaped(names.rows) + b"*")


def escaped(text: bytes) -> bytes:
    """As a part of a pattern that matches just that."""
    return _SPECIAL.sub(rb"\\\1", text)


def scan_pattern(client: Asks, pattern: bytes) -> Iterator[list[bytes]]:
    """The keys of a pattern, some at a time, each once.

    SCAN may give a key again after the server has made its table smaller: those of the buckets that have become one,
    which it visits one after another. So it is among the last that were given, and to remember these is enough.
    """
    given: collections.OrderedDict[bytes, None] = collections.OrderedDict()
    cursor: int | bytes = 0
    while True:
        cursor, found = client.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE)
        keys = [key for key in dict.fromkeys(found) if key not in given]
        for key in keys:
            given[key] = None
        while len(given) > _REMEMBERED:
            given.popitem(last=False)
        if keys:
            yield keys
        if not int(cursor):
            return
