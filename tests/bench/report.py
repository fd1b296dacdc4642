"""`python -m tests.bench.report FILE`: puts what was measured into the documentation.

It writes docs/benchmarks.json and docs/benchmarks.svg, and in docs/benchmarks.md and README.md what stands between
`<!-- benchmark NAME -->` and `<!-- end -->`.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from tests.bench.chart import chart_svg
from tests.bench.goal import goals_table
from tests.bench.record import Record, Table, read_record, write_record
from tests.bench.section import COMPARED_CALLERS
from tests.bench.table import markdown_text
from tests.bench.workload import WORKLOADS, requests_table

ROOT = Path(__file__).parents[2]
FIGURES, CHART = Path("docs/benchmarks.json"), Path("docs/benchmarks.svg")
PAGES = (Path("docs/benchmarks.md"), Path("README.md"))
COST = ("workload", "callers", "CPU us", "x echo", "requests/s", "p50 us", "p99 us", "p99.9 us", "memory MiB")
YARDSTICKS = (
    "workload",
    "callers",
    "echo us",
    "lane us",
    "lane x echo",
    "objects us",
    "x objects",
    "cores",
    "load cores",
)
SHORT = ("workload", "CPU us", "x echo", "requests/s", "p50 us", "p99 us")
_PART = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class ReportError(Exception):
    """What keeps the pages from being written; its text says what to do."""


def documents(record: Record, page_text: Callable[[Path], str]) -> dict[Path, str]:
    """The chart and the pages, by path below the checkout. Raises ReportError for a part whose section is missing."""
    requests = requests_table(record.sections)
    pages = {path: page_filled(page_text(path), record) for path in PAGES}
    return {CHART: chart_svg(requests), **pages}


def page_filled(text: str, record: Record) -> str:
    """A page with its parts written anew; raises ReportError."""
    return _PART.sub(lambda match: f"{match[1]}\n{_part(match[2], record)}\n\n{match[3]}", text)


def _part(name: str, record: Record) -> str:
    if name == "machine":
        return _machine(record)
    if name == "targets":
        return markdown_text(goals_table(record.figures))
    if name in ("requests", "yardsticks", "short"):
        return _requests(name, record)
    section = record.sections.get(name)
    if section is None:
        raise ReportError(f"section {name!r} was not measured: make bench SECTIONS={name}")
    return "\n\n".join([*(markdown_text(table) for table in section.tables), *section.notes])


def _requests(name: str, record: Record) -> str:
    missing = [workload for workload in WORKLOADS if workload not in record.sections]
    if missing:
        raise ReportError(f"workloads {', '.join(missing)} were not measured: make bench SECTIONS={','.join(missing)}")
    requests = requests_table(record.sections)
    if name == "short":
        rows = [row for row in requests.rows if row[1] == COMPARED_CALLERS]
        return markdown_text(Table("", requests.columns, rows), SHORT)
    if name == "requests":
        return markdown_text(requests, COST)
    notes = [f"- {note}" for workload in WORKLOADS for note in record.sections[workload].notes]
    return "\n".join([markdown_text(requests, YARDSTICKS), "", *notes]).rstrip()


def _machine(record: Record) -> str:
    facts = dict(record.machine)
    cores, cpu = facts.pop("cores"), facts.pop("cpu")
    return f"Measured on {cores} cores, {cpu}; {', '.join(f'{name} {version}' for name, version in facts.items())}."


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.report", description="Put figures into the documentation."
    )
    parser.add_argument(
        "file", type=Path, nargs="?", default=ROOT / "build/bench.json", help="what the benchmark wrote"
    )
    path = parser.parse_args().file
    record = read_record(path)
    if record is None:
        parser.error(f"{path}: no such file; run `make bench`, and `make bench SECTIONS=rows,memory`")
    try:
        written = documents(record, lambda page: (ROOT / page).read_text(encoding="utf-8"))
    except ReportError as error:
        parser.error(str(error))
    for page, text in written.items():
        (ROOT / page).write_text(text, encoding="utf-8")
    write_record(ROOT / FIGURES, record)
    print("wrote", *map(str, [*written, FIGURES]))


if __name__ == "__main__":
    main()
