"""What the architecture tests read: every module that is written by hand, parsed once."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_FOLDERS = ("core", "server", "ingest", "clients/python", "scripts")
GENERATED = "core/hotrow/v1/"


@dataclass(frozen=True)
class Module:
    """One source file. `path` is relative to the checkout, with slashes."""

    path: str
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "Module":
        return cls(path, text, ast.parse(text, path))

    def imports(self) -> Iterator[str]:
        """Every name that is imported anywhere in the file, inside functions too, as dotted paths."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def parse():
    return Module.parse


@pytest.fixture(scope="session")
def modules() -> tuple[Module, ...]:
    paths = sorted(path for folder in SOURCE_FOLDERS for path in (ROOT / folder).rglob("*.py"))
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    found = tuple(
        Module.parse(name, path.read_text(encoding="utf-8"))
        for name, path in zip(names, paths, strict=True)
        if not name.startswith(GENERATED)
    )
    empty = [folder for folder in SOURCE_FOLDERS if not any(m.path.startswith(f"{folder}/") for m in found)]
    assert empty == [], "a source folder has moved, and these tests would not see it"
    return found


@pytest.fixture(scope="session")
def committed(root: Path) -> tuple[Path, ...]:
    """Every file that git tracks and that is there."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True)
    return tuple(path for name in listing.stdout.split("\0") if name and (path := root / name).is_file())
