"""The data of `make bench-offline`: views of drivers by the hour, entity rows, and a file to materialize."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

VIEWS, FEATURES = 3, 4
DRIVERS = 100_000
FIRST_S, DAYS = 1_700_000_000, 90
_TIME = pa.timestamp("us", tz="UTC")
_GROUP_ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of each view, entity rows, and rows of the file to materialize, in which each driver has one row."""

    rows: int
    entities: int
    load: int


def write_data(folder: Path, size: Size) -> None:
    """Parquet files sorted by time, as producers write them; entity rows in no order; both repositories."""
    folder.mkdir(parents=True)
    for view in range(VIEWS):
        names = [f"v{view}_f{feature}" for feature in range(FEATURES)]
        _write(folder / f"v{view}.parquet", size.rows, _drivers(size.rows, view), names, seed=view)
    random = np.random.default_rng(99)
    entities = {"driver_id": _drivers(size.entities, 98), "event_timestamp": _times(random, size.entities)}
    pq.write_table(pa.table(entities), folder / "entities.parquet")
    names = [f"load_f{feature}" for feature in range(10)]
    _write(folder / "load.parquet", size.load, np.random.default_rng(7).permutation(size.load), names, seed=8)
    (folder / "size.json").write_text(json.dumps(asdict(size)))
    write_settings(folder)


def write_settings(folder: Path, redis: str = "") -> None:
    """`hotrow.toml`, with the online store in LMDB, or on the Redis of an address."""
    store = f'[online_store]\ntype = "redis"\nurl = "redis://{redis}/0"\n' if redis else ""
    (folder / "hotrow.toml").write_text(
        f'project = "bench"\n[server]\naddress = "127.0.0.1:7571"\n[ingest]\naddress = "127.0.0.1:7572"\n{store}'
    )


def _drivers(rows: int, seed: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.random.default_rng(seed).integers(0, DRIVERS, rows)


def _times(random: np.random.Generator, rows: int) -> pa.Array:
    seconds = FIRST_S + random.integers(0, DAYS * 86_400, rows)
    return pa.array(seconds * 1_000_000, pa.int64()).cast(_TIME)


def _write(path: Path, rows: int, drivers: "np.ndarray[tuple[int], np.dtype[np.int64]]", names: list[str], seed: int
           ) -> None:  # fmt: skip
    random = np.random.default_rng(seed)
    at = pa.array(np.sort(_times(random, rows).cast(pa.int64()).to_numpy()), pa.int64()).cast(_TIME)
    columns = {"driver_id": pa.array(drivers), "event_timestamp": at}
    columns |= {name: pa.array(random.random(rows)) for name in names}
    pq.write_table(pa.table(columns), path, row_group_size=_GROUP_ROWS)
