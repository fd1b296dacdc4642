"""Processes under measurement: how they are started and called, and what CPU and memory they have used."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from hotrow import clock
from hotrow.settings import settings_from_file, worker_environment
from hotrow.supervisor.state import WorkerState, read_state

from tests.bench.dataset import DRIVERS, fill_requests, make_repository
from tests.support.ports import free_ports

READ = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
PUSH = "/hotrow.v1.FeatureServer/PushFeatures"
INGEST_PUSH = "/hotrow.v1.FeatureIngest/PushFeatures"
_CALL_S = 120.0
_CLI = (sys.executable, "-m", "hotrow.cli.main")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a `hotrow serve` under measurement is set to, and how many drivers have rows in its store.

    `redis` is the URL of a server that keeps the rows in place of LMDB, `redis_mode` the mode of the store there.
    """

    durability: str = "os"
    lane: str = "auto"
    workers: int = 1
    drivers: int = DRIVERS
    redis: str = ""
    redis_mode: str = "single"


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: its address, the process at its root and, of hotrow, the ingest worker's address.

    `beside` is a process that works for it and whose CPU time is told apart, such as a store's server.
    """

    address: str
    pid: int
    ingest: str = ""
    repo: Path = Path()
    beside: int = 0

    def cpu_s(self) -> float:
        """CPU time of the process and all below it."""
        return sum(cpu_ns(pid) for pid in family(self.pid)) / 1e9

    def beside_cpu_s(self) -> float:
        """CPU time of the process beside it, 0 where there is none."""
        return cpu_ns(self.beside) / 1e9 if self.beside else 0.0

    def workers(self, role: str) -> list[WorkerState]:
        """The workers of a role, "server" or "ingest", of hotrow."""
        supervisors = read_state(settings_from_file(self.repo, {})).supervisors
        (state,) = [one for one in supervisors if one.pid == self.pid]
        return [worker for worker in state.workers if worker.role == role]

    def anonymous_mib(self, role: str) -> float:
        """Anonymous memory of hotrow's largest worker of a role: what is its own, and not the page cache's."""
        return max(anonymous_kib(worker.pid) for worker in self.workers(role)) / 1024


def family(root: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_ns(pid: int) -> int:
    """CPU time of a process, of threads that have ended too; 0 for one that is gone."""
    with contextlib.suppress(OSError):
        return clock.process_cpu_ns(pid)
    return 0


def anonymous_kib(pid: int) -> int:
    """Anonymous memory of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/smaps_rollup says nothing of anonymous memory")


@contextlib.contextmanager
def running(
    command: list[str], *, ready: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a command, wait for the word that says that it is ready, and end it afterwards."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=cwd, env=env)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if ready in line:
                    break
            else:
                errors.seek(0)
                raise RuntimeError(f"{command} ended: {errors.read()[-2000:]}")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


@contextlib.contextmanager
def hotrow(folder: Path, setup: Setup) -> Iterator[Target]:
    """`hotrow serve` as it ships, in a repository of its own, with every driver's rows in the store."""
    prepare(folder, setup)
    with serving(folder) as target:
        fill(target, setup.drivers)
        yield target


def prepare(folder: Path, setup: Setup, definitions: str = "") -> None:
    """Write the repository, with the views of the workloads or other `definitions`, and apply it."""
    server_port, ingest_port = free_ports(2)
    settings = {"server_port": server_port, "ingest_port": ingest_port, "workers": setup.workers}
    make_repository(folder, definitions, **settings, lane=setup.lane, durability=setup.durability)
    if setup.redis:
        file = folder / "hotrow.toml"
        store = f'type = "redis"\nmode = "{setup.redis_mode}"\nurl = "{setup.redis}"'
        file.write_text(file.read_text().replace('type = "lmdb"', store))
    subprocess.run([*_CLI, "apply"], cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def serving(folder: Path, **environ: str) -> Iterator[Target]:
    """`hotrow serve` in a repository that was prepared."""
    settings = settings_from_file(folder, {})
    with running([*_CLI, "serve"], ready="is ready", cwd=folder, env=os.environ | environ) as process:
        yield Target(settings.server.address, process.pid, settings.ingest.address, folder)


def fill(target: Target, drivers: int, *, first: int = 0) -> None:
    """Push the rows of the drivers from `first` to below `drivers`."""
    with grpc.insecure_channel(target.ingest) as channel:
        push = channel.unary_unary(INGEST_PUSH, None, None)
        for request in fill_requests(first, drivers):
            push(request, timeout=_CALL_S)


def call(address: str, method: str, request: bytes) -> bytes:
    """One call; raises grpc.RpcError where it fails."""
    with grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)]) as channel:
        reply: bytes = channel.unary_unary(method, None, None)(request, timeout=_CALL_S)
    return reply


@contextlib.contextmanager
def yardstick(kind: str, sizes: str) -> Iterator[Target]:
    """One of the servers of `tests.bench.yardstick`."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.bench.yardstick", kind, str(port), sizes]
    env = (
        worker_environment() if kind in ("lane", "door") else None
    )  # listeners as workers have them, grpcio as it comes
    with running(command, ready="ready", env=env) as process:
        yield Target(f"127.0.0.1:{port}", process.pid)


def fsync_us(folder: Path, count: int = 200) -> float:
    """The median time of a 4 KiB write and its fdatasync on the disk of `folder`."""
    times = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(count):
            begun = clock.monotonic_ns()
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fdatasync(file.fileno())
            times.append((clock.monotonic_ns() - begun) / 1e3)
    return sorted(times)[count // 2]
