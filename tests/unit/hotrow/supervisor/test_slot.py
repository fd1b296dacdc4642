"""When a worker's place is filled again: at once after one that served for a while, ever later after failures."""

import pytest
from hotrow import clock
from hotrow.supervisor.control import Ready, Serving
from hotrow.supervisor.slot import Slot


class DeadChild:
    """What a slot asks of a child."""

    pid = 1
    serving = Serving(("a",))

    def __init__(self, *, ready: bool) -> None:
        self.ready = Ready(self.serving, address="x:1") if ready else None


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    held = [100.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: held[0])
    return held


def test_failures_in_a_row_wait_longer_each_time(now: list[float]) -> None:
    slot = Slot("server", 0)
    waits = []
    for _ in range(7):
        slot.fill(DeadChild(ready=False))
        waits.append(slot.empty())
    assert waits == [0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert slot.failures == 7
    assert slot.due_s == 102.0
    assert not slot.served


def test_after_a_worker_that_served_for_a_while_the_next_is_due_at_once(now: list[float]) -> None:
    slot = Slot("server", 0)
    slot.fill(DeadChild(ready=False))
    slot.empty()
    slot.fill(DeadChild(ready=True))
    slot.mark_ready()
    now[0] += 2
    assert slot.empty() == 0
    assert (slot.failures, slot.served) == (0, True)


def test_one_that_died_soon_after_it_was_ready_counts_as_a_failure(now: list[float]) -> None:
    slot = Slot("server", 0)
    slot.fill(DeadChild(ready=True))
    slot.mark_ready()
    now[0] += 0.5
    assert slot.empty() == 0.1


def test_its_state_says_what_it_does(now: list[float]) -> None:
    slot = Slot("ingest", 0)
    assert (slot.state(draining=False).status, slot.state(draining=False).restarts) == ("waiting", 0)
    slot.fill(DeadChild(ready=False))
    assert slot.state(draining=False).status == "starting"
    slot.empty()
    slot.fill(DeadChild(ready=True))
    state = slot.state(draining=False)
    assert (state.status, state.restarts, state.serves, state.address) == ("ready", 1, ("a",), "x:1")
    assert slot.state(draining=True).status == "draining"
