"""A repository to work on, the command line as a function, and one running `hotrow serve` for all tests."""

import contextlib
import io
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hotrow.cli.main import main
from support.ports import free_ports

START_S = 100


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


def _hotrow(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return Outcome(exit_.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def hotrow():
    """Run a command in this process."""
    return _hotrow


def _make_repo(folder, template):
    assert _hotrow("init", folder, "--template", template).code == 0
    settings = folder / "hotrow.toml"
    server, ingest = free_ports(2)
    text = settings.read_text().replace(":6565", f":{server}").replace(":6566", f":{ingest}")
    settings.write_text(text.replace("workers = 2", "workers = 1"))
    return folder


@pytest.fixture
def rides(tmp_path):
    """A repository of the template rides, with ports of its own."""
    return _make_repo(tmp_path / "rides", "rides")


@pytest.fixture
def clicks(tmp_path):
    """A repository of the template push-only."""
    return _make_repo(tmp_path / "clicks", "push-only")


@dataclass(frozen=True)
class Served:
    """A repository that `hotrow serve` serves."""

    repo: Path
    process: subprocess.Popen


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """The template rides, applied, materialized without a server, and then served."""
    repo = _make_repo(tmp_path_factory.mktemp("served") / "rides", "rides")
    assert _hotrow("apply", "-C", repo).code == 0
    hotrow = [sys.executable, "-m", "hotrow.cli.main", "-C", str(repo)]
    subprocess.run([*hotrow, "materialize", "2020-01-01", "now"], check=True, capture_output=True, timeout=START_S)
    log = (repo / "serve.log").open("w")
    process = subprocess.Popen([*hotrow, "serve"], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        line = process.stdout.readline()
        assert "hotrow is ready" in line, (repo / "serve.log").read_text()[-2000:]
        yield Served(repo, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
        log.close()
