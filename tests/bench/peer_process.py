"""The peers' processes: Redis, Feast's servers on it, and Feast's side of the preparation."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import Target, family
from tests.support.ports import free_ports

_READY_S = 120.0
SCRIPT = Path(__file__).with_name("peer_feast.py")
STORE_YAML = """\
project: bench
provider: local
registry: registry.db
entity_key_serialization_version: 3
offline_store: {{type: file}}
online_store: {{type: redis, connection_string: "{redis}"}}
"""
_ONE_LIFE = ("--max-requests", "0", "--max-requests-jitter", "0")
# As they come, less what would make them dearer: no usage reports, no line of log a request, no new worker after the
# thousandth request.
GRPC_SERVER = ("listen", "--address", "{address}")
HTTP_SERVER = ("serve", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1", "--no-access-log", *_ONE_LIFE)


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment that Feast is installed in, and the folder of its feature repository."""

    bin: Path
    repo: Path

    def python(self, *arguments: str) -> None:
        """Run Feast's side; RuntimeError with what it said where it fails."""
        command = [str(self.bin / "python"), str(SCRIPT), *arguments]
        done = subprocess.run(command, cwd=self.repo, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed: {(done.stderr or done.stdout)[-2000:]}")

    def prepare(self, redis: str) -> None:
        """Make the feature repository, fill Redis and write the requests."""
        (self.repo / "feature_store.yaml").write_text(STORE_YAML.format(redis=redis), encoding="utf-8")
        self.python("prepare", str(self.repo))

    @contextlib.contextmanager
    def server(self, arguments: tuple[str, ...]) -> Iterator[Target]:
        """One of Feast's servers."""
        (port,) = free_ports(1)
        address = f"127.0.0.1:{port}"
        words = [word.format(address=address, port=port) for word in arguments]
        with listening([str(self.bin / "feast"), *words], address, self.repo) as target:
            yield target


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Target]:
    """A Redis of its own, in memory alone."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("no redis-server on the path: install it with the system's packages (redis-server)")
    (port,) = free_ports(1)
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with listening(command, f"127.0.0.1:{port}", folder) as target:
        yield target


@contextlib.contextmanager
def listening(command: list[str], address: str, cwd: Path) -> Iterator[Target]:
    """Run a server that says nothing when it is ready: wait for its port, and end it afterwards."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd, env=_environment())
        try:
            if not _answers(process, address):
                output.seek(0)
                raise RuntimeError(f"{command} does not listen: {output.read()[-2000:]}")
            yield Target(address, process.pid)
        finally:
            _end(process)


def resident_mib(target: Target) -> float:
    """Resident memory of the whole family, a page that several share counted once (PSS)."""
    total = 0
    for pid in family(target.pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def redis_version() -> str:
    """As redis-server says it."""
    said = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return next(word.removeprefix("v=") for word in said.split() if word.startswith("v="))


def _environment() -> dict[str, str]:
    return os.environ | {"FEAST_USAGE": "False", "PYTHONWARNINGS": "ignore"}


def _answers(process: subprocess.Popen[bytes], address: str) -> bool:
    host, _, port = address.rpartition(":")
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
            return True
        time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and where that does not end it in time, SIGKILL to the whole family, so that no worker is left."""
    pids = family(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)
