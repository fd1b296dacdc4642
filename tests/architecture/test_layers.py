"""The layers of pyproject.toml hold, and the contracts there would notice if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
FOLDERS = ("core", "server", "ingest", "clients/python")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages that lie below `folder`."""
    paths = ":".join(str(folder / name) for name in FOLDERS)
    return subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_lower_never_imports_higher(root):
    """Every contract of pyproject.toml is kept."""
    result = _lint(root)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("path", "line", "broken"),
    [
        ("core/hotrow/clock.py", "import hotrow.registry", "In the core, lower never imports higher BROKEN"),
        ("core/hotrow/rpc/call.py", "import hotrow.offline", "In the core, lower never imports higher BROKEN"),
        ("core/hotrow/drawer.py", "", "In the core, lower never imports higher BROKEN"),
        ("server/hotrow_server/__init__.py", "import hotrow_ingest", "do not know one another BROKEN"),
        ("core/hotrow/supervisor/__init__.py", "import hotrow_server", "The core knows none of the programs"),
        ("clients/python/hotrow_client/__init__.py", "import hotrow.stores", "The client stands on the wire"),
    ],
)
def test_a_wrong_import_breaks_a_contract(root, tmp_path, path, line, broken):
    """A module in a wrong place, or one import that points up or sideways, is refused."""
    for folder in FOLDERS:
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    with (tmp_path / path).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = _lint(tmp_path)
    assert result.returncode != 0
    assert broken in result.stdout
