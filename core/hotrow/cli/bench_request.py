"""The ready-made requests of `hotrow bench`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hotrow.cli.bench_keys import SEED, Entities
from hotrow.cli.read import Asked, asked_features, encode_request
from hotrow.cli.read_table import read_reply
from hotrow.cli.value import typed_values
from hotrow.codec.column import encode_column
from hotrow.errors import Code, HotrowError, invalid
from hotrow.offline.wire import encode_rows

if TYPE_CHECKING:
    from hotrow.cli.push import Target
    from hotrow.registry.snapshot import Snapshot
    from hotrow.v1.push_pb2 import PushFeaturesRequest

_MOST_REQUESTS = 1000
_FEWEST_REQUESTS = 20
_MOST_VALUES = 1_000_000  # of all requests together, so that they are made in a few seconds and fit into memory
_MOST_ROWS_BACK = 2000
_ROWS_A_READ = 200


def read_requests(asked: Asked, entities: Entities, per_request: int, snapshot: str) -> list[bytes]:
    """Reads of entities chosen at random; no entity twice in one while there are enough."""
    return [
        encode_request(replace(asked, entities=entities.picked(rows)), snapshot)
        for rows in _picks(entities.rows, per_request, len(asked.types))
    ]


def _picks(rows: int, per_request: int, width: int) -> list[Sequence[int]]:
    chosen = random.Random(SEED)
    count = max(_FEWEST_REQUESTS, min(_MOST_REQUESTS, _MOST_VALUES // (per_request * max(1, width))))
    if per_request > rows:
        return [chosen.choices(range(rows), k=per_request) for _ in range(count)]
    return [chosen.sample(range(rows), per_request) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class PushRows:
    """Rows as they are stored now: the join keys' and the fields' values, by column, all of length `count`."""

    columns: dict[str, list[Any]]
    count: int


def rows_read_back(
    call: Callable[[bytes], bytes], snapshot: Snapshot, target: Target, entities: Entities, wanted: int
) -> PushRows:
    """What the server has for these entities, `_MOST_ROWS_BACK` or `wanted` of them; raises NOT_FOUND for none.

    `call` sends a read of `snapshot`. A value that is withheld, its row being older than the ttl, comes as a null.
    """
    asked = asked_features([target.view.name], snapshot)
    columns: dict[str, list[Any]] = {name: [] for name in target.types()}
    most = min(entities.rows, max(wanted, _MOST_ROWS_BACK))
    for start in range(0, most, _ROWS_A_READ):
        part = replace(asked, entities=entities.picked(range(start, min(most, start + _ROWS_A_READ))))
        table = read_reply(part, call(encode_request(part, snapshot.id)))
        found = [row for row in range(part.rows) if any(statuses[row] != "NOT_FOUND" for statuses in table.statuses)]
        for name, keys in part.entities.items():
            columns[name] += [keys[row] for row in found]
        for column, values in zip(table.columns, table.values, strict=True):
            columns[column.name] += [values[row] for row in found]
    count = len(next(iter(columns.values())))
    if not count:
        raise HotrowError(
            Code.NOT_FOUND,
            f"view {target.view.name} has no row for any of {most:,} entities ({entities.origin}), and a push bench "
            "pushes rows that it has read back: name entities that have one",
        )
    return PushRows(columns, count)


def push_requests(head: PushFeaturesRequest, target: Target, rows: PushRows, per_request: int) -> list[bytes]:
    """Pushes of rows chosen at random, none twice in one; raises INVALID where there are too few.

    They have no request_id: the store remembers a million of those, and a bench would push out those of producers.
    """
    if per_request > rows.count:
        raise invalid(f"--entities: {per_request} rows of a push are asked for, and there are {rows.count} to push")
    types, units = target.types(), {field.name: field.unit for field in target.view.fields}
    prefix = bytes(head.SerializeToString())
    requests = []
    for pick in _picks(rows.count, per_request, len(types)):
        columns = [
            encode_column(
                name,
                typed_values([values[row] for row in pick], types[name]),
                type=types[name],
                unit=units.get(name, ""),
            )
            for name, values in rows.columns.items()
        ]
        requests.append(prefix + encode_rows(columns))
    return requests
