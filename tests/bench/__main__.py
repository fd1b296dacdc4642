"""`python -m tests.bench`: tables on the screen, and everything in JSON beside them."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.capacity import measure_rows
from tests.bench.client import measure_client
from tests.bench.durable import measure_beside, measure_fsync
from tests.bench.encoders import measure_encoders
from tests.bench.goal import goals_table
from tests.bench.growth import measure_memory
from tests.bench.kernel import measure_kernels
from tests.bench.load import LoadGenerator
from tests.bench.measure import PAIRS
from tests.bench.record import Record, Section, machine, merged, read_record, write_record
from tests.bench.redis_cluster_cost import measure_cluster
from tests.bench.redis_cost import measure_redis
from tests.bench.section import CALLERS, Bench, say
from tests.bench.startup import measure_start
from tests.bench.table import screen_text
from tests.bench.transforms import measure_transforms
from tests.bench.workload import WORKLOADS, measure_fallback, requests_table

SECTIONS: dict[str, Callable[[Bench], Section]] = {
    **WORKLOADS,
    "fallback": measure_fallback,
    "redis": measure_redis,
    "cluster": measure_cluster,
    "fsync": measure_fsync,
    "beside": measure_beside,
    "start": measure_start,
    "kernels": measure_kernels,
    "transforms": measure_transforms,
    "encoders": measure_encoders,
    "client": measure_client,
    "rows": measure_rows,
    "memory": measure_memory,
}
LONG = ("redis", "cluster", "encoders", "rows", "memory")
"""Sections that must be asked for, for they take minutes: `redis`, `cluster` need redis-server, `rows` 7 GB of disk."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="hotrow-bench-", dir=options.folder) as folder, LoadGenerator() as load:
        bench = Bench(
            load=load,
            folder=Path(folder),
            callers=options.callers,
            pairs=options.pairs,
            seconds=options.seconds,
            drivers=options.rows,
            requests=options.requests,
        )
        measured: dict[str, Section] = {}
        for name in options.sections:
            say(f"{name}, section {len(measured) + 1} of {len(options.sections)}")
            measured[name] = SECTIONS[name](bench)
            record = merged(read_record(options.json), Record(machine(), measured))
            write_record(options.json, record)
    _print(measured)
    print(screen_text(goals_table(record.figures)))
    print(
        f"\nAll is in {options.json}; `python -m tests.bench.report {options.json}` puts it into docs/ and README.md."
    )


def _print(measured: dict[str, Section]) -> None:
    tables = [requests_table(measured)] if measured.keys() & WORKLOADS.keys() else []
    tables += [table for name, section in measured.items() if name not in WORKLOADS for table in section.tables]
    for table in tables:
        print(screen_text(table), end="\n\n")
    for note in [note for section in measured.values() for note in section.notes]:
        print(note, end="\n\n")


def _options() -> argparse.Namespace:
    sections = [name for name in SECTIONS if name not in LONG]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What a request costs; asserts nothing.")
    parser.add_argument(
        "--sections",
        type=_sections,
        default=tuple(sections),
        help=f"which, by commas: {', '.join(SECTIONS)}; all but {', '.join(LONG)} unless said",
    )
    parser.add_argument("--callers", type=_counts, default=CALLERS, help="calls in flight, by commas")
    parser.add_argument("--pairs", type=_count, default=PAIRS, help="runs of each contender, in turn with the others")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a run")
    parser.add_argument("--rows", type=_count, default=10_000_000, help="drivers in the large store of section rows")
    parser.add_argument("--requests", type=_count, default=1_000_000, help="of section memory")
    parser.add_argument("--folder", type=_folder, help="for stores, on the disk to measure; else /tmp")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="sections not measured stay in it")
    return parser.parse_args()


def _sections(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    for name in chosen:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(SECTIONS)}")
    return chosen


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(number) for number in text.split(","))


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder; make it on the disk to measure")
    return Path(text)


if __name__ == "__main__":
    main()
