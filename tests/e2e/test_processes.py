"""`hotrow serve`, `server` and `ingest` as real processes: they serve, survive kills, drain, and refuse a second."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from hotrow.supervisor.run import ingest_socket
from hotrow.supervisor.state import read_state

from .processes import DEFINITIONS, Caller, Program, Repository, alive, caller_of, push_request, until

Run = Callable[..., Program]


def refused(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def push_again(caller: Caller, values: dict[int, float], request_id: str):
    """Push until it is answered, with one request id, as a careful producer does."""
    for _ in range(300):
        try:
            return caller.push(values, request_id=request_id)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(0.1)
    raise AssertionError("the ingest worker does not come back")


@pytest.mark.parametrize("lane", ["auto", "off"])
def test_serve_answers_reads_and_pushes_on_every_worker(repository: Repository, run: Run, lane: str) -> None:
    settings = repository.settings
    (repository.path / "lmdb.py").write_text("raise SystemExit('a file here must not stand in for a module')")
    serve = run("serve", HOTROW_SERVER_LANE=lane)
    line = serve.wait_ready()
    expected = "on" if lane == "auto" else "off: by the settings"
    assert f"reads on {settings.server.address} (2 workers, fast lane {expected})" in line
    assert f"pushes on {settings.ingest.address}" in line
    pids = {serve.worker("server", index).pid for index in (0, 1)}
    assert len(pids) == 2
    for number, pid in enumerate(pids):
        with caller_of(settings.server.address, pid) as caller:
            assert caller.serving()
            assert caller.push({number: 10.0 + number}).written == 1
            assert caller.read(number) == [10.0 + number]
    with Caller(settings.ingest.address) as producer:
        assert producer.ingest.PushFeatures(push_request({7: 7.0}), timeout=10).written == 1
    for pid in pids:
        with caller_of(settings.server.address, pid) as caller:
            assert caller.read(0, 1, 7) == [10.0, 11.0, 7.0]
    assert serve.stop() == 0
    assert read_state(settings).supervisors == ()
    assert refused(settings.server.address)
    assert refused(settings.ingest.address)


def test_before_the_first_apply_serve_says_what_to_do(tmp_path: Path) -> None:
    program = Program(Repository(tmp_path), "serve")
    assert program.wait() == 1
    assert "error: project 'rides' has no applied snapshot; run `hotrow apply` first" in program.log()


def test_apply_wait_returns_when_every_worker_serves_the_new_head(repository: Repository, run: Run) -> None:
    settings = repository.settings
    serve = run("serve")
    serve.wait_ready()
    with Caller(settings.server.address) as caller:
        caller.push({1: 1.0})
        old = caller.head()
        (repository.path / "definitions.py").write_text(DEFINITIONS)
        apply = run("apply", "--wait")
        assert apply.wait() == 0, apply.log()
        serves = {worker.serves for worker in serve.state().workers}
        for index in (0, 1):
            with caller_of(settings.server.address, serve.worker("server", index).pid) as worker:
                assert serves == {(worker.head(), old)}
                assert worker.read(1) == [1.0]
        assert caller.head() != old
    assert serve.stop() == 0


def test_after_sigkill_of_the_supervisor_nothing_is_left_and_a_new_serve_starts(
    repository: Repository, run: Run
) -> None:
    settings = repository.settings
    serve = run("serve")
    serve.wait_ready()
    pids = [worker.pid for worker in serve.state().workers]
    with Caller(settings.server.address) as caller:
        caller.push({1: 1.0})
    serve.signal(signal.SIGKILL)
    serve.wait()
    until(lambda: not any(alive(pid) for pid in pids), 5)
    assert read_state(settings).supervisors == ()
    until(lambda: refused(settings.server.address) and refused(settings.ingest.address), 5)
    again = run("serve", "--workers", "1")
    again.wait_ready()
    with Caller(settings.server.address) as caller:
        assert caller.read(1) == [1.0]
    assert again.stop() == 0


def test_sigkill_of_the_supervisor_while_workers_start_leaves_nothing(repository: Repository, run: Run) -> None:
    serve = run("serve")
    until(lambda: read_state(repository.settings).workers)
    pid = serve.worker("ingest").pid
    serve.signal(signal.SIGKILL)
    serve.wait()
    until(lambda: not alive(pid), 10)


def test_when_a_server_worker_is_killed_the_other_goes_on_and_it_comes_back(repository: Repository, run: Run) -> None:
    settings = repository.settings
    serve = run("serve")
    serve.wait_ready()
    victim, other = serve.worker("server", 0).pid, serve.worker("server", 1).pid
    with caller_of(settings.server.address, other) as caller:
        caller.push({1: 1.0})
        os.kill(victim, signal.SIGKILL)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert caller.read(1) == [1.0]
        until(lambda: serve.worker("server", 0).status == "ready" and serve.worker("server", 0).pid != victim)
        again = serve.worker("server", 0)
        assert again.restarts == 1
        with caller_of(settings.server.address, again.pid) as restarted:
            assert restarted.read(1) == [1.0]
    assert serve.stop() == 0


@pytest.mark.parametrize("place", ["after_write", "after_commit"])
def test_a_push_cut_off_by_the_worker_s_death_is_written_once(repository: Repository, run: Run, place: str) -> None:
    serve = run("serve", "--workers", "1", HOTROW_FAILPOINT=f"{place}:3")
    serve.wait_ready()
    first = serve.worker("ingest").pid
    with Caller(repository.settings.server.address) as caller:
        assert caller.push({1: 1.0}, request_id="a").written == 1
        assert caller.push({2: 2.0}, request_id="b").written == 1
        with pytest.raises(grpc.RpcError) as caught:
            caller.push({3: 3.0}, request_id="c")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        reply = push_again(caller, {3: 3.0}, "c")
        assert (reply.written, reply.skipped_stale, reply.duplicates) == (1, 0, 0)
        assert caller.read(1, 2, 3) == [1.0, 2.0, 3.0]
        assert serve.worker("ingest").pid != first
    assert "killed by SIGKILL" in serve.log()
    assert serve.stop() == 0


def test_sigterm_under_load_answers_every_push_that_was_taken(repository: Repository, run: Run) -> None:
    settings = repository.settings
    serve = run("serve")
    serve.wait_ready()
    acknowledged: list[int] = []
    codes: set[grpc.StatusCode] = set()

    def produce(start: int) -> None:
        with Caller(settings.server.address) as caller:
            for number in range(start, start + 100_000):
                try:
                    caller.push({number: float(number)})
                    acknowledged.append(number)
                except grpc.RpcError as error:
                    codes.add(error.code())
                    return

    producers = [threading.Thread(target=produce, args=(start * 1_000_000,)) for start in range(4)]
    for producer in producers:
        producer.start()
    until(lambda: len(acknowledged) > 50)
    assert serve.stop() == 0
    for producer in producers:
        producer.join()
    assert codes <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    again = run("serve", "--workers", "1")
    again.wait_ready()
    with Caller(settings.server.address) as caller:
        assert caller.read(*acknowledged) == [float(number) for number in acknowledged]
    assert again.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_health_says_not_serving_when_it_drains(repository: Repository, run: Run, number: int) -> None:
    serve = run("serve", "--workers", "1")
    serve.wait_ready()
    with Caller(repository.settings.server.address) as caller:
        watch = caller.health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        serve.signal(number)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert serve.wait() == 0


def test_a_second_serve_is_refused_with_the_reason_and_the_first_goes_on(repository: Repository, run: Run) -> None:
    first = run("serve", "--workers", "1")
    first.wait_ready()
    second = run("serve")
    assert second.wait() == 1
    assert f"has an ingest worker already, under process {first.process.pid}" in second.log()
    server, ingest = run("server"), run("ingest")
    assert server.wait() == 1
    assert f"{repository.settings.server.address} is served by process {first.process.pid} already" in server.log()
    assert ingest.wait() == 1
    with Caller(repository.settings.server.address) as caller:
        assert caller.push({1: 1.0}).written == 1


def test_an_address_that_another_program_has_is_refused_with_the_reason(repository: Repository, run: Run) -> None:
    host, _, port = repository.settings.server.address.rpartition(":")
    with socket.socket() as taken:
        taken.bind((host, int(port)))
        taken.listen()
        serve = run("serve", "--workers", "1")
        assert serve.wait(100) == 1
    assert f"{repository.settings.server.address} cannot be bound" in serve.log()


def test_another_address_without_tls_needs_insecure(repository: Repository, run: Run) -> None:
    wide = "0.0.0.0:" + repository.settings.server.address.rpartition(":")[2]
    serve = run("serve", "--workers", "1", HOTROW_SERVER_ADDRESS=wide)
    assert serve.wait(100) == 1
    assert "say --insecure" in serve.log()
    serve = run("serve", "--workers", "1", "--insecure", HOTROW_SERVER_ADDRESS=wide)
    assert f"reads on {wide} (1 worker" in serve.wait_ready()
    assert "without TLS" in serve.log()
    assert serve.stop() == 0


def test_server_and_ingest_apart_hand_pushes_on_by_grpc(repository: Repository, run: Run) -> None:
    settings = repository.settings
    ingest = run("ingest")
    assert ingest.wait_ready().startswith(f"hotrow is ready: pushes on {settings.ingest.address}; project rides")
    server = run("server", "--workers", "1")
    assert "reads, pushes handed on, on" in server.wait_ready()
    with Caller(settings.server.address) as caller:
        assert caller.push({1: 1.0}).written == 1
        assert caller.read(1) == [1.0]
        assert ingest.stop() == 0
        with pytest.raises(grpc.RpcError) as caught:
            caller.push({1: 2.0})
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert caller.read(1) == [1.0]
        run("ingest").wait_ready()
        assert push_again(caller, {1: 3.0}, "x").written == 1
        assert caller.read(1) == [3.0]
    assert server.stop() == 0


def test_a_server_without_a_store_says_what_it_waits_for(repository: Repository, run: Run) -> None:
    server = run("server", "--workers", "1")
    assert server.wait(100) == 1
    assert "server worker 0 cannot start" in server.log()
    assert "ingest" in server.log()


def test_a_worker_for_the_time_of_one_command_and_the_one_that_runs(repository: Repository, run: Run) -> None:
    settings = repository.settings
    with ingest_socket(settings) as path:
        assert path.is_socket()
        (state,) = read_state(settings).supervisors
        assert (state.role, state.workers[0].address) == ("run", "")
    assert read_state(settings).supervisors == ()
    assert not alive(state.workers[0].pid)
    serve = run("serve", "--workers", "1")
    serve.wait_ready()
    with ingest_socket(settings) as path:
        assert path == settings.ingest_socket
        assert len(read_state(settings).supervisors) == 1
    assert serve.stop() == 0
