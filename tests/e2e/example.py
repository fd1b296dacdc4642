"""An example as a clone has it, in a folder of the test's own, on ports of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.ports import free_ports

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example:
    """A copy of an example, with the demo's data beside it."""

    def __init__(self, name: str, folder: Path) -> None:
        made = shutil.ignore_patterns("data", "registry", "__pycache__")
        shutil.copytree(EXAMPLES / name, folder / name, ignore=made)
        shutil.copytree(EXAMPLES / "horse_colic" / "source", folder / "horse_colic" / "source")
        self.path = folder / name
        self.repo = self.path / "repository"
        settings = self.repo / "hotrow.toml"
        ports = free_ports(2)
        self.address = f"127.0.0.1:{ports[0]}"
        text = re.sub(r"127\.0\.0\.1:\d+", lambda _: f"127.0.0.1:{ports.pop(0)}", settings.read_text())
        settings.write_text(text)
        (folder / "tmp").mkdir()
        # What flytekit and Jupyter write they write there.
        homes = ("TMPDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
        self._environ = os.environ | {name: str(folder / "tmp") for name in homes}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """A Python program of the example, or `-m` and a module."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.path,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        with self.start(*command) as process:
            return ended(process)


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """What a program said, once it has ended; it is killed where it does not."""
    try:
        out, err = process.communicate(timeout=100)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
