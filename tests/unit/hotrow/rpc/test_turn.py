"""Jobs that take turns: how many run, and what happens when they wait, do not end, or fail."""

import threading

import pytest
from hotrow.clock import sleep_s
from hotrow.rpc.turn import TurnPool

TURNS, THREADS = 2, 12


@pytest.fixture
def pool():
    made = TurnPool(TURNS, THREADS, "test-turn")
    yield made
    made.shutdown()


def test_no_more_jobs_run_at_a_time_than_there_are_turns(pool, wait_until):
    lock, running, most, ended = threading.Lock(), [], [], []

    def job(number: int) -> None:
        with lock:
            running.append(number)
            most.append(len(running))
        sleep_s(0.001)
        with lock:
            running.remove(number)
            ended.append(number)

    for number in range(100):
        pool.submit(job, number)
    wait_until(lambda: len(ended) == 100)
    assert max(most) == TURNS


def test_a_job_that_waits_lets_another_run(pool, wait_until):
    """As many may wait as there are threads, less those that run; asking twice is asking once."""
    answered, waiting, ended = threading.Event(), [], []

    def wait() -> None:
        pool.give_up_turn()
        pool.give_up_turn()
        waiting.append(1)
        answered.wait(10)
        ended.append(1)

    for _ in range(THREADS - TURNS):
        pool.submit(wait)
    wait_until(lambda: len(waiting) == THREADS - TURNS)
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(5)
    assert not ended
    answered.set()
    wait_until(lambda: len(ended) == THREADS - TURNS)


def test_after_jobs_have_waited_there_are_as_many_turns_as_before(pool, wait_until):
    """Neither more, which would cost, nor fewer, which would end it all."""
    ended = []

    def wait() -> None:
        pool.give_up_turn()
        sleep_s(0.001)
        ended.append(1)

    for _ in range(200):
        pool.submit(wait)
    wait_until(lambda: len(ended) == 200)
    test_no_more_jobs_run_at_a_time_than_there_are_turns(pool, wait_until)


def test_a_job_that_does_not_end_loses_its_turn(pool):
    """It has not said that it waits."""
    stuck, done = threading.Event(), threading.Event()
    for _ in range(2 * TURNS):
        pool.submit(stuck.wait, 10)
    pool.submit(done.set)
    assert done.wait(5)
    stuck.set()


def test_more_jobs_that_wait_than_threads_are_all_run(pool, wait_until):
    ended = []

    def wait() -> None:
        pool.give_up_turn()
        sleep_s(0.01)
        ended.append(1)

    for _ in range(5 * THREADS):
        pool.submit(wait)
    wait_until(lambda: len(ended) == 5 * THREADS)


def test_a_job_that_raises_takes_no_turn_with_it(pool, wait_until):
    def fail() -> None:
        raise SystemExit

    ended = []
    for _ in range(3 * TURNS):
        pool.submit(fail)
        pool.submit(ended.append, 1)
    wait_until(lambda: len(ended) == 3 * TURNS)
    test_no_more_jobs_run_at_a_time_than_there_are_turns(pool, wait_until)


def test_a_system_without_threads_to_give_ends_nothing(pool, wait_until, monkeypatch):
    """Those that run go on, and take what comes later."""
    ended = []
    pool.submit(ended.append, 0)
    wait_until(lambda: ended == [0])

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for number in range(1, 50):
        pool.submit(ended.append, number)
    wait_until(lambda: sorted(ended) == list(range(50)))
