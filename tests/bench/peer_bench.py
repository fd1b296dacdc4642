"""`python -m tests.bench.peer_bench`: hotrow and Feast's Python servers on the same data, in the same run, in turn."""

import argparse
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.dataset import PUSHES, READS
from tests.bench.load import LoadGenerator
from tests.bench.measure import Contender, ratio, summary
from tests.bench.peer_http import HttpLoadGenerator
from tests.bench.peer_measure import Peer, Plan, Run, in_turn, store_us
from tests.bench.peer_process import GRPC_SERVER, HTTP_SERVER, Environment, redis, redis_version, resident_mib
from tests.bench.peer_workload import Bodies, own_bodies, read_bodies, write_workload
from tests.bench.process import INGEST_PUSH, READ, Setup, Target, hotrow
from tests.bench.record import Record, Section, Table, Value, machine, rounded, write_record
from tests.bench.section import COMPARED_CALLERS, say
from tests.bench.table import screen_text

WORKLOADS = ("R1", "R2", "R3", *PUSHES)
OURS, GRPC, HTTP = "hotrow", "Feast gRPC", "Feast HTTP"
COLUMNS = ("workload", "server", "CPU us", f"x {OURS}", "store CPU us", "requests/s", "p50 us", "p99 us")
METHODS = {
    OURS: (READ, INGEST_PUSH),
    GRPC: ("/GrpcFeatureServer/GetOnlineFeatures", "/GrpcFeatureServer/Push"),
    HTTP: ("/get-online-features", "/push"),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the comparison, with its generator and its requests."""

    target: Target
    load: LoadGenerator
    bodies: Bodies
    store: Target | None = None

    def peer(self, name: str, workload: str) -> Peer | None:
        """How it is loaded with a workload; None where it cannot do it."""
        rounds = self.bodies.get(workload)
        if rounds is None:
            return None
        read = workload in READS
        address = self.target.address if read else self.target.ingest or self.target.address
        contender = Contender(self.target, address, METHODS[name][0 if read else 1], rounds)
        return Peer(contender, self.load, self.store, once=self.store is not None and not read)


def arguments() -> argparse.Namespace:
    """The command line, checked; it ends the program where it is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--callers", type=int, default=COMPARED_CALLERS)
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
        servers, versions = started(stack, Path(name), options.environment.resolve(), workloads, plan.rounds)
        requests = Table("Requests", COLUMNS, [row for one in workloads for row in measured(servers, one, plan)])
        memory = Table("Resident memory", ("process", "MiB"), resident(servers))
    notes = [f"{plan.callers} callers, {plan.pairs} pairs of {plan.seconds:g} s", *absent(servers, workloads)]
    record = Record(machine() | versions, {"peers": Section([requests, memory], notes=notes)})
    write_record(options.json, record)
    print(", ".join(f"{name} {value}" for name, value in record.machine.items()))
    print("", *map(screen_text, (requests, memory)), *notes, f"All is in {options.json}.", sep="\n\n")


def started(
    stack: contextlib.ExitStack, folder: Path, environment: Path, workloads: list[str], rounds: int
) -> tuple[dict[str, Server], dict[str, str]]:
    """Every server with the data in it and one reply of each kind checked, and the versions."""
    repo = folder / "feast"
    repo.mkdir()
    write_workload(repo, workloads, rounds)
    feast = Environment(environment / "bin", repo)
    store = stack.enter_context(redis(folder))
    say("filling the stores and checking replies")
    feast.prepare(store.address)
    version, bodies = read_bodies(repo)
    over_grpc = stack.enter_context(feast.server(GRPC_SERVER))
    over_http = stack.enter_context(feast.server(HTTP_SERVER))
    feast.python("check", str(repo), over_grpc.address, over_http.address)
    ours = stack.enter_context(hotrow(folder / "hotrow", Setup()))
    load, http_load = stack.enter_context(LoadGenerator()), stack.enter_context(HttpLoadGenerator())
    servers = {
        OURS: Server(ours, load, own_bodies(workloads)),
        GRPC: Server(over_grpc, load, bodies["grpc"], store),
        HTTP: Server(over_http, http_load, bodies["http"], store),
    }
    return servers, {"feast": version, "redis": redis_version()}


def measured(servers: dict[str, Server], workload: str, plan: Plan) -> list[tuple[Value, ...]]:
    """The lines of one workload, of the servers that can do it."""
    say(f"measuring {workload}")
    peers = {name: peer for name, server in servers.items() if (peer := server.peer(name, workload))}
    runs = in_turn(peers, plan)
    return [row(workload, name, runs) for name in runs]


def row(workload: str, name: str, runs: dict[str, list[Run]]) -> tuple[Value, ...]:
    """What the runs of one server come to; hotrow has no store process, and is what the others are held against."""
    ours, own = ([run.sample for run in runs[which]] for which in (OURS, name))
    one = summary(own)
    against = (None, None) if name == OURS else (ratio(own, ours), rounded(store_us(runs[name])))
    figures = (rounded(one.rate), rounded(one.p50_us), rounded(one.p99_us))
    return (workload, name, rounded(one.cpu_us), *against, *figures)


def resident(servers: dict[str, Server]) -> list[tuple[Value, ...]]:
    """Every server and its memory, and the store's."""
    targets = {name: server.target for name, server in servers.items()}
    targets["Redis"] = next(server.store for server in servers.values() if server.store)
    return [(name, round(resident_mib(target))) for name, target in targets.items()]


def absent(servers: dict[str, Server], workloads: list[str]) -> list[str]:
    """Which servers cannot do a workload, and why."""
    lacking = [(name, one) for one in workloads for name, server in servers.items() if one not in server.bodies]
    return [f"{name} is not in {workload}: it has no push of many rows." for name, workload in lacking]


if __name__ == "__main__":
    main()
