"""Fitted statistics of encoders: a file for each in the folder `fitted` of a feature repository.

`hotrow fit` writes them, and people review and commit them with the definitions. An encoder looks its file up when the
repository's Python files run.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from hotrow.errors import invalid
from hotrow.schema.canonical import Document

FOLDER = "fitted"

_folder: ContextVar[Path | None] = ContextVar("fitted_folder", default=None)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted: `statistics` for an encoder of some `kind` with `parameters`, over what `takes` is the hash of.

    `origin` says where they are from: source, rows, times.
    """

    kind: str
    parameters: Document
    takes: str
    statistics: Document
    origin: Document = field(default_factory=dict)


@contextmanager
def fitted_from(repo: Path) -> Iterator[None]:
    """Encoders that are made meanwhile find the files of this repository."""
    token = _folder.set(repo / FOLDER)
    try:
        yield
    finally:
        _folder.reset(token)


def fitted_file(repo: Path, name: str) -> Path:
    """The file of a transform."""
    return repo / FOLDER / f"{name}.json"


def read_fitted(name: str) -> Fitted | None:
    """What is fitted for a transform, None for nothing; raises INVALID for a file that `write_fitted` has not made."""
    folder = _folder.get()
    if folder is None or not (path := folder / f"{name}.json").is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Fitted(
            document["encoder"],
            document["parameters"],
            document["takes"],
            document["statistics"],
            document["from"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(
            f"{FOLDER}/{path.name} is no file of `hotrow fit` ({type(error).__name__}: {error}); remove it, and run "
            f"`hotrow fit {name}`"
        ) from None


def write_fitted(repo: Path, name: str, fitted: Fitted, *, fitted_at: str) -> Path:
    """Write the file of a transform, for people to read; returns its path.

    `fitted_at` is the time of it. It stays in the file: fitted again to the same numbers, it is the same snapshot.
    """
    path = fitted_file(repo, name)
    path.parent.mkdir(exist_ok=True)
    document = {
        "transform": name,
        "encoder": fitted.kind,
        "parameters": fitted.parameters,
        "statistics": fitted.statistics,
        "from": fitted.origin,
        "takes": fitted.takes,
        "fitted_at": fitted_at,
    }
    beside = path.with_suffix(".json.new")
    beside.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)
    return path
