"""Real processes for end-to-end tests: a repository, `hotrow` commands on it, and calls by the generated stubs."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hotrow import Entity, FeatureView, Field, Float64, Int64, PushSource
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot
from hotrow.settings import Settings, settings_from_file
from hotrow.supervisor.state import SupervisorState, WorkerState, read_state
from hotrow.v1.column_pb2 import Column, Float64s, Int64s
from hotrow.v1.feature_ingest_pb2_grpc import FeatureIngestStub
from hotrow.v1.feature_server_pb2 import (
    FeatureNames,
    GetOnlineFeaturesReply,
    GetOnlineFeaturesRequest,
    GetServerInfoRequest,
)
from hotrow.v1.feature_server_pb2_grpc import FeatureServerStub
from hotrow.v1.push_pb2 import PushFeaturesReply, PushFeaturesRequest
from support.ports import free_ports

READY_S = 100.0


def until(holds: Callable[[], object], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"not in {timeout_s} s"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


DEFINITIONS = """
from hotrow import Entity, FeatureView, Field, Float64, Int64, PushSource

driver = Entity("driver", join_keys={"driver_id": Int64})
stats = FeatureView("stats", entities=[driver], schema=[Field("value", Float64), Field("new", Float64, default=None)])
stats_push = PushSource("stats_push", view=stats)
"""


class Repository:
    """A feature repository with one view, `stats`: `value` by `driver_id`."""

    def __init__(self, path: Path, extra: str = "") -> None:
        self.path = path
        server, ingest = free_ports(2)
        (path / "hotrow.toml").write_text(
            f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 2\ndrain_s = 5\n'
            f'[ingest]\naddress = "127.0.0.1:{ingest}"\ndrain_s = 5\n{extra}\n'
        )

    @property
    def settings(self) -> Settings:
        return settings_from_file(self.path, {})

    def apply(self, *more_fields: str) -> str:
        driver = Entity("driver", join_keys={"driver_id": Int64})
        fields = [Field("value", Float64), *(Field(name, Float64, default=None) for name in more_fields)]
        view = FeatureView("stats", entities=[driver], schema=fields)
        source = PushSource("stats_push", view=view)
        snapshot = Snapshot(
            "rides", entities={"driver": driver}, views={"stats": view}, push_sources={"stats_push": source}
        )
        registry = open_registry(self.settings.registry)
        return registry.apply(snapshot, expected_head=registry.head("rides"), author="test")


class Program:
    """A `hotrow` command that runs, as this user or as the one of that id; `end` it."""

    user: int | None = None

    def __init__(self, repository: Repository, *arguments: str, **environ: str) -> None:
        self.repository = repository
        self._log = repository.path / f"{arguments[0]}-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "hotrow.cli.main", *arguments],
                cwd=repository.path,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | environ,
                text=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._pids: set[int] = set()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def log(self) -> str:
        return self._log.read_text()

    def output(self) -> str:
        """All that a command which has ended printed."""
        return "".join(iter(lambda: self._lines.get(timeout=READY_S), ""))

    def wait_ready(self) -> str:
        line = self._lines.get(timeout=READY_S)
        assert line.startswith("hotrow is ready: "), self.log()[-2000:]
        self._pids.update(worker.pid for worker in self.state().workers)
        return line

    def state(self) -> SupervisorState:
        (state,) = [one for one in read_state(self.repository.settings).supervisors if one.pid == self.process.pid]
        return state

    def worker(self, role: str, index: int = 0) -> WorkerState:
        worker = next(one for one in self.state().workers if (one.role, one.index) == (role, index))
        self._pids.add(worker.pid)
        return worker

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 30.0) -> int:
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        """Whatever a test has left: nothing of it outlives the test."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        until(lambda: not any(alive(pid) for pid in self._pids))
        self._reader.join()


class Caller:
    """Calls over one connection of their own."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))
        self.server = FeatureServerStub(self.channel)
        self.ingest = FeatureIngestStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def push(
        self, values: dict[int, float], *, request_id: str = "", atomic: bool = False, timeout_s: float = 10.0
    ) -> PushFeaturesReply:
        request = push_request(values, request_id)
        request.atomic = atomic
        return self.server.PushFeatures(request, timeout=timeout_s)

    def read(self, *driver_ids: int, min_token: bytes = b"") -> list[float]:
        reply: GetOnlineFeaturesReply = self.server.GetOnlineFeatures(
            GetOnlineFeaturesRequest(
                features=FeatureNames(names=["stats:value"]),
                entities=[Column(name="driver_id", int64=Int64s(values=driver_ids))],
                min_token=min_token,
            ),
            timeout=10,
        )
        return list(reply.columns[0].float64.values)

    def worker_pid(self) -> int:
        return int(self.server.GetServerInfo(GetServerInfoRequest(), timeout=10).worker)

    def head(self) -> str:
        return str(self.server.GetServerInfo(GetServerInfoRequest(), timeout=10).snapshot)

    def serving(self) -> bool:
        reply = self.health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def push_request(values: dict[int, float], request_id: str = "") -> PushFeaturesRequest:
    return PushFeaturesRequest(
        push_source="stats_push",
        request_id=request_id,
        rows=[
            Column(name="driver_id", int64=Int64s(values=values)),
            Column(name="value", float64=Float64s(values=values.values())),
        ],
    )


def caller_of(address: str, pid: int) -> Caller:
    """A caller whose connection went to the worker of that process."""
    for _ in range(200):
        caller = Caller(address)
        if caller.worker_pid() == pid:
            return caller
        caller.channel.close()
    raise AssertionError(f"no connection goes to worker {pid}")
