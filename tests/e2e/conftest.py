"""A repository with an applied snapshot, and `hotrow` commands on it that end with the test; and one of `hotrow init`,
served for all tests of pages and callers together.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.ports import free_ports

from .processes import READY_S, Program, Repository


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


class _Rides:
    """What `Program` needs of a repository: its path."""

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture(scope="session")
def rides_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tour's repository, served. Each test has drivers of its own."""
    folder = tmp_path_factory.mktemp("tour")
    server, ingest = (f"127.0.0.1:{port}" for port in free_ports(2))
    addresses = {"HOTROW_SERVER_ADDRESS": server, "HOTROW_INGEST_ADDRESS": ingest}
    for place, command in ((folder, ["init", "rides"]), (folder / "rides", ["apply"])):
        arguments = [sys.executable, "-m", "hotrow.cli.main", *command]
        subprocess.run(arguments, cwd=place, env=os.environ | addresses, check=True, capture_output=True)
    serve = Program(_Rides(folder / "rides"), "serve", **addresses)
    line = serve._lines.get(timeout=READY_S)
    assert line.startswith("hotrow is ready"), serve.log()
    yield server
    serve.stop()
    serve.end()
