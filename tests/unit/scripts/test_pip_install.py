"""The installation says what it does, in few lines, and ends as pip does."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "pip_install.py"


def _run(*arguments):
    command = [sys.executable, str(SCRIPT), "--no-index", "--no-deps", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_what_is_installed_is_said(tmp_path):
    """On stderr, without a word of where it is from."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    _write_wheel(wheel)
    done = _run("--find-links", str(tmp_path), "--target", str(tmp_path / "here"), "tiny==1.0")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert lines == ["  installing packages: 1"]


def test_what_is_fetched_is_said_by_name():
    """The rest of pip's lines is left out, the places that packages come from among it."""
    spec = importlib.util.spec_from_file_location("pip_install", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = ["Looking in indexes: somewhere", "Collecting numpy<3,>=2 (from hotrow==0.1)", "  Downloading numpy.whl"]
    assert [module.said(line) for line in lines] == ["", "  fetching numpy<3,>=2", ""]


def test_what_pip_refuses_is_an_error_here_too():
    """With pip's words and status."""
    done = _run("no-such-package-of-hotrow")
    assert done.returncode == 1
    assert "no-such-package-of-hotrow" in done.stderr


def _write_wheel(path):

    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
