"""Requests to the worker: what is tried again, what is not, and how many are under way."""

import pytest
from hotrow.errors import Code, HotrowError
from hotrow.offline import delivery as delivery_module
from hotrow.offline.delivery import IN_FLIGHT, Delivery
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsReply
from hotrow.v1.push_pb2 import Rejection

REPLY = MaterializeRowsReply(written=2, skipped_stale=1, duplicates=1)


class Worker:
    """Answers each request with the next of `answers`, then with REPLY; counts what is under way."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.open = self.most_open = 0
        self.cancelled = 0

    def __call__(self, request):
        self.requests.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return Pending(self)


class Pending:
    def __init__(self, worker):
        self.worker = worker

    def result(self):
        self.worker.open -= 1
        answer = self.worker.answers.pop(0) if self.worker.answers else REPLY
        if isinstance(answer, HotrowError):
            raise answer
        return answer.SerializeToString()

    def cancel(self):
        self.worker.open -= 1
        self.worker.cancelled += 1


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    """Time passes only where a test says so."""
    now = [0.0]
    monkeypatch.setattr(delivery_module.clock, "monotonic_s", lambda: now[0])
    monkeypatch.setattr(delivery_module.clock, "sleep_s", lambda s: now.__setitem__(0, now[0] + s))
    return now


def test_several_are_under_way_and_all_are_counted():
    """At most IN_FLIGHT unanswered; the tally is of all."""
    worker = Worker()
    delivery = Delivery(worker)
    for i in range(10):
        delivery.send(bytes([i]))
    delivery.drain()
    assert worker.most_open == IN_FLIGHT
    assert worker.requests == [bytes([i]) for i in range(10)]
    assert (delivery.tally.written, delivery.tally.stale, delivery.tally.duplicates) == (20, 10, 10)


@pytest.mark.parametrize(
    "error",
    [
        HotrowError(Code.UNAVAILABLE, "away"),
        HotrowError(Code.DEADLINE, "slow"),
        HotrowError(Code.EXHAUSTED, "the queue is full", retry_after_s=0.5),
    ],
)
def test_what_passes_is_tried_again(error):
    """A worker that is started again takes the same request."""
    said = []
    worker = Worker(error, error)
    delivery = Delivery(worker, on_wait=said.append)
    delivery.send(b"a")
    delivery.drain()
    assert worker.requests == [b"a"] * 3
    assert said == [error, error]
    assert delivery.tally.written == 2


@pytest.mark.parametrize(
    "error",
    [
        HotrowError(Code.INVALID, "wrong column"),
        HotrowError(Code.EXHAUSTED, "the store is full"),
        HotrowError(Code.INTERNAL, "a defect"),
    ],
)
def test_what_does_not_pass_is_an_error_at_once(error):
    """Trying again would waste a minute."""
    worker = Worker(error)
    delivery = Delivery(worker)
    delivery.send(b"a")
    with pytest.raises(HotrowError) as caught:
        delivery.drain()
    assert caught.value is error
    assert worker.requests == [b"a"]


def test_patience_ends(no_sleep):
    """A worker that stays away is an error in the end."""
    worker = Worker(*[HotrowError(Code.UNAVAILABLE, "away")] * 10_000)
    delivery = Delivery(worker)
    delivery.send(b"a")
    with pytest.raises(HotrowError, match="away"):
        delivery.drain()
    assert 60 <= no_sleep[0] < 65


def test_a_snapshot_that_is_not_served_yet_is_waited_for_at_the_beginning_only(no_sleep):
    """A worker needs a moment after `apply`; one that served rows and then refuses means it."""
    refusal = HotrowError(Code.FAILED_PRECONDITION, "not served")
    delivery = Delivery(Worker(refusal, refusal))
    delivery.send(b"a")
    delivery.drain()
    assert delivery.tally.written == 2
    delivery = Delivery(Worker(REPLY, refusal))
    delivery.send(b"a")
    delivery.send(b"b")
    with pytest.raises(HotrowError, match="not served"):
        delivery.drain()
    delivery = Delivery(Worker(*[refusal] * 1000))
    delivery.send(b"a")
    before = no_sleep[0]
    with pytest.raises(HotrowError, match="not served"):
        delivery.drain()
    assert 15 <= no_sleep[0] - before < 20


def test_rejections_are_counted_by_reason():
    """Many rows, few reasons."""
    reply = MaterializeRowsReply(
        rejected=3, rejections=[Rejection(row=i, field="f", reason="too long") for i in range(3)]
    )
    delivery = Delivery(Worker(reply, reply))
    delivery.send(b"a")
    delivery.send(b"b")
    delivery.drain()
    assert delivery.tally.rejected == 6
    assert delivery.tally.rejections == {("f", "too long"): 6}


def test_cancel_waits_for_nothing():
    """After an interrupt nobody waits for replies."""
    worker = Worker()
    delivery = Delivery(worker)
    delivery.send(b"a")
    delivery.send(b"b")
    delivery.cancel()
    delivery.drain()
    assert worker.cancelled == 2
    assert delivery.tally.written == 0
