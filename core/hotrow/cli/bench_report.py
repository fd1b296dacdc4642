"""What `hotrow bench` tells: figures from a burst, as a document and as tables, and what to be careful with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hotrow.cli import render
from hotrow.cli.bench_load import Outcome, Timed
from hotrow.rpc.timing import stages_ms
from hotrow.v1.column_pb2 import PRESENT, Status
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesReply
from hotrow.v1.push_pb2 import PushFeaturesReply, RowResult

SEND, TOTAL = "send", "total"
STAGES = {
    SEND: "gRPC, the network, and this program",
    "queue": "waits for the worker's thread",
    "hop": "to the ingest worker and back",
    "parse": "the columns are found in the request",
    "plan": "the plan is found; a read's keys are encoded",
    "encode": "the rows are checked and encoded",
    "transform": "a read's rows are decoded, transforms run",
    "compare": "the rows are compared with those stored",
    "wait": "for the commit before; a read, for its min_token",
    "store": "the rows are read",
    "commit": "the rows are written and synced",
    "reply": "a read's rows are decoded; the reply is written",
}
"""Every stage there is, with what happens in it; docs/performance.md says what to do where one is large."""

_FAILURES_SHOWN = 5
_BUSY_CORES = 0.8
_BACKGROUND_CORES = 0.05


@dataclass(frozen=True, slots=True)
class Scene:
    """What was measured: `kind` is "read" or "push", `mode` how a push was kept harmless.

    `worker_pids` are the server workers that the connections went to; `server_workers` how many there are, None where
    that cannot be seen.
    """

    kind: str
    target: str
    mode: str
    features: int
    per_request: int
    entities: int
    origin: str
    address: str
    lane: str
    snapshot: str
    callers: int
    connections: int
    worker_pids: tuple[int, ...]
    server_workers: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU in nanoseconds, by role, None where it cannot be seen; `background_cores` is what was used before the load.

    `restarted`: a process ended meanwhile, and with it what it had used.
    """

    cpu_ns: Mapping[str, int] | None
    background_cores: float = 0.0
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage in microseconds; `share` of the mean that callers observed."""

    name: str
    mean_us: float
    p50_us: float
    p99_us: float
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    scene: Scene
    outcome: Outcome
    cost: Cost

    @property
    def calls(self) -> int:
        return len(self.outcome.latencies_ns)

    def latency_us(self) -> dict[str, float]:
        """Percentiles of the calls that were answered, as the caller saw them."""
        if not self.calls:
            return {}
        figures = np.percentile(np.frombuffer(self.outcome.latencies_ns, np.int64), [50, 99, 99.9, 100]) / 1e3
        return dict(zip(("p50", "p99", "p99.9", "max"), (round(float(one), 1) for one in figures), strict=True))

    def cpu_us(self) -> dict[str, float] | None:
        """CPU of a request, in microseconds, by role and in total."""
        if self.cost.cpu_ns is None or not self.calls:
            return None
        each = {role: ns / self.calls / 1e3 for role, ns in self.cost.cpu_ns.items()}
        return {role: round(us, 1) for role, us in {"total": sum(each.values()), **each}.items()}

    def generator(self) -> dict[str, float]:
        """What this program used itself."""
        return {
            "cpu_us": round(self.outcome.own_cpu_ns / 1e3 / max(1, self.calls), 1),
            "cores": round(self.outcome.own_cpu_ns / 1e9 / self.outcome.seconds, 2),
        }

    def statuses(self) -> dict[str, int]:
        """Of the replies that were looked at: values by status, or pushed rows by result."""
        counts: Counter[str] = Counter()
        for reply in self.outcome.replies:
            counts.update(_value_statuses(reply) if self.scene.kind == "read" else _row_results(reply))
        return dict(counts.most_common())

    def document(self) -> dict[str, Any]:
        """As JSON."""
        rate = self.calls / self.outcome.seconds
        scene = {name: getattr(self.scene, name) for name in self.scene.__dataclass_fields__}
        return {
            **scene,
            "seconds": round(self.outcome.seconds, 3),
            "calls": self.calls,
            "failed": self.outcome.failed(),
            "requests_per_s": round(rate, 1),
            "latency_us": self.latency_us(),
            "cpu_us": self.cpu_us(),
            "generator": self.generator(),
            "background_cores": round(self.cost.background_cores, 2),
            "timed_calls": len(self.outcome.timed),
            "stages": [
                {
                    "stage": one.name,
                    "mean_us": round(one.mean_us, 1),
                    "p50_us": round(one.p50_us, 1),
                    "p99_us": round(one.p99_us, 1),
                    "share": round(one.share, 4),
                }
                for one in stages(self.outcome.timed)
            ],
            "statuses": self.statuses(),
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What keeps the figures from being what they look like."""
        scene, statuses = self.scene, self.statuses()
        good = "PRESENT" if scene.kind == "read" else "WRITTEN"
        generator = self.generator()
        notes = []
        if self.outcome.gave_up:
            notes.append(f"ended early: {len(self.outcome.failures):,} calls failed")
        if statuses and good not in statuses:
            most = next(iter(statuses))
            notes.append(f"nothing in the replies is {good}, most is {most}: this is what {most} costs")
        if self.cost.restarted:
            notes.append("a worker ended during the run, so CPU is not told; look at the log of `hotrow serve`")
        elif self.cost.cpu_ns is None and not self.outcome.gave_up:
            notes.append(
                f"the CPU of the server at {scene.address} cannot be seen from here: run the bench on its machine, "
                "outside of a container or in the same one, in the repository that it serves"
            )
        if self.cost.background_cores > _BACKGROUND_CORES:
            notes.append(
                f"hotrow's processes used {self.cost.background_cores:.2f} cores before the load began: somebody else "
                "calls them, and that is in the CPU of a request too"
            )
        if generator["cores"] > _BUSY_CORES:
            notes.append(
                f"the load generator used {generator['cores']} of the one core that it can use: it may bound the rate, "
                "and what waits in it counts as latency and as send"
            )
        if len(scene.worker_pids) < (scene.server_workers or 0) <= scene.connections:
            notes.append(
                f"the connections went to {len(scene.worker_pids)} of {scene.server_workers} server workers: the "
                "system spreads connections, not calls; use more --connections"
            )
        return notes


def stages(timed: Sequence[Timed]) -> list[Stage]:
    """Each stage over the calls that told them, in the order of STAGES, and at the end what the callers observed.

    `send` is what they observed less all stages of the server.
    """
    if not timed:
        return []
    told = [stages_ms(one.trailers) for one in timed]
    observed = np.array([one.observed_ns for one in timed]) / 1e3
    names = [name for name in STAGES if name != SEND and any(name in one for one in told)]
    columns = {name: np.array([one.get(name, 0.0) for one in told]) * 1e3 for name in names}
    server = np.sum(list(columns.values()), axis=0) if columns else np.zeros(len(observed))
    whole = float(np.mean(observed))
    rows = {SEND: observed - server, **columns, TOTAL: observed}
    return [_stage(name, us, whole) for name, us in rows.items()]


def _stage(name: str, us: npt.NDArray[np.float64], whole: float) -> Stage:
    p50, p99 = np.percentile(us, [50, 99])
    mean = float(us.mean())
    return Stage(name, mean, float(p50), float(p99), mean / whole)


def _value_statuses(data: bytes) -> Counter[str]:
    counts: Counter[str] = Counter()
    for column in GetOnlineFeaturesReply.FromString(data).columns:
        if column.statuses:
            counts.update(Status.Name(status) for status in column.statuses)
        else:  # all are PRESENT, and how many the values say
            block = getattr(column, column.WhichOneof("values") or "float64")
            counts[Status.Name(PRESENT)] += len(getattr(block, "lengths", block.values))
    return counts


def _row_results(data: bytes) -> Counter[str]:
    return Counter(RowResult.Name(result) for result in PushFeaturesReply.FromString(data).results)


def print_report(report: Report) -> None:
    """For people."""
    render.print_pairs(_pairs(report))
    for message, count in list(report.outcome.failed().items())[:_FAILURES_SHOWN]:
        render.note(f"failed {count:,} times: {message}")
    rows = [
        [
            one.name,
            *(round(us, 1) for us in (one.mean_us, one.p50_us, one.p99_us)),
            f"{one.share:.0%}",
            _what(report, one),
        ]
        for one in stages(report.outcome.timed)
    ]
    if rows:
        print()
        render.print_table(["stage", "mean us", "p50 us", "p99 us", "share", "what"], rows)
    for text in report.notes():
        render.note(f"note: {text}")


def _what(report: Report, stage: Stage) -> str:
    return STAGES.get(stage.name, f"what the caller saw, of {len(report.outcome.timed):,} requests that asked")


def _pairs(report: Report) -> list[tuple[str, str]]:
    scene, outcome, generator = report.scene, report.outcome, report.generator()
    many = "entities" if scene.kind == "read" else "rows"
    rate = report.calls / outcome.seconds
    workers = f"{len(scene.worker_pids)} of {scene.server_workers}" if scene.server_workers else len(scene.worker_pids)
    load = f"callers {scene.callers}, connections {scene.connections}, to {workers} server workers"
    latency = [f"{name} {us / 1e3:.2f} ms" for name, us in report.latency_us().items()]
    return [
        (scene.kind, f"{scene.target}: {scene.features} features, {many} a request: {scene.per_request}"),
        ("writes", scene.mode),
        ("entities", f"{scene.entities:,} {scene.origin}"),
        ("server", f"{scene.address}, fast lane {scene.lane}"),
        ("load", f"{load}, {outcome.seconds:.1f} s"),
        ("answered", f"{report.calls:,} requests, {rate:,.0f}/s ({rate * scene.per_request:,.0f} {many}/s)"),
        ("failed", f"{len(outcome.failures):,}"),
        ("latency", ", ".join(latency)),
        ("cpu", _cpu_text(report.cpu_us())),
        ("generator", f"{generator['cpu_us']:.0f} us a request, {generator['cores']:.2f} cores"),
        ("replies", ", ".join(_shares(report.statuses()))),
    ]


def _cpu_text(cpu: Mapping[str, float] | None) -> str:
    if cpu is None:
        return "not to be seen"
    parts = ", ".join(f"{role} {us:.0f}" for role, us in cpu.items() if role != "total")
    return f"{cpu['total']:.0f} us a request: {parts}"


def _shares(counts: Mapping[str, int]) -> list[str]:
    whole = sum(counts.values())
    return [f"{name} {count / whole:.1%}" for name, count in counts.items()]
