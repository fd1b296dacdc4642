"""`hotrow bench`: what reads and pushes cost on a server that runs, and where their time goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import typer

from hotrow.cli import render
from hotrow.cli.arguments import takes
from hotrow.cli.bench_arguments import BenchArguments
from hotrow.cli.workspace import open_workspace
from hotrow.errors import Code, HotrowError, invalid, not_found
from hotrow.repo import link
from hotrow.repo.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from hotrow.cli.bench_cpu import Processes
    from hotrow.cli.bench_keys import Entities
    from hotrow.cli.bench_load import Burst, Outcome
    from hotrow.cli.bench_report import Cost, Scene
    from hotrow.cli.read import Asked
    from hotrow.registry.snapshot import Snapshot
    from hotrow.v1.feature_server_pb2 import GetServerInfoReply

_WARM_S = 1.0
_IDLE_S = 0.3
_TO_SAY = "--dry-run (checked and compared, nothing is written) or --branch NAME (written to the branch's own rows)"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(bench)


@takes(BenchArguments)
def bench(arguments: BenchArguments) -> None:
    """Measure a running server: CPU of a request, latency, throughput, and where the time goes, stage by stage.

    Sends reads of your own features, for entities that are in the store, and changes nothing. It is a load like any
    other: beside callers in production it takes their capacity, so begin with few callers.

    With --push it pushes rows that it has read back, and never over those of production: say --dry-run, and nothing is
    written, or --branch NAME, and they are written to the rows that a branch has for itself, with all that a commit
    costs. Exits with 1 where calls failed.

    \b
    Examples:
      hotrow bench
      hotrow bench driver_activity --entities 100 --callers 64
      hotrow bench driver_hourly_stats:fare driver_id=1001,1002 --json
      hotrow bench --push driver_stats_push --dry-run
      hotrow apply --branch bench --wait && hotrow bench --push driver_stats_push --branch bench
    """  # noqa: D301
    from hotrow.cli.bench_report import Report, print_report  # noqa: PLC0415

    _check(arguments)
    workspace = open_workspace(arguments.repo)
    server = link.Server(workspace.settings, arguments.server or workspace.settings.server.address)
    channels = [server.open() for _ in range(min(arguments.connections, arguments.callers))]
    try:
        stand = _Stand(arguments, workspace, server, channels)
        scene, burst = stand.push_burst() if arguments.push else stand.read_burst()
        stand.probe(burst)
        outcome, cost = stand.measure(burst)
    finally:
        for channel in channels:
            channel.close()
    report = Report(scene, outcome, cost)
    if arguments.json:
        render.print_json(report.document())
    else:
        print_report(report)
    if outcome.failures or not report.calls:
        raise typer.Exit(1)


def _check(arguments: BenchArguments) -> None:
    """Options that do not go together, before anything is asked of anybody."""
    if not arguments.push:
        for option, given in (("--dry-run", arguments.dry_run), ("--branch", arguments.branch)):
            if given:
                raise invalid(f"{option} goes with --push; reads change nothing")
        return
    if arguments.dry_run == bool(arguments.branch):
        both = "both are given" if arguments.dry_run else "a bench does not write over rows of production"
        raise invalid(f"--push needs one of {_TO_SAY}: {both}")
    if arguments.snapshot:
        raise invalid("--snapshot goes with reads; a push goes to the head with --dry-run, or to --branch NAME")
    named = [item for item in arguments.what or () if "=" not in item]
    if named:
        raise invalid(f"{named[0]}: a bench measures pushes or reads; leave out --push or the features")


@dataclass(frozen=True)
class _Stand:
    """A running server and its connections, with what is asked of it."""

    arguments: BenchArguments
    workspace: Workspace
    server: link.Server
    channels: Sequence[grpc.Channel]

    def read_burst(self) -> tuple[Scene, Burst]:
        """Reads of what the command line names."""
        from hotrow.cli.bench_request import read_requests  # noqa: PLC0415
        from hotrow.cli.read import asked_features  # noqa: PLC0415

        arguments = self.arguments
        snapshot = self.workspace.snapshot(arguments.snapshot)
        selected = [item for item in arguments.what or () if "=" not in item] or [_first(snapshot)]
        asked = asked_features(selected, snapshot)
        features = asked.names or [str(reference) for reference in snapshot.services[asked.service].features]
        entities = self._entities(snapshot, list(asked.views), asked)
        requests = read_requests(asked, entities, arguments.entities, snapshot.id if arguments.snapshot else "")
        scene = self._scene(asked.service or " ".join(selected), "", len(features), entities)
        return scene, self._burst("GetOnlineFeatures", requests)

    def push_burst(self) -> tuple[Scene, Burst]:
        """Pushes of rows that were read back, to nowhere or to a branch."""
        from hotrow.cli.bench_request import push_requests, rows_read_back  # noqa: PLC0415
        from hotrow.cli.push import find_target  # noqa: PLC0415
        from hotrow.cli.read import asked_features  # noqa: PLC0415
        from hotrow.v1.push_pb2 import PushFeaturesRequest  # noqa: PLC0415

        arguments, head = self.arguments, self.workspace.snapshot()
        target = find_target(arguments.push, head)
        branch = _branch(self.workspace, arguments.branch, head, target.view.name) if arguments.branch else None
        snapshot = branch.id if branch else head.id
        request = PushFeaturesRequest(project=head.project, dry_run=arguments.dry_run, snapshot=snapshot)
        if target.push_source:
            request.push_source = target.push_source
        else:
            request.view = target.view.name
        entities = self._entities(head, [target.view.name], asked_features([target.view.name], head))
        rows = rows_read_back(
            lambda read: self.server.call(self.channels[0], "GetOnlineFeatures", read, arguments.timeout),
            head,
            target,
            entities,
            arguments.entities,
        )
        mode = f"to the rows of branch {arguments.branch} alone" if branch else "none, a dry run: no wait, no commit"
        scene = self._scene(arguments.push, mode, len(target.view.fields), entities)
        return scene, self._burst("PushFeatures", push_requests(request, target, rows, arguments.entities))

    def probe(self, burst: Burst) -> None:
        """One request, so that what is wrong with all of them is said once, by the server's own words."""
        method = burst.method.removeprefix(link.SERVER)
        self.server.call(self.channels[0], method, burst.requests[0], self.arguments.timeout)

    def measure(self, burst: Burst) -> tuple[Outcome, Cost]:
        """Send a short burst of which only the failures count, then the one that is measured."""
        from hotrow import clock  # noqa: PLC0415
        from hotrow.cli.bench_load import send_burst  # noqa: PLC0415
        from hotrow.cli.bench_report import Cost  # noqa: PLC0415

        processes = self._processes
        warm = send_burst(self.channels, replace(burst, seconds=min(_WARM_S, burst.seconds / 4)))
        if warm.gave_up:
            return warm, Cost(None, restarted=processes is not None and processes.cpu_ns() is None)
        if processes is None:
            return send_burst(self.channels, burst).after(warm), Cost(None)
        idle = processes.cpu_ns()
        clock.sleep_s(_IDLE_S)
        before = processes.cpu_ns()
        outcome = send_burst(self.channels, burst).after(warm)
        after = processes.cpu_ns()
        if idle is None or before is None or after is None:
            return outcome, Cost(None, restarted=True)
        used = {role: after[role] - before[role] for role in after}
        return outcome, Cost(used, (sum(before.values()) - sum(idle.values())) / _IDLE_S / 1e9)

    def _entities(self, snapshot: Snapshot, views: list[str], asked: Asked) -> Entities:
        from hotrow.cli import bench_keys  # noqa: PLC0415
        from hotrow.cli.read import parse_arguments  # noqa: PLC0415
        from hotrow.stores.open import open_store  # noqa: PLC0415

        pairs = [item for item in self.arguments.what or () if "=" in item]
        if pairs and self.arguments.keys is not None:
            raise invalid("entities are named twice: leave out KEY=VALUE, or --keys")
        if pairs:
            named = parse_arguments([*(asked.names or [asked.service]), *pairs], snapshot)
            return bench_keys.Entities(named.entities, named.rows, "named")
        if self.arguments.keys is not None:
            return bench_keys.entities_from_file(self.arguments.keys, asked.types)
        if asked.sent:
            raise invalid(
                f"these features take {', '.join(sorted(asked.sent))} of the caller: name entities and these with "
                "KEY=VALUE, or --keys FILE"
            )
        if not asked.types:
            if self.arguments.entities > 1:
                raise invalid("--entities: the views have no join key, and so one row; leave it out")
            return bench_keys.Entities({}, 1, "row, as the views have no join key")
        try:
            settings = self.workspace.settings
            store = open_store(settings.online_store, project=settings.project, writable=False)
        except HotrowError as error:
            raise HotrowError(error.code, f"{error.message}; or name entities with KEY=VALUE or --keys FILE") from None
        try:
            if store.id != self._info.store_id:
                raise HotrowError(
                    Code.FAILED_PRECONDITION,
                    f"the server at {self.server.address} has another store than the one here, so its entities are "
                    "not known: name some with KEY=VALUE or --keys FILE",
                )
            return bench_keys.entities_from_store(store, snapshot, [snapshot.view(name) for name in views])
        finally:
            store.close()

    def _scene(self, target: str, mode: str, features: int, entities: Entities) -> Scene:
        from hotrow.cli.bench_report import Scene  # noqa: PLC0415

        processes, arguments = self._processes, self.arguments
        return Scene(
            kind="push" if arguments.push else "read",
            target=target,
            mode=mode,
            features=features,
            per_request=arguments.entities,
            entities=entities.rows,
            origin=entities.origin,
            address=self.server.address,
            lane=self._info.lane,
            snapshot=self._info.snapshot,
            callers=arguments.callers,
            connections=len(self.channels),
            worker_pids=tuple(sorted({info.worker for info in self._infos})),
            server_workers=processes.server_workers if processes else None,
        )

    def _burst(self, method: str, requests: Sequence[bytes]) -> Burst:
        from hotrow.cli.bench_load import Burst  # noqa: PLC0415

        arguments = self.arguments
        return Burst(link.SERVER + method, requests, arguments.callers, arguments.seconds, arguments.timeout)

    @cached_property
    def _infos(self) -> list[GetServerInfoReply]:
        """What the worker at the other end of each connection says of itself."""
        from hotrow.v1.feature_server_pb2 import GetServerInfoReply  # noqa: PLC0415

        asked = [self.server.call(one, "GetServerInfo", b"", self.arguments.timeout) for one in self.channels]
        return [GetServerInfoReply.FromString(reply) for reply in asked]

    @cached_property
    def _info(self) -> GetServerInfoReply:
        """That of the first; raises where another project is served."""
        info, project = self._infos[0], self.workspace.project
        if info.project != project:
            raise HotrowError(
                Code.FAILED_PRECONDITION,
                f"the server at {self.server.address} serves project {info.project!r}, and this repository is "
                f"{project!r}: name the server of this one with --server",
            )
        return info

    @cached_property
    def _processes(self) -> Processes | None:
        from hotrow.cli.bench_cpu import find_processes  # noqa: PLC0415

        return find_processes(self.workspace.settings, [info.worker for info in self._infos])


def _first(snapshot: Snapshot) -> str:
    """What is read where nothing is named."""
    for name in (*snapshot.services, *snapshot.views):
        return name
    raise HotrowError(Code.NOT_FOUND, f"project {snapshot.project!r} has no feature view yet; define one and apply it")


def _branch(workspace: Workspace, name: str, head: Snapshot, view: str) -> Snapshot:
    """The branch's snapshot; raises HotrowError unless its rows are its own and of the same schema as the head's."""
    branches = workspace.registry.refs(workspace.project).branches
    if name not in branches:
        error = not_found("branch", name, branches)
        raise HotrowError(error.code, f"{error.message}; make it with `hotrow apply --branch {name} --wait`")
    branch = workspace.registry.snapshot(branches[name])
    if not branch.namespace or branch.view_id(view) == head.view_id(view):
        raise HotrowError(
            Code.FAILED_PRECONDITION, f"branch {name!r} has no rows of its own, and a bench writes no other"
        )
    if branch.view(view).schema_bytes != head.view(view).schema_bytes:
        raise HotrowError(
            Code.FAILED_PRECONDITION,
            f"view {view} of branch {name!r} has other fields than at the head, whose rows are pushed: apply the "
            f"branch again with `hotrow apply --branch {name} --wait`",
        )
    return branch
