"""Reads that wait for a commit."""

import threading

import pytest
from hotrow import clock
from hotrow.errors import Code, HotrowError
from hotrow.stores.memory import MemoryStore
from hotrow.stores.port import Mark, Write
from hotrow_server.wait import SequenceWaiter
from support.world import RecordingCall


class Commits:
    """A store whose sequence moves with every commit."""

    def __init__(self):
        self.store = MemoryStore()

    def commit(self):
        mark = Mark(str(self.store.sequence()).encode(), b"d")
        self.store.write([Write(bytes(8), [], [], mark)])


@pytest.fixture
def commits():
    return Commits()


def test_calls_proceed_when_their_commit_shows(commits):
    """Each when its own does, many at once."""
    waiter = SequenceWaiter(commits.store)
    calls = [RecordingCall() for _ in range(50)]
    for number, call in enumerate(calls):
        waiter.when_visible(1 + number % 2, call, lambda call=call: call.reply(b"seen"))
    commits.commit()
    assert all(call.result() == b"seen" for call in calls[::2])
    assert all(call.answers == [] for call in calls[1::2])
    commits.commit()
    assert all(call.result() == b"seen" for call in calls[1::2])


class TimedCall(RecordingCall):
    """Notes when it was told of its failure, for the thread of a test may come much later."""

    def fail(self, error):
        self.failed_s = clock.now_s()
        super().fail(error)


def test_a_call_is_answered_before_its_deadline(commits):
    """UNAVAILABLE, with a hint to try again, while another one waits on."""
    waiter = SequenceWaiter(commits.store)
    patient, hasty = RecordingCall(), TimedCall(deadline_s=clock.now_s() + 0.5)
    waiter.when_visible(1, patient, lambda: patient.reply(b"seen"))
    waiter.when_visible(1, hasty, lambda: hasty.reply(b"seen"))
    with pytest.raises(HotrowError, match="min_token") as caught:
        hasty.result()
    assert hasty.failed_s < hasty.deadline_s
    assert (caught.value.code, caught.value.retry_after_s is not None) == (Code.UNAVAILABLE, True)
    commits.commit()
    assert patient.result() == b"seen"


def test_a_call_that_is_gone_is_dropped(commits):
    """Nobody reads its answer."""
    waiter = SequenceWaiter(commits.store)
    gone, there = RecordingCall(), RecordingCall()
    gone.gone = True
    waiter.when_visible(1, gone, lambda: gone.reply(b"seen"))
    waiter.when_visible(1, there, lambda: there.reply(b"seen"))
    commits.commit()
    assert there.result() == b"seen"
    assert gone.answers == []


@pytest.mark.parametrize("error", [HotrowError(Code.DATA_LOSS, "broken"), RuntimeError("secret")])
def test_a_read_that_fails_is_answered_and_the_others_wait_on(commits, error):
    """An expected failure as it is, another as INTERNAL with the request id and nothing else."""
    waiter = SequenceWaiter(commits.store)
    failing, there = RecordingCall(), RecordingCall()

    def fail():
        raise error

    waiter.when_visible(1, failing, fail)
    waiter.when_visible(2, there, lambda: there.reply(b"seen"))
    commits.commit()
    with pytest.raises(HotrowError) as caught:
        failing.result()
    if isinstance(error, HotrowError):
        assert caught.value is error
    else:
        assert (caught.value.code, caught.value.message) == (Code.INTERNAL, "internal error; request id call-1")
    commits.commit()
    assert there.result() == b"seen"


def test_the_thread_lives_only_while_calls_wait(commits):
    """And comes back for the next one."""
    waiter = SequenceWaiter(commits.store)
    for _ in range(2):
        call = RecordingCall()
        others = set(threading.enumerate())
        waiter.when_visible(commits.store.sequence() + 1, call, lambda call=call: call.reply(b"seen"))
        [thread] = set(threading.enumerate()) - others
        commits.commit()
        assert call.result() == b"seen"
        thread.join(5)
        assert not thread.is_alive()
