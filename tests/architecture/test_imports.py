"""Definitions and clients start fast: what is heavy is loaded where it runs."""

import subprocess
import sys

import pytest

HEAVY = {"numba", "lmdb", "pyarrow", "polars", "pandas", "pint"}


def _loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("package", ["hotrow", "hotrow_client"])
def test_importing_loads_nothing_heavy(package):
    """A definitions file or a caller pays for neither a compiler nor a store."""
    loaded = _loaded(f"import {package}")
    assert package in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("worker", ["hotrow_server.app", "hotrow_ingest.app"])
def test_workers_know_units_as_texts(worker):
    """They compare them; what a unit is was checked when it was applied."""
    assert "pint" not in _loaded(f"import {worker}")


def test_the_look_is_not_blind():
    """A heavy module that is loaded is seen."""
    assert "lmdb" in _loaded("import lmdb")
