"""The Python client stands on three packages, loads little of hotrow, and frame libraries only where they are used."""

import ast
import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

FOLDER = "clients/python/hotrow_client/"
DEPENDENCIES = {"grpcio", "numpy", "protobuf"}
OPTIONAL = {"pandas", "polars", "pyarrow"}
# What the client is built of, apart from definitions, which `import hotrow` always loads.
CORE = {
    "hotrow.clock", "hotrow.errors", "hotrow.types", "hotrow.v1", "hotrow.rpc.lost", "hotrow.rpc.tls",
    "hotrow.codec.column", "hotrow.codec.column_values", "hotrow.codec.protowire", "hotrow.codec.reply",
}  # fmt: skip


def _loaded() -> set[str]:
    """Every module that a fresh interpreter has after `import hotrow_client`, and had not before."""
    new = "print(json.dumps(sorted(set(sys.modules) - old)))"
    code = f"import sys, json; old = set(sys.modules); import hotrow_client; {new}"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(run.stdout))


def test_what_importing_loads():
    """Of other people's packages the three dependencies; of hotrow no kernel, store, registry or command."""
    loaded = _loaded()
    installed = packages_distributions()  # once: it reads the metadata of every distribution
    foreign = {name for name in loaded if name.partition(".")[0] in installed}
    tops = {".".join(name.split(".")[: 2 if name.startswith("google.") else 1]) for name in foreign}
    tops -= {"google", "hotrow", "hotrow_client"}
    tops -= {"grpc_health", "grpc_reflection", "grpc_tools"}  # `import grpc` tries them, and needs none
    assert tops == {"grpc", "numpy", "google.protobuf", "google._upb", "typing_extensions"}  # the last: grpcio's
    unwanted = ("hotrow.stores", "hotrow.registry", "hotrow.cli", "hotrow.supervisor", "hotrow.codec.kernel",
                "hotrow.codec.compile")  # fmt: skip
    assert [name for name in loaded if name.startswith(unwanted)] == []


def test_its_dependencies(root):
    """Those of the distribution without an extra."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {line.partition(">")[0] for line in project["dependencies"]} == DEPENDENCIES


def test_its_modules_import_nothing_else(root, modules):
    """Anywhere in them: the core's codec and errors, the dependencies, and no frame library by a statement."""
    for module in modules:
        if not module.path.startswith(FOLDER):
            continue
        for name in module.imports():
            top = name.partition(".")[0]
            if top == "hotrow":
                assert any(f"{name}.".startswith(f"{core}.") for core in CORE), (module.path, name)
            else:
                assert top in sys.stdlib_module_names | {"grpc", "numpy", "hotrow_client"}, (module.path, name)


def test_frame_libraries_are_loaded_by_their_adapters_alone(modules):
    """By `load`, inside a function, so that a caller without them can do the rest."""
    found = {}
    for module in modules:
        if module.path.startswith(FOLDER):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "load":
                    found.setdefault(node.args[0].value, set()).add(module.path.removeprefix(FOLDER))
    assert found == {name: {f"frame_{name.removeprefix('py')}.py"} for name in OPTIONAL}
