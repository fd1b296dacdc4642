"""`python -m tests.bench.peer_bench`: hotrow and Feast's Python servers on the same data, in the same run, in turn."""

import argparse
import contextlib
import dataclasses
import json
import os
import tempfile
from pathlib import Path

from tests.bench.dataset import PUSHES, READS
from tests.bench.load import LoadGenerator
from tests.bench.measure import Contender, median, ratio
from tests.bench.peer_http import HttpLoadGenerator
from tests.bench.peer_measure import Peer, Plan, Run, interleaved, store_us
from tests.bench.peer_process import (
    GRPC_SERVER,
    HTTP_SERVER,
    Environment,
    cpu_model,
    redis,
    redis_version,
    resident_mib,
)
from tests.bench.peer_table import OURS, Absent, Row, table
from tests.bench.peer_workload import Bodies, own_bodies, read_bodies, write_workload
from tests.bench.process import Target, hotrow

WORKLOADS = ("R1", "R2", "R3", *PUSHES)
GRPC, HTTP = "Feast gRPC", "Feast HTTP"
METHODS = {
    OURS: ("/hotrow.v1.FeatureServer/GetOnlineFeatures", "/hotrow.v1.FeatureIngest/PushFeatures"),
    GRPC: ("/GrpcFeatureServer/GetOnlineFeatures", "/GrpcFeatureServer/Push"),
    HTTP: ("/get-online-features", "/push"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server of the comparison, with its generator and its requests."""

    target: Target
    load: LoadGenerator
    bodies: Bodies
    store: Target | None = None

    def peer(self, name: str, workload: str) -> Peer | None:
        """How it is loaded with a workload; None where it cannot do it."""
        if workload not in self.bodies.by_workload:
            return None
        read = workload in READS
        address = self.target.address if read else self.target.ingest or self.target.address
        contender = Contender(self.target, address, METHODS[name][0 if read else 1])
        return Peer(contender, self.load, self.bodies, self.store)


def arguments() -> argparse.Namespace:
    """The command line, checked; it ends the program where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--environment", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--json", type=Path, default=Path("build/bench-peers.json"))
    options = parser.parse_args()
    if unknown := set(options.workloads.split(",")) - set(WORKLOADS):
        parser.error(f"--workloads: {', '.join(sorted(unknown))} unknown; known are {', '.join(WORKLOADS)}")
    for name in ("callers", "pairs", "seconds"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be more than 0")
    if not (options.environment / "bin/feast").exists():
        parser.error(f"--environment: no Feast in {options.environment}; `make bench-peers` installs it")
    return options


def main() -> None:
    options = arguments()
    workloads = options.workloads.split(",")
    plan = Plan(options.callers, options.seconds, options.pairs)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        servers, versions = started(stack, folder, options.environment.resolve(), workloads, plan.rounds)
        rows = [row for workload in workloads for row in measured(servers, workload, plan)]
        memory = {name: round(resident_mib(server.target)) for name, server in servers.items()}
        memory["Redis"] = round(resident_mib(next(server.store for server in servers.values() if server.store)))
    machine = f"{os.cpu_count()} cores, {cpu_model()}"
    show(rows, memory, f"{machine}; {versions}; {plan.callers} callers, {plan.pairs} pairs of {plan.seconds:g} s")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "versions": versions, "plan": dataclasses.asdict(plan), "resident_mib": memory}
    report["results"] = [dataclasses.asdict(row) for row in rows]
    options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def started(
    stack: contextlib.ExitStack, folder: Path, environment: Path, workloads: list[str], rounds: int
) -> tuple[dict[str, Server], str]:
    """Every server with the data in it and one reply of each kind checked, and the versions."""
    repo = folder / "feast"
    repo.mkdir()
    write_workload(repo, workloads, rounds)
    feast = Environment(environment / "bin", repo)
    store = stack.enter_context(redis(folder))
    print("filling the stores and checking replies", flush=True)
    feast.prepare(store.address)
    version, bodies = read_bodies(repo)
    over_grpc = stack.enter_context(feast.server(GRPC_SERVER))
    over_http = stack.enter_context(feast.server(HTTP_SERVER))
    feast.python("check", str(repo), over_grpc.address, over_http.address)
    ours = stack.enter_context(hotrow(folder / "hotrow", durability="os"))
    load, http_load = LoadGenerator(), HttpLoadGenerator()
    stack.callback(load.close)
    stack.callback(http_load.close)
    servers = {
        OURS: Server(ours, load, own_bodies(workloads, rounds)),
        GRPC: Server(over_grpc, load, bodies["grpc"], store),
        HTTP: Server(over_http, http_load, bodies["http"], store),
    }
    return servers, f"Feast {version} on Redis {redis_version()}"


def measured(servers: dict[str, Server], workload: str, plan: Plan) -> list[Row | Absent]:
    """The lines of one workload."""
    print(f"measuring {workload}", flush=True)
    peers = {name: peer for name, server in servers.items() if (peer := server.peer(name, workload))}
    runs = interleaved(peers, workload, plan)
    return [row(workload, name, runs) if name in runs else Absent(workload, name, "no batch push") for name in servers]


def row(workload: str, name: str, runs: dict[str, list[Run]]) -> Row:
    """The medians of one server."""
    own = runs[name]
    cpu_us, rate, p50_us, p99_us = (median(own, what) for what in ("cpu_us", "rate", "p50_us", "p99_us"))
    against = None if name == OURS else ratio(own, runs[OURS])
    return Row(workload, name, cpu_us, against, None if name == OURS else store_us(own), rate, p50_us, p99_us)


def show(rows: list[Row | Absent], memory: dict[str, int], run: str) -> None:
    """The table, the memory, and what they were measured with."""
    print(f"\n{run}\n\n{table(rows)}\n")
    print("resident memory, MiB: " + ", ".join(f"{name} {mib}" for name, mib in memory.items()))


if __name__ == "__main__":
    main()
