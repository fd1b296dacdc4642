"""`hotrow serve`, `hotrow server` and `hotrow ingest`: run workers until a signal ends them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from hotrow.cli.option import Repo
from hotrow.cli.workspace import find_repo

if TYPE_CHECKING:
    from hotrow.supervisor.state import SupervisorState

Insecure = Annotated[
    bool, typer.Option("--insecure", help="Listen without TLS on an address that other machines can reach.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", metavar="N", min=1, max=256, help="Server workers. Default: server.workers."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    app.command("server")(server)
    app.command("ingest")(ingest)


def serve(repo: Repo = None, workers: Workers = None, *, insecure: Insecure = False) -> None:
    """Serve reads and pushes on this machine, until Ctrl-C or SIGTERM.

    Starts the server workers and the ingest worker, and starts one again that dies. What is applied is served within
    a second. Needs an applied snapshot: run `hotrow apply` first.

    Ctrl-C and SIGTERM drain: running calls are answered, queued pushes are committed, and then it exits with 0. A
    second one does not wait.
    """
    _run(repo, "serve", workers=workers, insecure=insecure)


def server(repo: Repo = None, workers: Workers = None, *, insecure: Insecure = False) -> None:
    """Serve reads alone, from the store on this machine; pushes are handed to the worker at ingest.address."""
    _run(repo, "server", workers=workers, insecure=insecure)


def ingest(repo: Repo = None, *, insecure: Insecure = False) -> None:
    """Run the ingest worker alone: the one writer of the store, at ingest.address."""
    _run(repo, "ingest", workers=None, insecure=insecure)


def _run(repo: Repo, role: str, *, workers: Workers, insecure: bool) -> None:
    from hotrow import log  # noqa: PLC0415 - as the other commands, to keep --help fast
    from hotrow.settings import load_settings  # noqa: PLC0415
    from hotrow.supervisor.child import Fleet  # noqa: PLC0415
    from hotrow.supervisor.run import serve_fleet  # noqa: PLC0415

    settings = load_settings(find_repo(repo))
    log.configure_log(level=settings.log.level, json=settings.log.json, process="supervisor", pid=os.getpid())
    servers = 0 if role == "ingest" else workers or settings.server.workers
    fleet = Fleet(role, servers=servers, ingest=role != "server", insecure=insecure)
    serve_fleet(settings, fleet, on_ready=lambda state: print(ready_line(state), flush=True))


def ready_line(state: SupervisorState) -> str:
    """One line for a person: what is served, where, and by how many."""
    servers = [worker for worker in state.workers if worker.role == "server"]
    writers = [worker for worker in state.workers if worker.role == "ingest"]
    parts = []
    if servers:
        what = "reads" if writers else "reads, pushes handed on,"
        count = "1 worker" if len(servers) == 1 else f"{len(servers)} workers"
        parts.append(f"{what} on {servers[0].address} ({count}, fast lane {servers[0].lane})")
    parts += [f"pushes on {worker.address}" for worker in writers]
    head = f"snapshot {state.head[:12]}" if state.head else "no snapshot but branches"
    return f"hotrow is ready: {', '.join(parts)}; project {state.project}, {head}. Ctrl-C stops."
