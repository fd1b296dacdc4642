"""Which entities `hotrow bench` asks for: those that are named, those of a file, or some of those in the store."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from hotrow.cli.value import value_from_json
from hotrow.codec.key import decode_key
from hotrow.codec.row import is_tombstone
from hotrow.errors import Code, HotrowError, invalid
from hotrow.types import ValueType

if TYPE_CHECKING:
    from pathlib import Path

    from hotrow.registry.snapshot import Snapshot
    from hotrow.schema.view import FeatureView
    from hotrow.stores.port import OnlineStore

MOST_KEYS = 10_000
_LOOKED_AT = 1_000_000  # rows of the store, or of a file
SEED = 7


@dataclass(frozen=True, slots=True)
class Entities:
    """`columns` has the values of each join key, all of length `rows`; `origin` says where they are from."""

    columns: Mapping[str, Sequence[Any]]
    rows: int
    origin: str

    def picked(self, rows: Sequence[int]) -> dict[str, list[Any]]:
        """Some of them."""
        return {name: [values[row] for row in rows] for name, values in self.columns.items()}


def entities_from_store(store: OnlineStore, snapshot: Snapshot, views: Sequence[FeatureView]) -> Entities:
    """A sample of the entities that have a row in these views, at most MOST_KEYS.

    A view that has all join keys tells whole entities; where none does, those of several are combined. Raises
    NOT_FOUND where a view has no row.
    """
    columns: dict[str, list[Any]] = {}
    used: list[str] = []
    samples = _samples(store, {snapshot.view_id(view.name) for view in views})
    for view in sorted(views, key=lambda one: -len(one.join_keys)):
        wanted = [key.name for key in view.join_keys if key.name not in columns]
        if not wanted:
            continue
        sample = [decode_key(key, view.join_keys) for key in samples[snapshot.view_id(view.name)]]
        if not sample:
            raise HotrowError(
                Code.NOT_FOUND,
                f"view {view.name} has no row in the store among the {_LOOKED_AT:,} looked at: materialize or push "
                f"some, or name entities with {wanted[0]}=... or --keys FILE",
            )
        used.append(view.name)
        for name in wanted:
            columns[name] = [values[name] for values in sample]
    rows = max(map(len, columns.values()), default=1)
    repeated = {name: [values[row % len(values)] for row in range(rows)] for name, values in columns.items()}
    return Entities(repeated, rows, f"of {' and '.join(used)} in the store" if used else "the views have no join key")


def _samples(store: OnlineStore, view_ids: set[bytes]) -> dict[bytes, list[bytes]]:
    """Entity keys of each view, each as likely as the others (Vitter's algorithm R)."""
    chosen = random.Random(SEED)
    samples: dict[bytes, list[bytes]] = {view_id: [] for view_id in view_ids}
    seen = dict.fromkeys(view_ids, 0)
    for stored in islice(store.scan(), _LOOKED_AT):
        sample = samples.get(stored.view_id)
        if sample is None or is_tombstone(stored.row):
            continue
        seen[stored.view_id] += 1
        if len(sample) < MOST_KEYS:
            sample.append(stored.key)
        elif (place := chosen.randrange(seen[stored.view_id])) < MOST_KEYS:
            sample[place] = stored.key
    return samples


def entities_from_file(path: Path, types: Mapping[str, ValueType]) -> Entities:
    """Distinct entities of a Parquet file or of JSON lines, at most MOST_KEYS of them; raises HotrowError."""
    if not types:
        raise invalid("--keys: the views have no join key, and so one row; leave it out")
    rows = _parquet_rows(path, types) if path.suffix == ".parquet" else _json_rows(path, types)
    distinct = list(dict.fromkeys(islice(rows, _LOOKED_AT)))
    if not distinct:
        raise invalid(f"--keys: {path} has no entity")
    kept = random.Random(SEED).sample(distinct, MOST_KEYS) if len(distinct) > MOST_KEYS else distinct
    columns = dict(zip(types, map(list, zip(*kept, strict=True)), strict=True))
    return Entities(columns, len(kept), f"of {path}")


def _json_rows(path: Path, types: Mapping[str, ValueType]) -> Iterable[tuple[Any, ...]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"--keys: {path}, line {number}"
            try:
                item = json.loads(line)
            except ValueError as error:
                raise invalid(f"{where}: no valid JSON: {error}") from None
            if not isinstance(item, dict) or not all(isinstance(item.get(name), bool | int | str) for name in types):
                raise invalid(f"{where}: write an object with a value for {', '.join(types)}")
            yield tuple(value_from_json(name, item[name], declared) for name, declared in types.items())


def _parquet_rows(path: Path, types: Mapping[str, ValueType]) -> Iterable[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from hotrow.offline.conversion import convert, mismatch  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            for name, declared in types.items():
                if name not in file.schema_arrow.names:
                    raise invalid(f"--keys: {path} has no column {name!r}")
                objection = mismatch(file.schema_arrow.field(name).type, declared)
                if objection:
                    raise invalid(f"--keys: {path}: column {name!r} is no {declared.name}: {objection}")
            for batch in file.iter_batches(columns=list(types)):
                columns = [convert(batch.column(name), declared) for name, declared in types.items()]
                for row, values in enumerate(zip(*(one.values.to_pylist() for one in columns), strict=True)):
                    if not any(one.nulls[row] or (one.refused is not None and one.refused[row]) for one in columns):
                        yield values
    except pa.ArrowException as error:
        raise invalid(f"--keys: {path} is no readable Parquet: {error}") from None
