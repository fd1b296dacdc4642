"""Group commit: who shares a transaction, who is refused, and that everyone is answered."""

import threading

import pytest
from hotrow.codec.pushed import EncodedRows
from hotrow.errors import Code, HotrowError
from hotrow.stores.memory import MemoryStore
from hotrow.stores.port import VERSION, WRITTEN, Written
from hotrow.v1.push_pb2 import PushFeaturesRequest
from hotrow_ingest.batcher import Batcher, Pending
from reference.column import column
from support.codec import push_rows
from support.schema import view as feature_view

VIEW = feature_view({"id": "int64"}, {"x": "bool"})
VIEW_ID = b"view-one"
WAIT_S = 10.0


class GatedStore(MemoryStore):
    """Counts its commits, lets one pass for every `opened`, and can be too small or broken."""

    def __init__(self, *, most_rows: int = 1 << 30):
        super().__init__()
        self.commits: list[int] = []
        self.gate = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.most_rows = most_rows
        self.error: Exception | None = None

    def write(self, writes):
        self.entered.release()
        assert self.gate.acquire(timeout=WAIT_S)
        self.commits.append(len(writes))
        if self.error is not None:
            raise self.error
        if sum(len(write.keys) for write in writes) > self.most_rows:
            raise HotrowError(Code.EXHAUSTED, "the store is full")
        return super().write(writes)

    def open(self, commits: int = 1000) -> None:
        self.gate.release(commits)


class Outcomes:
    """Collects what batches are told."""

    def __init__(self):
        self._all: dict[int, list[Written | HotrowError]] = {}
        self._changed = threading.Condition()

    def of(self, number: int):
        def done(outcome):
            with self._changed:
                self._all.setdefault(number, []).append(outcome)
                self._changed.notify_all()

        return done

    def wait(self, count: int) -> dict[int, Written | HotrowError]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._all) >= count, WAIT_S), self._all
        assert all(len(outcomes) == 1 for outcomes in self._all.values())
        return {number: outcomes[0] for number, outcomes in self._all.items()}


def encoded(*ids: int) -> EncodedRows:
    rows = [column("id", "int64", list(ids)), column("x", "bool", [True] * len(ids))]
    return push_rows(VIEW, PushFeaturesRequest(rows=rows))


def pending(done, *ids: int, **fields) -> Pending:
    rows = encoded(*ids)
    keys = rows.keys()
    return Pending(VIEW_ID, fields.pop("keys", keys), rows, done, **fields)


@pytest.fixture
def started():
    """A batcher over a gated store, drained after the test."""
    made = []

    def start(store, *, queue_rows=1000, max_batch_rows=100, **options):
        made.append((store, Batcher(store, queue_rows=queue_rows, max_batch_rows=max_batch_rows, **options)))
        return made[-1][1]

    yield start
    for store, batcher in made:
        store.open()
        assert batcher.drain(WAIT_S)


def into(works):
    """A call's `put_off` that keeps the works for the test to do."""

    def put_off(work):
        works.append(work)
        return True

    return put_off


def hold(store, batcher, outcomes, *ids) -> None:
    """Begin a commit and keep it waiting."""
    batcher.submit(pending(outcomes.of(-1), *(ids or (0,))))
    assert store.entered.acquire(timeout=WAIT_S)


def test_what_comes_during_a_commit_shares_the_next(started):
    """One transaction for ten callers, each told its own outcome."""
    store, outcomes = GatedStore(), Outcomes()
    batcher = started(store)
    hold(store, batcher, outcomes)
    for number in range(10):
        batcher.submit(pending(outcomes.of(number), number, 100 + number))
    store.open()
    found = outcomes.wait(11)
    assert store.commits == [1, 10]
    assert all(outcome.outcomes == bytes([WRITTEN] * 2) for number, outcome in found.items() if number >= 0)
    assert {outcome.sequence for number, outcome in found.items() if number >= 0} == {2}
    assert store.info().rows == 20


def test_a_commit_has_a_bound_of_rows(started):
    """What is beyond it waits for the one after."""
    store, outcomes = GatedStore(), Outcomes()
    batcher = started(store, max_batch_rows=4)
    hold(store, batcher, outcomes)
    for number in range(5):
        batcher.submit(pending(outcomes.of(number), 2 * number, 2 * number + 1))
    store.open()
    outcomes.wait(6)
    assert store.commits == [1, 2, 2, 1]


def test_a_queue_full_of_bytes_refuses_at_once(started):
    """Few rows may be large; one batch alone is taken whatever its size."""
    store, outcomes = GatedStore(), Outcomes()
    size = pending(outcomes.of(9), 1, 2).encoded.buffer.nbytes
    batcher = started(store, queue_bytes=size)
    hold(store, batcher, outcomes, 1, 2)
    with pytest.raises(HotrowError, match="MiB of rows wait to be written") as caught:
        batcher.submit(pending(outcomes.of(0), 3))
    assert (caught.value.code, caught.value.retry_after_s is not None) == (Code.EXHAUSTED, True)
    store.open()
    outcomes.wait(1)
    batcher.submit(pending(outcomes.of(1), 3))
    outcomes.wait(2)


def test_a_full_queue_refuses_at_once(started):
    """EXHAUSTED with a hint; what waits is still written, and then there is room again."""
    store, outcomes = GatedStore(), Outcomes()
    batcher = started(store, queue_rows=5)
    hold(store, batcher, outcomes, 1, 2)
    batcher.submit(pending(outcomes.of(0), 3, 4, 5))
    with pytest.raises(HotrowError, match="5 rows wait to be written, of 5 that may") as caught:
        batcher.submit(pending(outcomes.of(1), 6))
    assert (caught.value.code, caught.value.retry_after_s is not None) == (Code.EXHAUSTED, True)
    store.open()
    outcomes.wait(2)
    batcher.submit(pending(outcomes.of(2), 6))
    assert outcomes.wait(3)[2].outcomes == bytes([WRITTEN])


def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(started):
    """Else it could never be written."""
    store, outcomes = GatedStore(), Outcomes()
    store.open()
    started(store, queue_rows=2).submit(pending(outcomes.of(0), *range(50)))
    assert len(outcomes.wait(1)[0].outcomes) == 50


def test_a_large_batch_that_does_not_fit_refuses_no_small_ones(started):
    """Each is tried alone; the large one is told that the store is full."""
    store, outcomes = GatedStore(most_rows=3), Outcomes()
    batcher = started(store)
    hold(store, batcher, outcomes)
    for number, ids in enumerate([(1,), (2, 3, 4, 5), (6, 7)]):
        batcher.submit(pending(outcomes.of(number), *ids))
    store.open()
    found = outcomes.wait(4)
    assert store.commits == [1, 3, 1, 1, 1]
    assert (found[0].outcomes, found[2].outcomes) == (bytes([WRITTEN]), bytes([WRITTEN] * 2))
    assert found[1].code is Code.EXHAUSTED
    assert store.info().rows == 4


@pytest.mark.parametrize(
    ("error", "code"),
    [(HotrowError(Code.UNAVAILABLE, "away"), Code.UNAVAILABLE), (RuntimeError("secret"), Code.INTERNAL)],
)
def test_a_commit_that_fails_answers_all_and_the_thread_goes_on(started, error, code):
    """With the error, or INTERNAL without what is internal."""
    store, outcomes = GatedStore(), Outcomes()
    batcher = started(store)
    hold(store, batcher, outcomes)
    for number in range(3):
        batcher.submit(pending(outcomes.of(number), number))
    store.error = error
    store.open()
    found = outcomes.wait(4)
    assert {outcome.code for outcome in found.values()} == {code}
    assert not any("secret" in outcome.message for outcome in found.values())
    store.error = None
    batcher.submit(pending(outcomes.of(9), 9))
    assert outcomes.wait(5)[9].outcomes == bytes([WRITTEN])


def test_an_answer_that_fails_keeps_no_other_from_its_own(started):
    """A caller's fault is its own."""
    store, outcomes = GatedStore(), Outcomes()
    batcher = started(store)
    hold(store, batcher, outcomes)

    def fail(outcome):
        raise RuntimeError

    batcher.submit(pending(fail, 1))
    batcher.submit(pending(outcomes.of(2), 2))
    store.open()
    assert outcomes.wait(2)[2].outcomes == bytes([WRITTEN])


def test_drain_commits_what_waits_and_takes_nothing_more(started):
    """All that was submitted is answered before it returns."""
    store, outcomes = GatedStore(), Outcomes()
    batcher = started(store)
    hold(store, batcher, outcomes)
    for number in range(20):
        batcher.submit(pending(outcomes.of(number), number))
    assert not batcher.drain(0.05)
    with pytest.raises(HotrowError, match="the ingest worker stops") as caught:
        batcher.submit(pending(outcomes.of(99), 99))
    assert caught.value.code is Code.UNAVAILABLE
    store.open()
    assert batcher.drain(WAIT_S)
    assert len(outcomes.wait(21)) == 21
    assert store.info().rows == 20


def test_every_push_that_races_with_drain_is_refused_or_answered():
    """None is taken and then forgotten."""
    for _ in range(30):
        store, outcomes = GatedStore(), Outcomes()
        store.open()
        batcher = Batcher(store, queue_rows=1000, max_batch_rows=10)
        taken, start = [], threading.Barrier(4)

        def submit(base, batcher=batcher, outcomes=outcomes, taken=taken, start=start):
            start.wait(WAIT_S)
            for number in range(base, base + 20):
                one = pending(outcomes.of(number), number)
                try:
                    batcher.submit(one)
                except HotrowError:
                    return
                taken.append(number)

        threads = [threading.Thread(target=submit, args=(100 * i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        start.wait(WAIT_S)
        assert batcher.drain(WAIT_S)
        for thread in threads:
            thread.join(WAIT_S)
        assert sorted(outcomes.wait(len(taken))) == sorted(taken)


def test_created_times_are_those_of_commits_and_only_rise(started, monkeypatch):
    """Even when the clock goes back; rows of a source keep their own."""
    times = iter([100, 90, 90, 200])
    store, outcomes = GatedStore(), Outcomes()
    store.open()
    batcher = started(store)
    monkeypatch.setattr("hotrow.clock.now_us", lambda: next(times, 200))
    for number in range(3):
        batcher.submit(pending(outcomes.of(number), number, created_at_commit=number != 2))
        outcomes.wait(number + 1)
    created = [int.from_bytes(stored.row[VERSION][8:], "big") - 2**63 for stored in store.scan(VIEW_ID)]
    assert created[1] > created[0] > 0
    assert created[2] == 0


def test_chosen_rows_alone_are_written(started):
    """Their keys are given; the rows are taken from the batch."""
    store, outcomes = GatedStore(), Outcomes()
    store.open()
    rows = encoded(1, 2, 3)
    batch = Pending(VIEW_ID, [rows.keys()[2], rows.keys()[0]], rows, outcomes.of(0), chosen=[2, 0])
    started(store).submit(batch)
    outcomes.wait(1)
    assert sorted(stored.key for stored in store.scan()) == sorted(batch.keys)


def test_the_failpoint_lies_between_commit_and_answer(started):
    """The rows are there, and nobody was told yet."""
    store, outcomes, seen = GatedStore(), Outcomes(), []
    store.open()
    batcher = started(store, reached=lambda place: seen.append((place, store.info().rows, dict(outcomes._all))))
    batcher.submit(pending(outcomes.of(0), 1))
    outcomes.wait(1)
    assert seen == [("after_commit", 1, {})]


def test_a_burst_is_one_commit_on_the_thread_that_ends_it(started):
    """And none before; the thread of the batcher has no part in it."""
    store, outcomes, works = GatedStore(), Outcomes(), []
    store.open()
    batcher = started(store, burst_rows=10)
    for number in range(5):
        batcher.submit(pending(outcomes.of(number), number, 100 + number), into(works))
    assert store.commits == []
    assert len(set(works)) == 1
    works[0]()
    assert store.commits == [5]
    assert {number: outcome.outcomes for number, outcome in outcomes.wait(5).items()} == dict.fromkeys(
        range(5), bytes([WRITTEN] * 2)
    )
    works[0]()  # of another thread's burst, which that one has taken
    assert store.commits == [5]


def test_what_is_more_than_a_burst_takes_goes_to_the_batchers_thread(started):
    """So that the thread that serves is not kept; and all of it where the door knows no bursts, or none is wanted."""
    store, outcomes, works = GatedStore(), Outcomes(), []
    store.open()
    batcher = started(store, burst_rows=3)
    batcher.submit(pending(outcomes.of(0), 1, 2), into(works))
    batcher.submit(pending(outcomes.of(1), 3, 4), into(works))
    batcher.submit(pending(outcomes.of(2), 5), lambda _work: False)
    assert set(outcomes.wait(2)) == {1, 2}
    works[0]()
    assert set(outcomes.wait(3)) == {0, 1, 2}
    started(store).submit(pending(outcomes.of(3), 6), into(works))
    assert set(outcomes.wait(4)) == {0, 1, 2, 3}
    assert len(works) == 1


def test_what_a_burst_holds_counts_as_waiting(started):
    """Until it is committed."""
    store, outcomes, works = GatedStore(), Outcomes(), []
    store.open()
    batcher = started(store, queue_rows=3, burst_rows=100)
    batcher.submit(pending(outcomes.of(0), 1, 2, 3), into(works))
    with pytest.raises(HotrowError, match="3 rows wait to be written, of 3 that may"):
        batcher.submit(pending(outcomes.of(1), 4), into(works))
    works[0]()
    batcher.submit(pending(outcomes.of(1), 4), into(works))
    works[0]()
    assert set(outcomes.wait(2)) == {0, 1}


def test_a_burst_whose_commit_fails_is_answered(started):
    """And the next one is committed."""
    store, outcomes, works = GatedStore(), Outcomes(), []
    store.open()
    batcher = started(store, burst_rows=100)
    store.error = RuntimeError("secret")
    batcher.submit(pending(outcomes.of(0), 1), into(works))
    works[0]()
    assert outcomes.wait(1)[0].code is Code.INTERNAL
    store.error = None
    batcher.submit(pending(outcomes.of(1), 1), into(works))
    works[0]()
    assert outcomes.wait(2)[1].outcomes == bytes([WRITTEN])


def test_drain_commits_a_burst_that_has_not_ended(started):
    """Its producers are answered, and its end finds nothing left."""
    store, outcomes, works = GatedStore(), Outcomes(), []
    store.open()
    batcher = started(store, burst_rows=100)
    batcher.submit(pending(outcomes.of(0), 1), into(works))
    assert batcher.drain(WAIT_S)
    assert outcomes.wait(1)[0].outcomes == bytes([WRITTEN])
    works[0]()
    assert store.commits == [1]


def test_drain_waits_for_a_burst_that_is_being_committed(started):
    """The store is closed after it, and the burst's thread still writes."""
    store, outcomes, works = GatedStore(), Outcomes(), []
    batcher = started(store, burst_rows=100)
    batcher.submit(pending(outcomes.of(0), 1), into(works))
    ending = threading.Thread(target=works[0])
    ending.start()
    assert store.entered.acquire(timeout=WAIT_S)
    assert not batcher.drain(0.05)
    store.open()
    assert batcher.drain(WAIT_S)
    ending.join(WAIT_S)
    assert outcomes.wait(1)[0].outcomes == bytes([WRITTEN])
