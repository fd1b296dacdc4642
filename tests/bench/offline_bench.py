"""`python -m tests.bench.offline_bench`: training sets and materialization, beside DuckDB, Polars, Feast and LMDB.

Each piece of work runs in a process of its own, in turn with the others, on the same files. Times are wall-clock: this
work has the machine to itself. What the processes load and how they start is not counted.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.bench.measure import interval
from tests.bench.offline_data import DRIVERS, FEATURES, VIEWS, Size, write_data
from tests.bench.peer_process import redis
from tests.bench.record import Record, Section, Table, Value, machine, rounded, write_record
from tests.bench.section import say
from tests.bench.table import screen_text

JOIN, LOAD, LOAD_REDIS = "join", "load", "load-redis"
DUCKDB, POLARS, FEAST_JOIN, FEAST_LOAD, LMDB = "duckdb", "polars", "feast-join", "feast-load", "lmdb"
FEAST_REDIS = "feast-redis"
OWN = (JOIN, LOAD, LOAD_REDIS, LMDB)
ON_REDIS = (LOAD_REDIS, FEAST_REDIS)
_MOST_S = 3600.0

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs pieces of work on a folder."""

    environment: Path
    folder: Path

    def run(self, name: str) -> dict[str, Any]:
        """What one piece took, a Redis of its own beside it where it takes one; raises CalledProcessError, with its own
        words on stderr.
        """
        command = [sys.executable, "-m", "tests.bench.offline_job", name]
        if name not in OWN:
            command = [str(self.environment / "bin/python"), "tests/bench/offline_peer.py", name]
        command.append(str(self.folder))
        with contextlib.ExitStack() as stack:
            if name in ON_REDIS:
                command.append(stack.enter_context(redis(self.folder)).address)
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=_MOST_S)
        made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        say(f"  {name}: {made['seconds']:.2f} s, {made['peak_mib']:.0f} MiB")
        return made

    def in_turn(self, names: Sequence[str], pairs: int) -> dict[str, list[dict[str, Any]]]:
        """Each of them `pairs` times, one after another; a first time of each is not counted."""
        for name in names:
            self.run(name)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(pairs):
            for name in names:
                runs[name].append(self.run(name))
        return runs


def main() -> None:
    options = arguments()
    environment = options.environment.resolve()
    with tempfile.TemporaryDirectory(prefix="hotrow-bench-", dir=options.folder) as name:
        large = Runner(environment, Path(name) / "large")
        small = Runner(environment, Path(name) / "small")
        say("writing the data")
        with ProcessPoolExecutor(1, get_context("spawn")) as writer:  # a child's peak memory begins with its parent's
            for runner, size in (
                (large, Size(options.rows, options.entities, options.load)),
                (small, Size(options.feast_rows, options.feast_rows, options.feast_load)),
            ):
                writer.submit(write_data, runner.folder, size).result()
        say(f"training sets: {options.entities:,} entity rows, {VIEWS} views of {options.rows:,} rows")
        joins = large.in_turn((JOIN, DUCKDB, POLARS), options.pairs)
        check_alike(joins)
        say(f"the same beside Feast: {options.feast_rows:,} entity rows, views of as many")
        feast_joins = small.in_turn((JOIN, FEAST_JOIN), options.feast_pairs)
        say(f"materialization: {options.load:,} rows of as many drivers")
        loads = large.in_turn((LOAD, LMDB), options.pairs)
        say(f"the same beside Feast: {options.feast_load:,} rows")
        feast_loads = small.in_turn((LOAD, FEAST_LOAD), options.feast_pairs)
        say(f"into Redis, beside Feast: {options.feast_load:,} rows")
        redis_loads = small.in_turn(ON_REDIS, options.feast_pairs)
    entities, feast = f"{options.entities:,} x {options.rows:,}", f"{options.feast_rows:,} x {options.feast_rows:,}"
    tables = [
        table(f"Training sets, {VIEWS} views of {FEATURES} features, {DRIVERS:,} drivers", JOIN,
              {entities: joins, feast: feast_joins}),
        table("Materialization, 10 features", LOAD,
              {f"{options.load:,}": loads, f"{options.feast_load:,}": feast_loads}),
        table("Materialization into Redis, 10 features", LOAD_REDIS, {f"{options.feast_load:,}": redis_loads}),
    ]  # fmt: skip
    record = Record(machine(), {"offline": Section(tables)})
    write_record(options.json, record)
    print("", *map(screen_text, tables), f"All is in {options.json}.", sep="\n\n")


def check_alike(runs: Runs) -> None:
    """Everybody has the same answer, but for rows of equal time: a benchmark of different work says nothing."""
    found = {name: (made[0]["found"], float(f"{made[0]['sum']:.5g}")) for name, made in runs.items()}
    if len(set(found.values())) != 1:
        raise SystemExit(f"the answers differ: {found}")


def table(title: str, own: str, sizes: Mapping[str, Runs]) -> Table:
    """A line a contender: seconds, memory, and its time over hotrow's, in pairs of runs."""
    rows: list[tuple[Value, ...]] = []
    for size, runs in sizes.items():
        ours = [made["seconds"] for made in runs[own]]
        for name, made in runs.items():
            against = None
            if name != own:
                against = interval([one["seconds"] / mine for one, mine in zip(made, ours, strict=True)])
            shown = "hotrow" if name == own else name.partition("-")[0]
            rows.append((size, shown, _median(made, "seconds"), _median(made, "peak_mib"), against))
    return Table(title, ("rows", "by", "seconds", "peak MiB", "x hotrow"), rows)


def _median(made: Sequence[Mapping[str, Any]], what: str) -> float:
    ordered: list[float] = sorted(one[what] for one in made)
    return rounded(ordered[len(ordered) // 2])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes: dict[str, tuple[int, str]] = {
        "rows": (10_000_000, "rows of each view"),
        "entities": (1_000_000, "entity rows"),
        "load": (2_000_000, "rows to materialize"),
        "pairs": (5, "runs of each"),
        "feast-rows": (1_000_000, "rows of each view, and entity rows, beside Feast"),
        "feast-load": (400_000, "rows to materialize, beside Feast"),
        "feast-pairs": (3, "runs of each, beside Feast"),
    }
    kind: Callable[[str], int] = int
    for name, (value, text) in sizes.items():
        parser.add_argument(f"--{name}", type=kind, default=value, help=text)
    parser.add_argument("--environment", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--folder", type=Path, default=None, help="on which disk; it takes 3 GB")
    parser.add_argument("--json", type=Path, default=Path("build/bench-offline.json"))
    options = parser.parse_args()
    if not (options.environment / "bin/feast").exists():
        parser.error(f"--environment: no Feast in {options.environment}; `make bench-offline` installs it")
    return options


if __name__ == "__main__":
    main()
