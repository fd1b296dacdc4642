"""What is the lane's own; what both doors share stands in test_doors.py."""

import gc
import threading
import time

import grpc
from hotrow.clock import monotonic_s
from hotrow.rpc import lane


def test_the_self_test_passes_here_and_is_quick():
    started_s = monotonic_s()
    assert lane.self_test() == ""
    assert monotonic_s() - started_s < 5


def test_the_self_test_says_what_is_wrong(monkeypatch):
    """Grpcio of another shape: an attribute is gone, or a call comes back wrong."""
    monkeypatch.delattr(lane.cygrpc, "ReceiveMessageOperation")
    failed = lane.self_test(timeout_s=0.5)
    assert failed.startswith(f"grpcio {grpc.__version__}: ")


def test_no_call_is_kept_after_its_end(serving, wait_until):
    """Thousands of calls of all kinds leave no object of theirs behind."""

    def kept():
        gc.collect()
        return sum(type(thing).__name__ in ("_LaneCall", "RequestCallEvent") for thing in gc.get_objects())

    with serving("auto") as server:
        for name in ("echo", "late", "plain"):
            futures = [server.unary(name).future(b"x", timeout=10) for _ in range(300)]
            for future in futures:
                future.exception(timeout=10)
        for _ in range(100):
            server.unary("hold").future(b"x", timeout=0.01).exception(timeout=10)
        server.methods.seen.clear()
        server.methods.held.clear()
        wait_until(lambda: kept() <= 1)


def test_more_calls_at_once_than_are_armed_are_all_answered(serving):
    """They wait in the core until the lane has asked for them."""
    with serving("auto") as server:
        server.unary("echo")(b"", timeout=5)
        futures = [server.unary("echo").future(b"%d" % i, timeout=20) for i in range(lane.ARMED * 10)]
        assert [future.result(timeout=20) for future in futures] == [b"re:%d" % i for i in range(lane.ARMED * 10)]


def test_a_burst_that_finds_the_lane_busy_waits(serving):
    """The core turns calls away as CANCELLED when a thousand wait, by its own defaults; ours lets them wait."""
    free = threading.Event()

    def handler(request, call):
        if request == b"block":
            free.wait(10)
        call.reply(request)

    with serving("auto", methods={"/hotrow.test.Echo/echo": handler}) as server:
        blocked = server.unary("echo").future(b"block", timeout=30)
        futures = [server.unary("echo").future(b"x", timeout=30) for _ in range(4000)]
        time.sleep(0.3)
        free.set()
        assert blocked.result(timeout=10) == b"block"
        assert {future.exception(timeout=30) for future in futures} == {None}


def test_answers_come_from_any_thread_at_once(serving, wait_until):
    with serving("auto") as server:
        futures = [server.unary("hold").future(b"", timeout=20) for _ in range(64)]
        wait_until(lambda: len(server.methods.held) == 64)
        start = threading.Barrier(8)

        def answer(calls):
            start.wait()
            for call in calls:
                call.reply(b"done")
                call.reply(b"twice")

        threads = [threading.Thread(target=answer, args=(server.methods.held[i % 4 :: 4],)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {future.result(timeout=10) for future in futures} == {b"done"}


def test_one_thread_reads_and_handles_and_ends_with_its_listener(serving, wait_until):
    """The lane's handlers run on the ordinary server's own thread; a stop leaves none behind."""
    handled_on = set()

    def handler(request, call):
        handled_on.add(threading.current_thread())
        call.reply(request)

    before = set(threading.enumerate())
    with serving("auto", methods={"/hotrow.test.Echo/echo": handler}) as server:
        for future in [server.unary("echo").future(b"x", timeout=20) for _ in range(200)]:
            future.result()
        assert len(handled_on - before) == len(handled_on) == 1
        server.listener.stop(0)
        wait_until(lambda: not handled_on & set(threading.enumerate()))
