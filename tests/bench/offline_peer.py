"""The peers of `make bench-offline`: run by the Python of an environment that has Feast, DuckDB and Polars.

`duckdb FOLDER`, `polars FOLDER`, `feast-join FOLDER`, `feast-load FOLDER`, `feast-redis FOLDER REDIS`: what one piece
took, as JSON. REDIS is the address of an empty server.
"""

import json
import resource
import shutil
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

VIEWS, FEATURES = 3, 4
FILES = [f"v{view}" for view in range(VIEWS)]


def names(view: str, count: int = FEATURES) -> list[str]:
    return [f"{view}_f{feature}" for feature in range(count)]


def duckdb_join(folder: Path) -> dict[str, Any]:
    """`ASOF LEFT JOIN`, a join a view, to an Arrow table in an order of DuckDB's own."""
    import duckdb  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    entities = pq.read_table(folder / "entities.parquet")
    columns = ", ".join(f"{view}.{name}" for view in FILES for name in names(view))
    joins = " ".join(
        f"ASOF LEFT JOIN read_parquet('{folder / view}.parquet') {view} "
        f"ON e.driver_id = {view}.driver_id AND e.event_timestamp >= {view}.event_timestamp"
        for view in FILES
    )
    with duckdb.connect() as connection:
        connection.register("entities", entities)
        began = time.perf_counter()
        made = connection.sql(f"SELECT e.*, {columns} FROM entities e {joins}").to_arrow_table()
        seconds = time.perf_counter() - began
    found = made.num_rows - made.column("v0_f0").null_count
    return {"seconds": seconds, "found": found, "sum": sum(pc.sum(made.column(f"{view}_f0")).as_py() for view in FILES)}


def polars_join(folder: Path) -> dict[str, Any]:
    """`join_asof`; the sources are sorted by time and Polars is told so, and the caller's order is made again."""
    import polars as pl  # noqa: PLC0415

    entities = pl.read_parquet(folder / "entities.parquet")
    began = time.perf_counter()
    made = entities.with_row_index("row").sort("event_timestamp").lazy()
    for view in FILES:
        source = pl.scan_parquet(folder / f"{view}.parquet").set_sorted("event_timestamp")
        made = made.join_asof(source, on="event_timestamp", by="driver_id", check_sortedness=False)
    done = made.collect().sort("row").drop("row")
    seconds = time.perf_counter() - began
    found = done.height - done["v0_f0"].null_count()
    return {"seconds": seconds, "found": found, "sum": sum(done[f"{view}_f0"].sum() for view in FILES)}


def feast_store(folder: Path, views: dict[str, int], redis: str = "") -> Any:
    """A repository of Feast with its file store, and SQLite, as `feast init` makes it, or Redis."""
    import feast  # noqa: PLC0415

    repo = folder / "feast"
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir()
    online = f"type: redis\n  connection_string: {redis}" if redis else "type: sqlite\n  path: online.db"
    (repo / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: registry.db\nonline_store:\n  {online}\n"
        "offline_store:\n  type: file\nentity_key_serialization_version: 3\n"
    )
    store = feast.FeatureStore(repo_path=str(repo))
    driver = feast.Entity(name="driver", join_keys=["driver_id"], value_type=feast.ValueType.INT64)
    objects: list[Any] = [driver]
    for view, count in views.items():
        source = feast.FileSource(
            name=f"{view}_file", path=str(folder / f"{view}.parquet"), timestamp_field="event_timestamp"
        )
        schema = [feast.Field(name=name, dtype=feast.types.Float64) for name in names(view, count)]
        schema.append(feast.Field(name="driver_id", dtype=feast.types.Int64))
        objects.append(feast.FeatureView(name=view, entities=[driver], ttl=timedelta(0), schema=schema, source=source))
    store.apply(objects)
    return store


def feast_join(folder: Path) -> dict[str, Any]:
    """`get_historical_features` to pandas."""
    import pandas as pd  # noqa: PLC0415

    store = feast_store(folder, dict.fromkeys(FILES, FEATURES))
    entities = pd.read_parquet(folder / "entities.parquet")
    features = [f"{view}:{name}" for view in FILES for name in names(view)]
    began = time.perf_counter()
    made = store.get_historical_features(entity_df=entities, features=features).to_df()
    seconds = time.perf_counter() - began
    found = int(made["v0_f0"].notna().sum())
    return {"seconds": seconds, "found": found, "sum": float(sum(made[f"{view}_f0"].sum() for view in FILES))}


def feast_load(folder: Path, redis: str = "") -> dict[str, Any]:
    """`materialize` into SQLite, or Redis."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    store = feast_store(folder, {"load": 10}, redis)
    began = time.perf_counter()
    store.materialize(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc))  # noqa: UP017
    return {"seconds": time.perf_counter() - began, "rows": pq.read_metadata(folder / "load.parquet").num_rows}


def main() -> None:
    command, folder = sys.argv[1], Path(sys.argv[2])
    work = {"duckdb": duckdb_join, "polars": polars_join, "feast-join": feast_join, "feast-load": feast_load}
    made = work["feast-load" if command == "feast-redis" else command](folder, *sys.argv[3:])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(made | {"peak_mib": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}))


if __name__ == "__main__":
    main()
