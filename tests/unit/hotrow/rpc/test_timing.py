"""The timer of a call: what a door gives it, what it tells, and how the stages of two workers come together."""

import pytest
from hotrow import clock
from hotrow.rpc.timing import StageTimer, stages_ms

TIMED = (("hotrow-timing", "1"),)


@pytest.fixture
def times_ns(monkeypatch):
    """What the clock of durations says, in turn."""

    def give(*values):
        told = iter(values)
        monkeypatch.setattr(clock, "monotonic_ns", lambda: next(told))

    return give


def test_stages_are_told_in_milliseconds_and_in_order(times_ns):
    times_ns(0, 1_500_000, 1_600_000)
    timer = StageTimer()
    timer.ended("queue")
    timer.ended("parse")
    assert timer.trailers() == (("server-timing", "queue;dur=1.5000, parse;dur=0.1000"),)
    assert stages_ms(timer.trailers()) == {"queue": 1.5, "parse": 0.1}


def test_a_stage_that_comes_again_is_added_up(times_ns):
    times_ns(0, 1_000_000, 3_000_000, 6_000_000)
    timer = StageTimer()
    for stage in ("wait", "commit", "wait"):
        timer.ended(stage)
    assert stages_ms(timer.trailers()) == {"wait": 4.0, "commit": 2.0}


def test_what_another_worker_answered_is_told_with_the_hop(times_ns):
    """The hop is what its stages leave of the time that passed here; its other trailers stay."""
    times_ns(0, 1_000_000, 9_000_000)
    timer = StageTimer()
    timer.ended("queue")
    trailers = timer.handed_on((("server-timing", "queue;dur=0.5, commit;dur=4"), ("other", "kept")))
    assert trailers[0] == ("other", "kept")
    assert stages_ms(trailers) == {"queue": 1.5, "hop": 3.5, "commit": 4.0}


def test_the_hop_is_never_negative(times_ns):
    times_ns(0, 1_000_000)
    assert stages_ms(StageTimer().handed_on((("server-timing", "commit;dur=5"),)))["hop"] == 0


@pytest.mark.parametrize("told", [(), (("server-timing", ""),), (("server-timing", b"\xff"),), (("x", "a;dur=1"),)])
def test_no_stages(told):
    assert stages_ms(told) == {}


def test_a_door_gives_a_timer_to_who_asks_and_the_gate_ends_its_queue(served):
    """By both doors, and to nobody else."""
    served.unary("echo")(b"x", timeout=5, metadata=TIMED)
    served.unary("echo")(b"x", timeout=5, metadata=(("hotrow-timing", "0"),))
    asked, silent = served.methods.seen
    assert list(stages_ms(asked.timer.trailers())) == ["queue"]
    assert silent.timer is None
