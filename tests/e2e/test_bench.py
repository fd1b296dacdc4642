"""The benchmark runs, on runs too short to mean anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.goal import GOALS, goals_table
from tests.bench.record import read_record

ROOT = Path(__file__).parents[2]
SHORT = ("--pairs", "1", "--seconds", "0.05", "--rows", "20000", "--requests", "2000", "--callers", "1,16,64")
SECTIONS = "R1,W1000,fsync,beside,start,rows,memory"


@pytest.mark.timeout(300)
def test_the_benchmark_measures_what_it_says(tmp_path):
    """Every section ends with figures above nothing, in its table and in its file."""
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", *SHORT, "--sections", SECTIONS, "--json", str(file)]
    run = subprocess.run(
        [*command, "--folder", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    record = read_record(file)
    assert record is not None
    assert ",".join(record.sections) == SECTIONS
    rows = [row for section in record.sections.values() for table in section.tables for row in table.rows]
    assert min(value for row in rows for value in row if isinstance(value, int | float)) > 0
    told = {row[0] for row in goals_table(record.figures).rows}
    expected = {
        goal.figure for goal in GOALS if goal.figure.startswith(("R1 x echo, 16", "W1000", "W1 fsync", "first"))
    }
    assert expected <= told
    assert all(figure in run.stdout for figure in told)
    assert list(tmp_path.iterdir()) == [file]
