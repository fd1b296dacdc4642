"""Processes killed under load: what was acknowledged stays, nothing is written twice, and what died comes back."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .serving import Load, Repository, Serve, all_gone, audit, bindable

pytestmark = pytest.mark.timeout(300)  # a first start of all compiles the kernels

Start = Callable[..., Serve]
Drive = Callable[..., Load]
KILLED = {"read UNAVAILABLE", "push UNAVAILABLE"}
"""What callers of processes that are killed see, and nothing else."""

PLACES = ("after_write", "after_commit", "")
"""Where the ingest worker dies: between write and commit, between commit and reply, anywhere."""


@pytest.mark.parametrize("durability", ["fsync", "os"])
@pytest.mark.parametrize(
    ("kills_at", "commits"),
    [
        pytest.param((2, 2, 2), 100, id="short"),
        pytest.param((30, 30, 40), 300, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_the_ingest_worker_killed_again_and_again(
    tmp_path: Path, serve: Start, load: Drive, kills_at: tuple[int, ...], commits: int, durability: str
) -> None:
    """Under the pushes of four producers; a worker that a failpoint kills has made so many commits before.

    With "os" rows are committed by the threads that serve, and are the system's by the time of the reply.
    """
    repository = Repository(tmp_path / "rides", ingest=f'durability = "{durability}"')
    began = time.monotonic()
    pushing: Load | None = None
    kills = []
    for place, wanted in zip(PLACES, kills_at, strict=True):
        running = serve(repository, HOTROW_FAILPOINT=f"{place}:{commits}" if place else "").ready()
        pushing = pushing or load(repository, readers=2, pause_s=0.005, late_every=0)
        while running.restarts("ingest") < wanted:
            if place:
                time.sleep(0.05)
            else:
                pushing.until_done(pushing.done + 200)
                running.until_restarted("ingest", 0, running.kill_worker("ingest"))
        kills.append(running.restarts("ingest"))
        assert running.log().count("killed by SIGKILL") >= wanted
        running.stop()  # which fails where the drain comes to the failpoint once more
    last = serve(repository).ready()
    assert pushing is not None
    seen = pushing.stop()
    assert seen.violations == []
    assert seen.codes["push UNAVAILABLE"] >= sum(kills)
    assert seen.replayed >= kills[1]  # each such kill lost the reply to a push that had been committed
    assert seen.retried > seen.replayed
    rows = audit(repository, pushing, seen)
    assert last.stop() == 0
    report(f"{kills} kills of the ingest worker", seen, rows, began)


@pytest.mark.parametrize(
    ("readers", "calls", "every"),
    [
        pytest.param(8, 20_000, 2_500, id="short"),
        pytest.param(8, 1_000_000, 12_000, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_every_reply_is_consistent_while_workers_are_killed(
    repository: Repository, serve: Start, load: Drive, readers: int, calls: int, every: int
) -> None:
    """Eight readers over all workers and four producers; each worker in turn is killed."""
    began = time.monotonic()
    running = serve(repository).ready()
    driven = load(repository, readers=readers)
    victims = [("ingest", 0), ("server", 0), ("server", 1)]
    kills = 0
    while driven.done + every < calls:
        driven.until_done(driven.done + every, 300)
        role, index = victims[kills % len(victims)]
        running.until_restarted(role, index, running.kill_worker(role, index))
        kills += 1
    driven.until_done(max(calls, driven.done + every), 600)  # the worker killed last is read from too
    seen = driven.stop()
    assert seen.violations == []
    assert set(seen.codes) <= KILLED
    assert seen.reads + seen.pushes + seen.late >= calls
    for index in (0, 1):
        assert seen.workers[str(running.worker("server", index).pid)] > 0
    assert sum(running.restarts(role, index) for role, index in victims) == kills
    rows = audit(repository, driven, seen)
    assert running.stop() == 0
    report(f"{kills} kills of workers", seen, rows, began)


def test_the_supervisor_killed_under_load(repository: Repository, serve: Start, load: Drive) -> None:
    """No orphan keeps a port or the store, and the load goes on with the next `hotrow serve`, at once."""
    settings = repository.settings
    running = serve(repository).ready()
    driven = load(repository, readers=2)
    driven.until_done(500)
    pids = running.pids()
    assert len(pids) == 3
    began = time.monotonic()
    running.process.kill()
    running.wait()
    while not (all_gone(pids) and bindable(settings.server.address) and bindable(settings.ingest.address)):
        assert time.monotonic() < began + 5
        time.sleep(0.01)
    again = serve(repository).ready()
    driven.until_done(driven.done + 300)
    again.process.kill()
    again = serve(repository).ready()
    driven.until_done(driven.done + 300)
    seen = driven.stop()
    assert seen.violations == []
    assert set(seen.codes) <= KILLED
    assert seen.retried > 0
    audit(repository, driven, seen)
    assert again.stop() == 0


def test_a_server_worker_killed_under_load(repository: Repository, serve: Start, load: Drive) -> None:
    """The others go on: an error is seen only where a connection went to the dead one."""
    running = serve(repository).ready()
    driven = load(repository, readers=6)
    driven.until_done(1000)
    killed = running.kill_worker("server", 0)
    at_kill = driven.done
    driven.until_done(at_kill + 500)
    running.until_restarted("server", 0, killed)
    driven.until_done(driven.done + 3000)
    seen = driven.stop()
    assert seen.violations == []
    assert set(seen.codes) <= KILLED
    # Of each reader three connections, of two producers one: each of them breaks once at most, and may be refused
    # a few times while the core still spreads new connections over a socket that has gone.
    assert seen.codes["read UNAVAILABLE"] <= 2 * 6 * 3
    assert seen.codes["push UNAVAILABLE"] <= 2 * 2
    assert seen.workers[str(running.worker("server", 0).pid)] > 0
    audit(repository, driven, seen)
    assert running.stop() == 0


def report(what: str, seen: object, rows: int, began: float) -> None:
    counts = {name: value for name, value in vars(seen).items() if name not in ("replies", "violations")}
    print(f"\n{what} in {time.monotonic() - began:.0f} s, {rows} rows read back: {counts}")
