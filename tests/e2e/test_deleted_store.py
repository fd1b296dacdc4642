"""A store's folder that goes away under real processes: no push is acknowledged that would be lost."""

import shutil
import threading
import time
from collections.abc import Callable

import grpc
import pytest

from .processes import Caller, Program, Repository, caller_of, until

Run = Callable[..., Program]


def wait_noticed(*callers: Caller) -> None:
    """Until every health check says NOT_SERVING: a quarter of a second, or what a busy machine makes of it."""
    until(lambda: not any(caller.serving() for caller in callers), 10.0)


def refusal(caller: Caller) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        caller.push({1: 9.0})
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    return str(refused.value.details())


def test_a_deleted_store_takes_no_pushes(repository: Repository, run: Run) -> None:
    """Health says so on every port; the next start says that the rows of before are not there."""
    settings = repository.settings
    serve = run("serve")
    serve.wait_ready()
    with Caller(settings.server.address) as caller, Caller(settings.ingest.address) as producer:
        assert caller.push({1: 1.0}).written == 1
        assert caller.serving()
        assert producer.serving()
        shutil.rmtree(settings.online_store.path)
        assert "was deleted while it was open" in refusal(caller)
        wait_noticed(caller, producer)
    assert "deleted or moved while it was open" in serve.log()
    assert serve.stop() == 0
    assert "Traceback" not in serve.log()
    again = run("serve")
    again.wait_ready()
    assert "without the rows of the one before it" in again.log()
    with Caller(settings.server.address) as caller:
        assert caller.push({2: 2.0}).written == 1
        assert caller.read(1, 2) == [0.0, 2.0]


def test_no_push_is_acknowledged_that_the_next_start_lacks(repository: Repository, run: Run) -> None:
    """The folder is deleted under a load: what was answered before is gone with it, and nothing is answered after."""
    settings = repository.settings
    serve = run("serve")
    serve.wait_ready()
    deleted = threading.Event()
    after: list[float] = []
    stop = threading.Event()

    def push() -> None:
        with Caller(settings.server.address) as caller:
            while not stop.is_set():
                was_deleted = deleted.is_set()
                try:
                    caller.push({1: time.monotonic()})
                except grpc.RpcError:
                    continue
                if was_deleted:
                    after.append(time.monotonic())

    pushers = [threading.Thread(target=push) for _ in range(4)]
    for pusher in pushers:
        pusher.start()
    time.sleep(0.3)
    shutil.rmtree(settings.online_store.path)
    deleted.set()
    time.sleep(0.5)
    stop.set()
    for pusher in pushers:
        pusher.join()
    assert after == []


def test_a_store_that_is_put_back_is_served_again(repository: Repository, run: Run) -> None:
    """The same files: by the workers that run. A copy of them, as from a backup: by workers that open it."""
    settings = repository.settings
    path = settings.online_store.path
    aside = path.with_name("aside")
    serve = run("serve")
    serve.wait_ready()
    with Caller(settings.server.address) as caller:
        assert caller.push({1: 1.0}).written == 1
        path.rename(aside)
        wait_noticed(caller)
        aside.rename(path)
        until(caller.serving, 10.0)
        assert caller.push({1: 2.0}).written == 1
    pids = {(one.role, one.index): one.pid for one in serve.state().workers}
    shutil.copytree(path, aside, ignore=shutil.ignore_patterns("*.lock", "lock.mdb"))
    shutil.rmtree(path)
    aside.rename(path)
    until(lambda: all(pids[one.role, one.index] != one.pid for one in serve.state().workers), 60.0)
    until(lambda: all(one.status == "ready" for one in serve.state().workers), 60.0)
    with caller_of(settings.server.address, serve.worker("server").pid) as caller:
        assert caller.read(1) == [2.0]
        assert caller.push({1: 3.0}).written == 1
        assert caller.read(1) == [3.0]
