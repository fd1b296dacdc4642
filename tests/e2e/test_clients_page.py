"""The examples in docs/clients-python.md print what the page shows."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .processes import Program, free_ports

PAGE = Path(__file__).resolve().parents[2] / "docs/clients-python.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class _Rides:
    """What `Program` needs of a repository: its path."""

    def __init__(self, path: Path) -> None:
        self.path = path


@pytest.fixture
def address(tmp_path):
    """The tour's repository, served."""
    server, ingest = (f"127.0.0.1:{port}" for port in free_ports(2))
    environ = os.environ | {"HOTROW_SERVER_ADDRESS": server, "HOTROW_INGEST_ADDRESS": ingest}
    for command in (["init", "rides"], ["apply"]):
        folder = tmp_path if command[0] == "init" else tmp_path / "rides"
        arguments = [sys.executable, "-m", "hotrow.cli.main", *command]
        subprocess.run(arguments, cwd=folder, env=environ, check=True, capture_output=True)
    serve = Program(_Rides(tmp_path / "rides"), "serve", HOTROW_SERVER_ADDRESS=server, HOTROW_INGEST_ADDRESS=ingest)
    line = serve._lines.get(timeout=100)
    assert line.startswith("hotrow is ready"), serve.log()
    yield server
    serve.stop()
    serve.end()


def test_the_examples_print_what_is_shown(address):
    printed, namespace, shown = "", {}, 0
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(text.replace("127.0.0.1:6565", address), namespace)  # the page's own code
            printed = out.getvalue()
        else:
            assert printed.rstrip() == text.rstrip()
            shown += 1
    assert shown == 6
    namespace["client"].close()
