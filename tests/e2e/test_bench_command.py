"""`hotrow bench` against a server that fails under it, and by the ordinary door."""

import json
import os
import signal
from collections.abc import Callable

import pytest
from hotrow import clock

from .processes import Caller, Program, Repository, until

Run = Callable[..., Program]
LOADED_NS = 100_000_000


def serving(repository: Repository, run: Run, **environ: str) -> Program:
    """A server with some rows."""
    serve = run("serve", **environ)
    serve.wait_ready()
    with Caller(repository.settings.server.address) as caller:
        assert caller.push({number: float(number) for number in range(100)}).written == 100
    return serve


def test_a_worker_that_dies_under_the_load_is_said(repository: Repository, run: Run) -> None:
    """Its calls failed, and its CPU is gone with it: no figure is made of what is left."""
    serve = serving(repository, run)
    pids = [serve.worker("server", index).pid for index in (0, 1)]
    idle_ns = {pid: clock.process_cpu_ns(pid) for pid in pids}
    bench = run("bench", "--seconds", "4", "--json")

    def loaded() -> list[int]:
        return [pid for pid in pids if clock.process_cpu_ns(pid) > idle_ns[pid] + LOADED_NS]

    until(loaded)
    os.kill(loaded()[0], signal.SIGKILL)
    assert bench.wait(60) == 1
    told = json.loads(bench.output())
    assert told["cpu_us"] is None
    assert any("a worker ended during the run" in note for note in told["notes"])
    assert all(failure.startswith("UNAVAILABLE") for failure in told["failed"])
    assert serve.stop() == 0


def test_an_interrupted_bench_ends_at_once(repository: Repository, run: Run) -> None:
    serve = serving(repository, run)
    pid = serve.worker("server").pid
    idle_ns = clock.process_cpu_ns(pid)
    bench = run("bench", "--seconds", "600", "--connections", "16")
    until(lambda: clock.process_cpu_ns(pid) > idle_ns + LOADED_NS)
    bench.signal(signal.SIGINT)
    assert bench.wait(20) == 130
    with Caller(repository.settings.server.address) as caller:
        assert caller.read(1) == [1.0]
    assert serve.stop() == 0


@pytest.mark.parametrize("lane", ["on", "off"])
def test_both_doors_are_measured(repository: Repository, run: Run, lane: str) -> None:
    """The report says which, and has the same stages."""
    serve = serving(repository, run, HOTROW_SERVER_LANE="auto" if lane == "on" else "off")
    bench = run("bench", "stats:value", "--seconds", "0.3", "--json")
    assert bench.wait() == 0, bench.log()
    told = json.loads(bench.output())
    assert told["lane"].startswith(lane)
    assert [one["stage"] for one in told["stages"]] == ["send", "queue", "parse", "plan", "store", "reply", "total"]
    assert (told["entities"], told["failed"]) == (100, {})
    assert serve.stop() == 0
