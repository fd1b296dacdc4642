"""The tour in README.md, typed as it stands there, gives the output that is shown."""

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import free_ports

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(console|python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What differs from run to run: ports, snapshot ids, the seconds that a materialization took.
VARIES = re.compile(r"127\.0\.0\.1:\d+|\b[0-9a-f]{12}\b|\d+\.\d$", re.MULTILINE)


def _same(shown: str, given: str) -> None:
    assert VARIES.sub("*", given.rstrip()) == VARIES.sub("*", shown.rstrip())


def _typed(block: str):
    """The commands of a console block, each with the output that is shown for it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


class Shell:
    """Types commands; what is put into the background is stopped at the end, and has to exit with 0."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self._environ = environ
        self._background: list[subprocess.Popen[str]] = []

    def type(self, command: str) -> str:
        words = shlex.split(command)
        if words[0] == "cd":
            self.folder /= words[1]
            return ""
        program = [sys.executable, "-m", "hotrow.cli.main", *(word for word in words[1:] if word != "&")]
        if words[-1] == "&":
            with (self.folder / "serve.log").open("w") as log:
                self._background.append(
                    subprocess.Popen(
                        program, cwd=self.folder, env=self._environ, stdout=subprocess.PIPE, stderr=log, text=True
                    )
                )
            return self._background[-1].stdout.readline()
        done = subprocess.run(
            program,
            cwd=self.folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def end(self) -> None:
        for process in self._background:
            process.send_signal(signal.SIGTERM)
        for process in self._background:
            assert process.wait(30) == 0
            process.stdout.close()


@pytest.fixture
def address():
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def shell(tmp_path, address):
    addresses = {"HOTROW_SERVER_ADDRESS": address, "HOTROW_INGEST_ADDRESS": f"127.0.0.1:{free_ports(1)[0]}"}
    shell = Shell(tmp_path, os.environ | addresses)
    yield shell
    shell.end()


def test_the_tour_gives_what_it_shows(shell, address):
    """Commands, the client's code and their output, in order; the definitions are those that `hotrow init` wrote."""
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    printed = ""
    for kind, text in blocks:
        if kind == "console":
            for command, shown in _typed(text):
                _same(shown, shell.type(command))
        elif kind == "text":
            _same(text, printed)
        elif "Client(" in text:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(text.replace("127.0.0.1:6565", address), {})  # the page's own code
            printed = out.getvalue()
        else:
            assert text in (shell.folder / "rides/features.py").read_text(encoding="utf-8")
    assert printed
