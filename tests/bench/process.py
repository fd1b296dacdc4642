"""Processes under measurement: how they are started, and what CPU and memory they have used."""

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
from hotrow.settings import worker_environment

from tests.bench.dataset import fill_requests, make_repository
from tests.support.ports import free_ports

READY_S = 180.0
PUSH = "/hotrow.v1.FeatureIngest/PushFeatures"


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: its address and the process at its root."""

    address: str
    pid: int
    ingest: str = ""
    repo: Path = Path()

    def cpu_s(self) -> float:
        """CPU time of the process and all below it, of every thread that lives."""
        return sum(_cpu_ns(pid) for pid in family(self.pid)) / 1e9

    def anonymous_mib(self) -> dict[int, float]:
        """Anonymous memory of each process, by pid."""
        return {pid: _anonymous_kib(pid) / 1024 for pid in family(self.pid)}


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


def _cpu_ns(pid: int) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def _anonymous_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                return int(line.split()[1])
    return 0


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
def hotrow(
    folder: Path, *, durability: str, lane: str = "auto", workers: int = 1, drivers: int = 10_000
) -> Iterator[Target]:
    """`hotrow serve` as it ships, in a repository of its own, with every driver's rows in the store."""
    server_port, ingest_port = free_ports(2)
    settings = {"server_port": server_port, "ingest_port": ingest_port}
    make_repository(folder, **settings, workers=workers, lane=lane, durability=durability)
    cli = [sys.executable, "-m", "hotrow.cli.main"]
    subprocess.run([*cli, "apply"], cwd=folder, check=True, capture_output=True)
    with running([*cli, "serve"], ready="is ready", cwd=folder) as process:
        target = Target(f"127.0.0.1:{server_port}", process.pid, f"127.0.0.1:{ingest_port}", folder)
        fill(target.ingest, drivers)
        yield target


def fill(ingest: str, drivers: int) -> None:
    """Push every driver's rows."""
    with grpc.insecure_channel(ingest) as channel:
        push = channel.unary_unary(PUSH)
        for request in fill_requests(drivers):
            push(request, timeout=120)


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
