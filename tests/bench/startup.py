"""Section `start`: the time until `hotrow serve` is ready, and what the first requests on each worker cost after it.

The kernel cache is a copy of this user's, read-only, and compared afterwards: a start must not compile.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import grpc
from hotrow import clock
from hotrow.codec.compile import warm
from hotrow.v1.feature_server_pb2 import GetServerInfoReply

from tests.bench import every_type
from tests.bench.measure import interval
from tests.bench.process import PUSH, READ, Setup, Target, cpu_ns, prepare, serving
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import Bench, say

_INFO = "/hotrow.v1.FeatureServer/GetServerInfo"
_WORKERS = 2
_CALLS = 51  # of each kind on each worker: the first, and those whose median it is held against
_SETTLE_S = 0.005  # so that what a call leaves to do counts for it
_DIALS = 200
_CALL_S = 30.0


@dataclass(frozen=True, slots=True)
class FirstCall:
    """The first call of one kind on one worker after a start, and the median of those that came after it."""

    kind: str
    first_cpu_us: float
    median_cpu_us: float
    first_us: float
    median_us: float

    @property
    def cpu(self) -> float:
        return self.first_cpu_us / self.median_cpu_us

    @property
    def latency(self) -> float:
        return self.first_us / self.median_us


def measure_start(bench: Bench) -> Section:
    """Starts `bench.pairs` times, on one store."""
    folder, cache, filled = bench.folder / "start", bench.folder / "kernels", warm()
    copytree(filled, cache / filled.name)
    prepare(folder, Setup(workers=_WORKERS), every_type.definitions())
    seconds: list[float] = []
    calls: list[FirstCall] = []
    with _read_only(cache):
        with serving(folder, HOTROW_KERNEL_CACHE=str(cache)):
            pass  # makes the store, which a restart finds
        for number in range(bench.pairs):
            begun_s = clock.monotonic_s()
            with serving(folder, HOTROW_KERNEL_CACHE=str(cache)) as served:
                seconds.append(clock.monotonic_s() - begun_s)
                calls += [one for worker in served.workers("server") for one in _first_calls(served, worker.pid)]
            worst = max(one.cpu for one in calls)
            say(f"  start {number + 1} of {bench.pairs}: {seconds[-1]:.2f} s; worst first call so far: {worst:.1f} x")
    return _section(seconds, calls)


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Nobody but root can write below the folder meanwhile, and nobody has: raises RuntimeError else."""

    def state() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))

    before = state()
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
    if state() != before:
        raise RuntimeError(f"{folder} was written to: the start has compiled kernels")


def _first_calls(served: Target, pid: int) -> Iterator[FirstCall]:
    """Pushes and then reads of every type, on a connection to one worker that is there before the first."""
    (ingest,) = served.workers("ingest")
    with _channel_to(served.address, pid) as channel:
        push, read = channel.unary_unary(PUSH, None, None), channel.unary_unary(READ, None, None)
        rows, asked = every_type.push_request(), every_type.read_request()
        first, reply = _timed("push", lambda: push(rows, timeout=_CALL_S), [pid, ingest.pid])
        every_type.check_push(reply)
        yield first
        first, reply = _timed("read", lambda: read(asked, timeout=_CALL_S), [pid])
        every_type.check_read(reply)
        yield first


@contextmanager
def _channel_to(address: str, pid: int) -> Iterator[grpc.Channel]:
    """A connection that the system gave to the worker of that process, of the workers that share the address."""
    for _ in range(_DIALS):
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            info = channel.unary_unary(_INFO, None, None)(b"", timeout=_CALL_S)
            if GetServerInfoReply.FromString(info).worker == pid:
                yield channel
                return
    raise RuntimeError(f"none of {_DIALS} connections went to worker {pid}")


def _timed(kind: str, once: Callable[[], bytes], pids: list[int]) -> tuple[FirstCall, bytes]:
    """Calls one after another, each with the CPU time that the processes took until a little after it; and a reply."""
    costs_us, latencies_us = [], []
    for _ in range(_CALLS):
        before_ns, begun_ns = sum(map(cpu_ns, pids)), clock.monotonic_ns()
        reply = once()
        latencies_us.append((clock.monotonic_ns() - begun_ns) / 1e3)
        clock.sleep_s(_SETTLE_S)
        costs_us.append((sum(map(cpu_ns, pids)) - before_ns) / 1e3)
    cost_us, latency_us = statistics.median(costs_us[1:]), statistics.median(latencies_us[1:])
    return FirstCall(kind, costs_us[0], cost_us, latencies_us[0], latency_us), reply


def _section(seconds: list[float], calls: list[FirstCall]) -> Section:
    ready = interval(seconds)
    figures: Figures = {"seconds until ready": ready}
    rows: list[tuple[Value, ...]] = []
    for kind in dict.fromkeys(one.kind for one in calls):
        some = [one for one in calls if one.kind == kind]
        cpu, latency = interval([one.cpu for one in some]), interval([one.latency for one in some])
        figures[f"first {kind} x median, CPU"], figures[f"first {kind} x median, latency"] = cpu, latency
        first_us = statistics.median(one.first_cpu_us for one in some)
        median_us = statistics.median(one.median_cpu_us for one in some)
        worst = max(one.cpu for one in some)
        rows.append((kind, rounded(first_us), rounded(median_us), cpu, rounded(worst), latency))
    columns = (
        "every type in one row",
        "first CPU us",
        "median CPU us",
        "first x median, CPU",
        "worst",
        "latency likewise",
    )
    start = Table(
        "Start with a warm, read-only kernel cache, 2 server workers", ("until", "seconds"), [("ready", ready)]
    )
    return Section([start, Table("First calls on each worker after a start", columns, rows)], figures)
