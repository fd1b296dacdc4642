"""What the benchmark has found, as it stands in its JSON file."""

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import msgspec

from tests.bench.measure import Ratio

Value: TypeAlias = str | int | float | Ratio | None
Figures: TypeAlias = dict[str, float | Ratio]
_PACKAGES = ("grpcio", "lmdb", "numba", "numpy", "protobuf")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values under the names of their columns, which hold the unit."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]

    def column(self, name: str) -> list[Value]:
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the benchmark: its tables, the figures that targets are held against, and what must be said."""

    tables: list[Table]
    figures: Figures = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    taken: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


@dataclass(frozen=True, slots=True)
class Record:
    """All that was measured on one machine."""

    machine: dict[str, str]
    sections: dict[str, Section]

    @property
    def figures(self) -> Figures:
        return {name: value for section in self.sections.values() for name, value in section.figures.items()}


def machine() -> dict[str, str]:
    """The machine by cores and model, and the versions of what does the work."""
    facts = {"cores": str(len(os.sched_getaffinity(0))), "cpu": _cpu_model(), "python": platform.python_version()}
    return facts | {package: version(package) for package in _PACKAGES}


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def read_record(path: Path) -> Record | None:
    """The record in a file; None where there is no file. Raises msgspec.ValidationError for another form of it."""
    return msgspec.json.decode(path.read_bytes(), type=Record) if path.exists() else None


def write_record(path: Path, record: Record) -> None:
    """Write it where the next run finds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def merged(before: Record | None, after: Record) -> Record:
    """The sections of both, the later ones in place of the earlier, if both are of one machine."""
    if before is None or before.machine != after.machine:
        return after
    return Record(after.machine, before.sections | after.sections)


def rounded(value: float) -> float:
    """Four significant digits: more than the noise leaves."""
    return float(f"{value:.4g}")
