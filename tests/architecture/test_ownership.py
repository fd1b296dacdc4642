"""Some things have one owner: whatever needs them goes through it."""

import ast
from fnmatch import fnmatch

import pytest

# What may be imported where. A path is a pattern; a name stands for all that is below it too.
OWNERS = {
    "numba": (
        "core/hotrow/codec/kernel*.py",
        "core/hotrow/codec/compile.py",
        "core/hotrow/transforms/kernel*.py",
        "core/hotrow/transforms/compile.py",
    ),
    "lmdb": ("core/hotrow/stores/lmdb/*.py",),
    "redis": ("core/hotrow/redis/*.py",),
    "grpc._cython": ("core/hotrow/rpc/lane.py",),
    "pint": ("core/hotrow/schema/known_unit.py",),
    "time": ("core/hotrow/clock.py",),
}
ENVIRONMENT = ("core/hotrow/settings.py",)
CLOCK = ("core/hotrow/clock.py",)
OS_NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
NOW_NAMES = {"now", "utcnow", "today"}


def _owned(module, patterns) -> bool:
    return any(fnmatch(module.path, pattern) for pattern in patterns)


def _names(module) -> set[str]:
    """What the file imports: by statement, or by `import_module("...")` and `__import__("...")`."""
    names = set(module.imports())
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "import_module",
            "importlib.import_module",
            "__import__",
        }:
            names |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return names


def _trespassers(modules, package, patterns) -> list[str]:
    return [
        f"{module.path} imports {name}"
        for module in modules
        if not _owned(module, patterns)
        for name in sorted(_names(module))
        if f"{name}.".startswith(f"{package}.")
    ]


def _environment_readers(modules) -> list[str]:
    found = []
    for module in modules:
        if _owned(module, ENVIRONMENT):
            continue
        attributes = {ast.unparse(n) for n in ast.walk(module.tree) if isinstance(n, ast.Attribute)}
        used = (attributes | set(module.imports())) & {f"os.{name}" for name in OS_NAMES}
        found += [f"{module.path} uses {name}" for name in sorted(used)]
    return found


def _clock_readers(modules) -> list[str]:
    return [
        f"{module.path}:{node.lineno} reads {ast.unparse(node)}"
        for module in modules
        if not _owned(module, CLOCK)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in NOW_NAMES
        and ast.unparse(node.value).rsplit(".", 1)[-1] in {"datetime", "date"}
    ]


@pytest.mark.parametrize("package", OWNERS)
def test_a_package_is_imported_by_its_owner_alone(modules, package):
    """A second importer would tie more code to it, or load it where it is not wanted."""
    assert _trespassers(modules, package, OWNERS[package]) == []


def test_one_module_reads_the_environment(modules):
    """Settings come from one place, so that what a process runs with can be printed."""
    assert _environment_readers(modules) == []


def test_one_module_reads_the_time(modules):
    """All times have one unit and zone, and a test can stand in for the clock."""
    assert _clock_readers(modules) == []


def test_a_trespasser_is_found(parse):
    """Each of the searches above finds what it looks for, inside functions too."""
    planted = parse(
        "core/hotrow/x.py",
        "import os\nimport datetime as d\nfrom datetime import datetime\n"
        "def f():\n    import numba.core\n    from grpc import _cython\n    import importlib\n"
        "    importlib.import_module('lmdb')\n    return os.environ['A'], datetime.now(), d.date.today()\n",
    )
    for package in ("numba", "grpc._cython", "lmdb"):
        assert len(_trespassers([planted], package, OWNERS[package])) == 1
    assert _environment_readers([planted]) == ["core/hotrow/x.py uses os.environ"]
    assert len(_clock_readers([planted])) == 2
    assert (
        _trespassers([parse("core/hotrow/rpc/lane.py", "import grpc._cython")], "grpc._cython", OWNERS["grpc._cython"])
        == []
    )
