"""The check of a snapshot's transforms, in the processes that make it: while it goes on, and what comes of it."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hotrow import Field, Float64, transform
from hotrow.registry.open import open_registry
from hotrow.registry.snapshot import Snapshot, snapshot_from_json
from hotrow.schema.canonical import canonical_json
from hotrow.settings import Settings
from hotrow.supervisor import transform_check
from hotrow.supervisor.control import Refs
from hotrow.supervisor.state import wait_served
from hotrow.supervisor.transform_check import TransformCheck
from hotrow.supervisor.watch import RegistryWatch
from hotrow.transforms.certificate import certificate_of

from .conftest import Running, apply, snapshot_of, until

LONG_S = 60.0  # for a process that imports the compiler, on a busy machine


def gated(settings: Settings) -> tuple[Snapshot, Path]:
    """A snapshot with a transform that computes nothing while its gate is missing, and the gate, which is closed."""
    gate = settings.repo / "gate"
    gate.touch()
    place = str(gate)

    def half(a: float) -> float:
        while not os.path.exists(place):  # noqa: PTH110 - a module of the standard library is what it may use
            time.sleep(0.01)
        return a / 2

    made = with_transform(half)
    gate.unlink()
    return made, gate


def with_transform(function: Callable[[float], float]) -> Snapshot:
    plain = snapshot_of("a")
    view = plain.views["stats"]
    made = transform(sources=[view], outputs=[Field("half", Float64)], mode="python")(function).transform
    certified = replace(made, certificate=certificate_of(made))
    return replace(plain, transforms={"half": certified})


def tampered(snapshot: Snapshot) -> Snapshot:
    """The same with another number in its certificate than what it computes."""
    document = json.loads(snapshot.to_json())
    golden = document["transforms"]["half"]["certificate"]["golden"]
    next(result for _, (result,) in golden if result[0] == 1)[1] = 12345.0
    return snapshot_from_json(canonical_json(document))


def put(settings: Settings, snapshot: Snapshot) -> str:
    registry = open_registry(settings.registry)
    return registry.apply(snapshot, expected_head=registry.head("rides"), author="test")


def watch(settings: Settings) -> RegistryWatch:
    return RegistryWatch(open_registry(settings.registry), "rides", lambda id_: TransformCheck(settings.registry, id_))


def test_a_slow_check_holds_up_nobody_and_then_lets_through(settings: Settings) -> None:
    first = apply(settings, "a")
    watched = watch(settings)
    assert watched.initial() == Refs((first,))
    snapshot, gate = gated(settings)
    slow = put(settings, snapshot)
    begun_s = time.monotonic()
    while time.monotonic() < begun_s + 2.0:
        assert watched.poll() is None
    (check,) = watched._checks.values()
    assert check.result() is None  # it goes on, whatever the time that importing takes
    assert watched.rejected == {}
    gate.touch()
    found: list[Refs | None] = []
    until(lambda: found.append(watched.poll()) or found[-1], LONG_S)
    assert found[-1] == Refs((slow, first))
    assert watched.poll() is None


def test_a_check_that_fails_keeps_the_head_before_it(settings: Settings) -> None:
    first = apply(settings, "a")
    watched = watch(settings)
    watched.initial()
    snapshot, gate = gated(settings)
    gate.touch()
    wrong = put(settings, tampered(snapshot))
    until(lambda: watched.poll() or watched.rejected, LONG_S)
    assert list(watched.rejected) == [wrong]
    assert "transform 'half' does not compute here what its certificate says" in watched.rejected[wrong]
    good = put(settings, snapshot)
    found: list[Refs | None] = []
    until(lambda: found.append(watched.poll()) or found[-1], LONG_S)
    assert found[-1] == Refs((good, first))


def test_a_check_that_takes_too_long_is_ended(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = apply(settings, "a")
    watched = watch(settings)
    watched.initial()
    monkeypatch.setattr(transform_check, "_LONGEST_S", 0.5)
    slow = put(settings, gated(settings)[0])
    until(lambda: watched.poll() or watched.rejected, LONG_S)
    assert watched.rejected == {slow: "its transforms took longer than 0.5 s to compile"}
    assert not watched._checks
    assert watched.poll() is None
    second = apply(settings, "a", "b")
    assert watched.poll() == Refs((second, first))


def test_the_watch_ends_a_check_that_goes_on(settings: Settings) -> None:
    apply(settings, "a")
    watched = watch(settings)
    watched.initial()
    put(settings, gated(settings)[0])
    assert watched.poll() is None
    (check,) = watched._checks.values()
    watched.close()
    assert check._process.returncode is not None


def test_workers_serve_the_old_head_through_a_slow_and_a_failing_check(
    settings: Settings, supervise: Callable[..., Running]
) -> None:
    """And one of them that is killed comes back with it; the state has the reason, and a good head is taken later."""
    first = apply(settings, "a")
    running = supervise(servers=1)
    running.wait_ready()
    snapshot, gate = gated(settings)
    slow = put(settings, snapshot)
    os.kill(running.state().workers[1].pid, 9)
    until(lambda: running.state().workers[1].restarts == 1 and running.state().workers[1].status == "ready")
    assert {worker.serves for worker in running.state().workers} == {(first,)}
    assert running.state().head == first
    gate.touch()
    wait_served(settings, slow, LONG_S)
    wrong = put(settings, tampered(snapshot))
    until(lambda: wrong in running.state().rejected, LONG_S)
    assert "does not compute here" in running.state().rejected[wrong]
    assert {worker.serves for worker in running.state().workers} == {(slow, first)}
    good = apply(settings, "a", "b")
    wait_served(settings, good, LONG_S)
    assert {worker.serves for worker in running.state().workers} == {(good, slow, first)}
