"""docs/dependencies.md is what pyproject.toml says, and constraints.txt pins all of it."""

import re
import tomllib

ROW = re.compile(r"^\| ([a-z0-9-]+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9_.-]+")


def _declared(root) -> set[str]:
    tree = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras = tree["project"]["optional-dependencies"].values()
    requirements = [*tree["project"]["dependencies"], *(line for extra in extras for line in extra)]
    return {NAME.match(line)[0] for line in requirements}


def test_every_dependency_has_a_line(root):
    """A dependency is added with its reason, and its line goes when it goes."""
    lines = set(ROW.findall((root / "docs/dependencies.md").read_text(encoding="utf-8"))) - {"package"}
    assert lines == _declared(root) | {"hatchling"}


def test_every_dependency_is_pinned(root):
    """What is tested is what is installed."""
    pins = {line.partition("==")[0].lower() for line in (root / "constraints.txt").read_text().splitlines()}
    assert {name for name in _declared(root) if name.lower() not in pins} == set()
