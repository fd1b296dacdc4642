"""Size is a smell: modules, functions and parameter lists stay small, and no module is a drawer for leftovers."""

import ast

import pytest

MODULE_LINES, MODULE_LINES_MAX = 300, 400
FUNCTION_LINES, FUNCTION_LINES_MAX = 40, 60
PARAMETERS_MAX = 6
LONG_FUNCTIONS_SHARE = 0.02
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# Modules that may have 301 to 400 lines, each for the reason beside it.
LONG_MODULES = {
    "core/hotrow/settings.py": "every setting with its meaning, and the variables that override some, in one place",
}

# A kernel takes arrays and numbers: machine code has no objects that could gather them.
KERNELS, KERNEL_PARAMETERS_MAX = ("core/hotrow/codec/kernel_", "core/hotrow/transforms/kernel_"), 12


@pytest.fixture(scope="module")
def measured(root, modules, parse):
    """What is written by hand, and the benchmark, which is a program too."""
    bench = sorted((root / "tests" / "bench").glob("*.py"))
    assert bench, "the benchmark has moved, and these tests would not see it"
    return (*modules, *(parse(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in bench))


def _functions(modules):
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module.path}:{node.lineno} {node.name}", node


def _lines(node) -> int:
    return node.end_lineno - node.lineno + 1


def _parameters(node) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_no_module_is_long(measured):
    """A module has 300 lines at most; those on the list 400."""
    lengths = {m.path: m.text.count("\n") for m in measured}
    too_long = {p: n for p, n in lengths.items() if n > (MODULE_LINES_MAX if p in LONG_MODULES else MODULE_LINES)}
    assert too_long == {}


def test_the_list_of_long_modules_is_not_stale(measured):
    """A module that has become short leaves the list."""
    lengths = {m.path: m.text.count("\n") for m in measured}
    assert [p for p in LONG_MODULES if lengths.get(p, 0) <= MODULE_LINES] == []


def test_no_function_is_long(measured):
    """A function has 60 lines at most, and few have more than 40."""
    lengths = {name: _lines(node) for name, node in _functions(measured)}
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES_MAX} == {}
    longish = {name: n for name, n in lengths.items() if n > FUNCTION_LINES}
    assert len(longish) <= LONG_FUNCTIONS_SHARE * len(lengths), longish


def test_no_function_has_many_parameters(measured):
    """At most six, the receiver not counted: values that travel together are one dataclass. In kernels, twelve."""
    counts = {name: _parameters(node) for name, node in _functions(measured)}
    limits = {name: KERNEL_PARAMETERS_MAX if name.startswith(KERNELS) else PARAMETERS_MAX for name in counts}
    assert {name: n for name, n in counts.items() if n > limits[name]} == {}


def test_no_module_is_a_drawer(measured):
    """A module is named after what is in it."""
    parts = {m.path: {part.removesuffix(".py").strip("_") for part in m.path.split("/")} for m in measured}
    assert [path for path, names in parts.items() if names & DRAWERS] == []


def test_the_ruler_measures(parse):
    """The counts are right on a module with a known answer."""
    module = parse("x.py", "class A:\n    def f(self, a, /, b, *rest, c=1, **more):\n        return 1\n")
    [(name, node)] = _functions([module])
    assert (name, _lines(node), _parameters(node)) == ("x.py:2 f", 2, 3)
