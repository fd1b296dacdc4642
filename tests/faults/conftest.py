"""A repository, and processes on it that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .serving import Load, Repository, Serve


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "rides")


@pytest.fixture
def serve() -> Iterator[Callable[..., Serve]]:
    """Starts `hotrow serve`, or the command given, on a repository."""
    started: list[Serve] = []

    def start(repository: Repository, *arguments: str, **environ: str) -> Serve:
        started.append(Serve(repository, *arguments, **environ))
        return started[-1]

    yield start
    for program in reversed(started):
        program.end()


@pytest.fixture
def load() -> Iterator[Callable[..., Load]]:
    """Starts producers and readers on a repository that is served."""
    started: list[Load] = []

    def start(repository: Repository, **options: object) -> Load:
        started.append(Load(repository, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()
