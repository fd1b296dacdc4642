"""The feature repository that a command works on."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from hotrow.errors import Code, HotrowError
from hotrow.feast import MOVING, YAML
from hotrow.repo.workspace import Workspace

FILE = "hotrow.toml"

named_first: ContextVar[Path | None] = ContextVar("named_first", default=None)
"""The --repo that stood before the name of the command."""


def find_repo(option: Path | None) -> Path:
    """The folder of hotrow.toml: the one named, after the command or before it, or the nearest from here upwards.

    Raises NOT_FOUND where there is none.
    """
    named = option or named_first.get()
    if named is not None:
        folder = named.absolute()
        folder = folder.parent if folder.name == FILE and folder.is_file() else folder
        if not (folder / FILE).is_file():
            raise HotrowError(
                Code.NOT_FOUND,
                f"there is no {FILE} in {folder}; name a feature repository, or make one with `hotrow init`"
                f"{_moving(folder)}",
            )
        return folder
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise HotrowError(
        Code.NOT_FOUND,
        f"there is no {FILE} in {here} or above it; go to a feature repository, name one with --repo, "
        f"or make one with `hotrow init`{_moving(here)}",
    )


def _moving(folder: Path) -> str:
    return f"; {MOVING}" if (folder / YAML).exists() else ""


def open_workspace(option: Path | None) -> Workspace:
    """The workspace of `--repo`, or of the current folder; raises NOT_FOUND."""
    return Workspace(find_repo(option))
