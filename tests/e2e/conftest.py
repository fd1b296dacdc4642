"""A repository with an applied snapshot, and `hotrow` commands on it that end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .processes import Program, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.apply()
    return made


@pytest.fixture
def run(repository: Repository) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start(*arguments: str, **environ: str) -> Program:
        programs.append(Program(repository, *arguments, **environ))
        return programs[-1]

    yield start
    for program in reversed(programs):
        program.end()
