"""Compiling: what names the machine code, and that the code which is named is the code that runs."""

import linecache
import os
import subprocess
import sys
import time

import pytest
from hotrow.codec import compile as kernels
from hotrow.errors import HotrowError
from hotrow.transforms import compile as compiling
from hotrow.transforms.certificate import run_rows
from hotrow.transforms.kernel_cells import PRESENT
from hotrow.transforms.loop import rows_source
from support.transforming import made

CALLS = "def f(a):\n    return helper(a)\n"


def _calling(body):
    """A transform that calls a helper, and whose own text is always the same."""
    file = f"/of/a/helper/{body}.py"
    text = f"def helper(x):\n    return {body}\n"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope = {}
    exec(compile(text, file, "exec"), scope)
    return made(CALLS, "a:f", "f", helper=scope["helper"])


def _digest(transform):
    return compiling._digest(transform, rows_source(transform))


def test_a_change_of_a_helper_alone_is_other_code():
    """Under another name in the cache, in this process and in those that come."""
    one, other = _calling("x + 1.0"), _calling("x + 2.0")
    assert one.code.source == other.code.source
    assert _digest(one) != _digest(other)
    assert run_rows(one, [[1.0]]) == [[(PRESENT, 2.0)]]
    assert run_rows(other, [[1.0]]) == [[(PRESENT, 3.0)]]
    assert run_rows(_calling("x + 1.0"), [[1.0]]) == [[(PRESENT, 2.0)]]


_PROGRAM = """
import sys
from hotrow import Field, Float64, FeatureView, transform
from hotrow.transforms.certificate import run_rows
from hotrow.transforms.compile import compiled_rows
sys.path.insert(0, {folder!r})
from definitions import f
((_, value),), = run_rows(f.transform, [[1.0]])
print(value, compiled_rows(f.transform).stats.cache_hits.total())
"""
_DEFINITIONS = """
from hotrow import Field, Float64, FeatureView, transform

view = FeatureView("view", schema=[Field("a", Float64)])


def innermost(x):
    return x + {number}


def helper(x):
    return innermost(x)


@transform(sources=[view], outputs=[Field("out", Float64)])
def f(a):
    return helper(a)
"""


def test_machine_code_of_another_process_is_used_as_long_as_all_of_the_code_is_the_same(tmp_path):
    """Also that of a helper's helper: what is kept then is not what runs."""
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(number):
        (tmp_path / "definitions.py").write_text(_DEFINITIONS.format(number=number))
        program = _PROGRAM.format(folder=str(tmp_path))
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=110, check=True
        )
        value, hits = ran.stdout.split()
        return float(value), int(hits)

    number = float(time.time_ns() // 1000)  # whose machine code nobody has kept yet
    assert run(number) == (1.0 + number, 0)
    assert run(number) == (1.0 + number, 1)
    assert run(number + 0.5) == (1.5 + number, 0)


@pytest.mark.parametrize("kind", ["i", "g", "Lf"])
def test_other_types_are_other_code(kind):
    """Of a source with the same names."""
    assert _digest(made("def f(a):\n    return a\n", "a:f", "f")) != _digest(
        made("def f(a):\n    return a\n", f"a:{kind}", "f")
    )


def test_another_compiler_is_other_code(monkeypatch):
    """The folder of the kernels is named by Numba, LLVM, the processor and the kernels' sources."""
    one = made("def f(a):\n    return a\n", "a:f", "f")
    before = _digest(one)
    assert before == _digest(one)
    monkeypatch.setattr(kernels, "CACHE", kernels.CACHE.with_name("other"))
    assert _digest(one) != before


@pytest.mark.parametrize(
    ("mode", "inputs", "outputs", "said"),
    [
        ("columns", "a:s", "f", r"input 'a' is String, and a column of the mode .columns. holds numbers"),
        ("columns", "a:f", "s", r"output 'out_0' is String"),
        ("columns", "a:f", "f f", "returns an array of floats, and has 2 outputs"),
        ("columns", "a:f", "i", "returns an array of floats, and output 'out_0' is a column of Int64"),
        ("rows", "a:f", "i", "it returns a float, and the output is Int64"),
    ],
)
def test_what_cannot_be_compiled_is_refused_before_any_row(mode, inputs, outputs, said):
    """By the name of the field."""
    one = made("def f(a):\n    return a\n", inputs, outputs, mode=mode)
    with pytest.raises(HotrowError, match=said):
        run_rows(one, [])
