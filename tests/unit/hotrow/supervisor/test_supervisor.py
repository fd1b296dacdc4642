"""The supervisor with real processes that serve nothing: starts, restarts, publishes, drains, gives up."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.registry.open import open_registry
from hotrow.settings import Settings
from hotrow.supervisor.state import read_state, wait_served

from .conftest import Running, apply, program, snapshot_of, until

Supervise = Callable[..., Running]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_ready_when_all_workers_are_and_the_state_says_what_they_serve(
    settings: Settings, supervise: Supervise
) -> None:
    head = apply(settings, "a")
    running = supervise()
    state = running.wait_ready()
    assert state == running.state()
    assert (state.role, state.project, state.ready, state.head) == ("serve", "rides", True, head)
    assert [(w.role, w.index, w.status, w.serves) for w in state.workers] == [
        ("ingest", 0, "ready", (head,)),
        ("server", 0, "ready", (head,)),
        ("server", 1, "ready", (head,)),
    ]
    assert len({w.pid for w in state.workers} | {os.getpid()}) == 4
    assert running.notes()[0] == f"started 0 {settings.ingest_socket}"


def test_it_drains_the_servers_before_the_ingest_worker_and_leaves_nothing(
    settings: Settings, supervise: Supervise
) -> None:
    apply(settings, "a")
    running = supervise()
    state = running.wait_ready()
    assert running.stop() is None
    assert running.notes()[-3:] == ["drained server", "drained server", "drained ingest"]
    assert not any(alive(worker.pid) for worker in state.workers)
    assert read_state(settings).supervisors == ()


@pytest.mark.parametrize(("servers", "nicer"), [(1, True), (0, False)])
def test_the_ingest_worker_lets_the_server_workers_beside_it_go_first(
    settings: Settings, supervise: Supervise, servers: int, *, nicer: bool
) -> None:
    """It is nicer, and alone it is not."""
    apply(settings, "a")
    state = supervise(servers=servers).wait_ready()
    nice = {worker.role: os.getpriority(os.PRIO_PROCESS, worker.pid) for worker in state.workers}
    assert nice.get("server", 0) == os.getpriority(os.PRIO_PROCESS, 0)
    assert (nice["ingest"] > os.getpriority(os.PRIO_PROCESS, 0)) is nicer


def test_a_new_head_reaches_every_worker(settings: Settings, supervise: Supervise) -> None:
    first = apply(settings, "a")
    supervise().wait_ready()
    second = apply(settings, "a", "b")
    state = wait_served(settings, second, 5)
    assert {worker.serves for worker in state.workers} == {(second, first)}
    registry = open_registry(settings.registry)
    registry.pin("rides", "v1", first)
    until(lambda: read_state(settings).supervisors[0].head == second)


def test_a_snapshot_that_a_worker_refuses_is_told_to_who_waits(settings: Settings, supervise: Supervise) -> None:
    first = apply(settings, "a")
    refused = open_registry(str(settings.repo / "other"))
    second = refused.apply(snapshot_of("a", "b"), expected_head=None, author="test")
    running = supervise(server=program("server", "--refuse", second))
    running.wait_ready()
    assert apply(settings, "a", "b") == second
    with pytest.raises(HotrowError, match=r"refused by server worker \d: refused by the test"):
        wait_served(settings, second, 5)
    assert {worker.serves for worker in running.state().workers if worker.role == "server"} == {(first,)}


@pytest.mark.parametrize("role", ["server", "ingest"])
def test_a_killed_worker_is_started_again_and_serves_what_the_others_do(
    settings: Settings, supervise: Supervise, role: str
) -> None:
    apply(settings, "a")
    running = supervise()
    victim = next(worker for worker in running.wait_ready().workers if worker.role == role)
    others = {worker.pid for worker in running.state().workers} - {victim.pid}
    second = apply(settings, "a", "b")
    os.kill(victim.pid, signal.SIGKILL)
    state = wait_served(settings, second, 10)
    until(lambda: all(worker.status == "ready" for worker in running.state().workers))
    state = read_state(settings)
    again = next(worker for worker in state.workers if (worker.role, worker.index) == (role, victim.index))
    assert again.pid != victim.pid
    assert again.restarts == 1
    assert others < {worker.pid for worker in state.workers}
    assert "cleared" in running.notes()


def test_a_worker_can_be_killed_many_times_in_a_row(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    running = supervise(servers=1)
    pid = running.wait_ready().workers[1].pid
    for restarts in range(1, 5):
        os.kill(pid, signal.SIGKILL)
        until(
            lambda n=restarts: running.state().workers[1].restarts == n and running.state().workers[1].status == "ready"
        )
        pid = running.state().workers[1].pid
    assert running.stop() is None


def test_a_worker_that_cannot_start_ends_it_with_the_reason(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    running = supervise(server=program("server", "--fail-to-start"))
    error = running.wait_end()
    assert isinstance(error, HotrowError)
    assert error.code is Code.FAILED_PRECONDITION
    assert error.message == "server worker 0 cannot start: the test says no"
    assert read_state(settings).supervisors == ()


def test_a_worker_that_dies_without_a_word_ends_it_too(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    error = supervise(ingest=program("ingest", "--die-unheard")).wait_end()
    assert isinstance(error, HotrowError)
    assert error.message == "the ingest worker cannot start: exited with 7; its log says why"


def test_a_process_that_cannot_be_had_later_ends_no_other(
    settings: Settings, supervise: Supervise, tmp_path: Path
) -> None:
    """The others serve on, and it is started once it can be."""
    apply(settings, "a")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    running = supervise(servers=1, server=(str(python), *program("server")[1:]))
    ingest, server = running.wait_ready().workers
    python.rename(tmp_path / "away")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: running.state().workers[1].status == "waiting")
    assert running.state().workers[0] == ingest
    (tmp_path / "away").rename(python)
    until(lambda: running.state().workers[1].status == "ready")
    assert running.state().workers[0].pid == ingest.pid


def test_a_process_that_cannot_be_had_at_first_ends_it(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    error = supervise(server=("/nowhere/python",)).wait_end()
    assert isinstance(error, HotrowError)
    assert error.message.startswith("server worker 0 cannot start: ")
    assert "/nowhere/python" in error.message
    assert read_state(settings).supervisors == ()


def test_nothing_starts_before_the_first_apply(settings: Settings, supervise: Supervise) -> None:
    error = supervise().wait_end()
    assert isinstance(error, HotrowError)
    assert "hotrow apply" in error.message


def test_a_second_one_on_the_store_is_refused_and_the_first_goes_on(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    first = supervise(servers=1)
    first.wait_ready()
    error = supervise(servers=1).wait_end()
    assert isinstance(error, HotrowError)
    assert f"ingest worker already, under process {os.getpid()}" in error.message
    assert first.state().ready


def test_a_second_one_on_the_address_is_refused(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    supervise(servers=1, writes=False).wait_ready()
    error = supervise(servers=1, writes=False).wait_end()
    assert isinstance(error, HotrowError)
    assert error.code is Code.FAILED_PRECONDITION
    assert settings.server.address in error.message


def test_asked_twice_it_kills(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    running = supervise(server=program("server", "--hang-in-drain"))
    workers = running.wait_ready().workers
    running.ask_to_stop()
    until(lambda: running.state().draining)
    error = running.stop()
    assert isinstance(error, HotrowError)
    assert "did not drain: it was killed by SIGKILL" in error.message
    assert not any(alive(worker.pid) for worker in workers)


def test_stopped_while_it_starts_it_ends(settings: Settings, supervise: Supervise) -> None:
    apply(settings, "a")
    running = supervise()
    until(lambda: read_state(settings).supervisors)
    assert running.stop() is None
    assert running.announced == []
