"""hotrow's side of `make bench-offline`: one piece of work in a process of its own, and what it took, as JSON.

`python -m tests.bench.offline_job join|load|load-redis|lmdb FOLDER [REDIS]`, on a folder of `offline_data`; REDIS is
the address of an empty server.
"""

import json
import resource
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lmdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hotrow import Entity, FeatureStore, FeatureView, Field, Float64, Int64, ParquetSource
from hotrow.clock import process_cpu_ns
from hotrow.settings import load_settings
from hotrow.stores.lmdb.store import LmdbStore
from hotrow.supervisor.child import Fleet
from hotrow.supervisor.run import background

from tests.bench.offline_data import FEATURES, VIEWS, write_settings

_CHUNK = 20_000


def applied(folder: Path) -> FeatureStore:
    """The views of the join and the one to materialize."""
    driver = Entity("driver", join_keys={"driver_id": Int64})
    fields = {f"v{view}": FEATURES for view in range(VIEWS)} | {"load": 10}
    views = [
        FeatureView(
            name,
            entities=[driver],
            schema=[Field(f"{name}_f{feature}", Float64) for feature in range(count)],
            source=ParquetSource(f"{name}.parquet", event_time="event_timestamp"),
        )
        for name, count in fields.items()
    ]
    return FeatureStore(folder).apply(views)


def join(folder: Path) -> dict[str, Any]:
    """A training set of all features of the three views."""
    store = applied(folder)
    entities = pq.read_table(folder / "entities.parquet")
    features = [f"v{view}:v{view}_f{feature}" for view in range(VIEWS) for feature in range(FEATURES)]
    store.get_historical_features(entities.slice(0, 0), features)  # loads what the work needs, as the peers have
    began = time.perf_counter()
    made = store.get_historical_features(entities, features)
    return {"seconds": time.perf_counter() - began} | checked(made)


def checked(made: pa.Table) -> dict[str, Any]:
    """What tells two answers apart."""
    found = made.num_rows - made.column("v0_f0").null_count
    return {"found": found, "sum": sum(pc.sum(made.column(f"v{view}_f0")).as_py() for view in range(VIEWS))}


def load(folder: Path, redis: str = "") -> dict[str, Any]:
    """Materialization of the file into an empty store, with an ingest worker that runs."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    write_settings(folder, redis)
    store = applied(folder)
    with background(load_settings(folder), Fleet("ingest", servers=0, ingest=True)) as state:
        worker = state.workers[0].pid
        store.materialize(0, 1, views=["load"])  # no row: it loads what the work needs, as the peers have
        before, began = process_cpu_ns(worker), time.perf_counter()
        (report,) = store.materialize(0, "now", views=["load"])
        seconds, cpu = time.perf_counter() - began, process_cpu_ns(worker) - before
    assert report.written == report.read
    return {"seconds": seconds, "worker_cpu": cpu / 1e9, "rows": report.written}


def lmdb_alone(folder: Path) -> dict[str, Any]:
    """The rows that `load` has written, ready-made and sorted, into an empty LMDB, a transaction a chunk, synced."""
    store = LmdbStore(folder / "data" / "online")
    rows = [(stored.key + stored.view_id, stored.row) for stored in store.scan()]
    store.close()
    path = folder / "alone"
    shutil.rmtree(path, ignore_errors=True)
    with lmdb.open(str(path), map_size=64 << 30, writemap=False) as env:
        began = time.perf_counter()
        for start in range(0, len(rows), _CHUNK):
            with env.begin(write=True) as txn:
                txn.cursor().putmulti(rows[start : start + _CHUNK])
        seconds = time.perf_counter() - began
    shutil.rmtree(path)
    return {"seconds": seconds, "rows": len(rows)}


def main() -> None:
    warnings.simplefilter("error")
    command, folder = sys.argv[1], Path(sys.argv[2])
    work = {"join": join, "load": load, "load-redis": load, "lmdb": lmdb_alone}[command]
    made = work(folder, *sys.argv[3:])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(made | {"peak_mib": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}))


if __name__ == "__main__":
    main()
