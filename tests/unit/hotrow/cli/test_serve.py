"""What `hotrow serve` and its two halves say."""

import pytest
import typer
from hotrow.cli import serve
from hotrow.supervisor.state import SupervisorState, WorkerState
from typer.testing import CliRunner

HEAD = "0123456789abcdef" * 4
SERVED = "project rides, snapshot 0123456789ab. Ctrl-C stops."
SERVERS = tuple(WorkerState("server", i, "ready", address="127.0.0.1:6565", lane="on") for i in (0, 1))
INGEST = WorkerState("ingest", 0, "ready", address="127.0.0.1:6566", lane="on")


def state(*workers: WorkerState, head: str = HEAD) -> SupervisorState:
    return SupervisorState("x", "serve", 1, "rides", 1, ready=True, head=head, workers=workers)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            state(INGEST, *SERVERS),
            f"hotrow is ready: reads on 127.0.0.1:6565 (2 workers, fast lane on), pushes on 127.0.0.1:6566; {SERVED}",
        ),
        (
            state(SERVERS[0]),
            f"hotrow is ready: reads, pushes handed on, on 127.0.0.1:6565 (1 worker, fast lane on); {SERVED}",
        ),
        (
            state(INGEST, head=""),
            "hotrow is ready: pushes on 127.0.0.1:6566; project rides, no snapshot but branches. Ctrl-C stops.",
        ),
    ],
)
def test_one_line_says_what_is_served_and_where(given: SupervisorState, line: str) -> None:
    assert serve.ready_line(given) == line


@pytest.mark.parametrize("command", ["serve", "server", "ingest"])
def test_the_commands_have_help_and_know_the_repository(command: str) -> None:
    app = typer.Typer()
    serve.register(app)
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "--repo" in shown.output
    assert "--insecure" in shown.output
    assert ("--workers" in shown.output) == (command != "ingest")
