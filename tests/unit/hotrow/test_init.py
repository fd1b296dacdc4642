"""What `import hotrow` gives, and what it must not cost."""

import json
import subprocess
import sys

import hotrow

HEAVY = {"numba", "lmdb", "pyarrow", "numpy", "grpc", "google.protobuf", "msgspec", "structlog", "typer"}


def _modules_after(statement: str) -> set[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return set(json.loads(done.stdout))


def test_import_loads_nothing_heavy():
    """The definitions' package is what notebooks and feature repositories import: it loads the standard library."""
    loaded = _modules_after("import hotrow")
    assert loaded & HEAVY == set()
    assert "hotrow.schema.view" in loaded


def test_schema_and_registry_load_nothing_heavy():
    """Schema and registry, loading and folder included, need no NumPy either."""
    loaded = _modules_after("import hotrow.schema.repository, hotrow.registry.open, hotrow.registry.served")
    assert loaded & HEAVY == set()


def test_import_loads_few_modules():
    """A bound on what is loaded on top of a bare interpreter, in place of one on time, which a busy machine breaks."""
    assert len(_modules_after("import hotrow") - _modules_after("pass")) < 120


def test_all_names_are_there():
    """Every name in `__all__` exists, and those of the definitions' interface are in it."""
    assert all(hasattr(hotrow, name) for name in hotrow.__all__)
    assert {"Entity", "FeatureService", "FeatureView", "Field", "ParquetSource", "PushSource"} <= set(hotrow.__all__)
    assert {"Int32", "Int64", "Float32", "Float64", "Bool", "String", "Bytes", "UnixTimestamp", "Array"} <= set(
        hotrow.__all__
    )
