"""`hotrow serve`, `hotrow server` and `hotrow ingest`: run workers until a signal ends them."""

from pathlib import Path
from typing import Annotated

import typer

from hotrow import log
from hotrow.settings import load_settings
from hotrow.supervisor.child import Fleet
from hotrow.supervisor.run import serve_fleet
from hotrow.supervisor.state import SupervisorState, WorkerState

RepoOption = Annotated[Path, typer.Option("--repo", help="Folder of the feature repository, which has hotrow.toml.")]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Listen without TLS on an address that other machines can reach.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, max=256, help="Server workers, in place of server.workers.")
]


def serve(*, repo: RepoOption = Path(), workers: WorkersOption = None, insecure: InsecureOption = False) -> None:
    """Serve reads and pushes on this machine: server workers and the ingest worker, until Ctrl-C or SIGTERM.

    Run `hotrow apply` first. A worker that dies is started again; a newly applied snapshot is served within a
    second. SIGTERM and Ctrl-C drain: calls that run are answered, queued pushes are committed; a second one kills.
    """
    _run(repo, "serve", workers=workers, insecure=insecure)


def server(*, repo: RepoOption = Path(), workers: WorkersOption = None, insecure: InsecureOption = False) -> None:
    """Serve reads with server workers alone; pushes are handed to the ingest worker at ingest.address."""
    _run(repo, "server", workers=workers, insecure=insecure)


def ingest(*, repo: RepoOption = Path(), insecure: InsecureOption = False) -> None:
    """Serve pushes with the ingest worker alone, the one writer of the store."""
    _run(repo, "ingest", workers=None, insecure=insecure)


def _run(repo: Path, role: str, *, workers: int | None, insecure: bool) -> None:
    settings = load_settings(repo)
    log.configure_log(level=settings.log.level, json=settings.log.json, role="supervisor")
    servers = 0 if role == "ingest" else workers or settings.server.workers
    fleet = Fleet(role, servers=servers, ingest=role != "server", insecure=insecure)
    serve_fleet(settings, fleet, on_ready=lambda state: typer.echo(ready_line(state)))


def ready_line(state: SupervisorState) -> str:
    """One line for a person: what is served, where, by how many."""
    servers = [worker for worker in state.workers if worker.role == "server"]
    parts = []
    if servers:
        count = "1 worker" if len(servers) == 1 else f"{len(servers)} workers"
        parts.append(
            f"reads{_and_pushes(state.workers)} on {servers[0].address} ({count}, fast lane {servers[0].lane})"
        )
    parts += [f"pushes on {worker.address}" for worker in state.workers if worker.role == "ingest"]
    served = f"snapshot {state.head[:12]} of project {state.project}"
    return f"hotrow is ready: {', '.join(parts)}; {served}. Ctrl-C stops."


def _and_pushes(workers: tuple[WorkerState, ...]) -> str:
    return "" if any(worker.role == "ingest" for worker in workers) else " and pushes, handed on,"
