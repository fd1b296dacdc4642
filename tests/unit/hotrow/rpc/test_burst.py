"""What calls put off to the end of their burst: on the lane, on a connection for frames, and alone."""

import threading
import time

import grpc
import pytest
from hotrow.errors import Code, HotrowError
from hotrow.rpc.burst import Burst
from hotrow.rpc.frame_client import FrameClient
from hotrow.rpc.frame_server import FrameServer
from hotrow.rpc.gate import Gate

METHOD = "/hotrow.test.Shared/work"


class Shared:
    """Calls that a shared work answers; `rounds` has how many each time. `first` may keep the first one waiting."""

    def __init__(self):
        self.waiting, self.rounds, self.threads = [], [], set()
        self.hold, self.held = threading.Event(), threading.Event()

    def handler(self, request, call):
        self.threads.add(threading.get_ident())
        if request == b"block":
            self.held.set()
            assert self.hold.wait(10)
        assert call.put_off(self.answer)
        self.waiting.append((request, call))

    def answer(self):
        calls, self.waiting = self.waiting, []
        self.threads.add(threading.get_ident())
        self.rounds.append(len(calls))
        for request, call in calls:
            if request == b"fail":
                call.fail(HotrowError(Code.EXHAUSTED, "full"))
            else:
                call.reply(b"re:" + request)


def test_a_work_is_done_once_a_burst():
    """However many calls put it off; works go in the order in which they came."""
    burst, done = Burst(), []
    first, second = (lambda: done.append(1)), (lambda: done.append(2))
    assert [burst.put_off(work) for work in (first, second, first)] == [True, False, False]
    burst.end()
    assert done == [1, 2]
    burst.end()
    assert done == [1, 2]
    assert burst.put_off(second)


def test_a_work_that_fails_keeps_no_other_from_being_done():
    """Nor does it end the thread that serves."""
    burst, done = Burst(), []

    def fail():
        raise RuntimeError

    burst.put_off(fail)
    burst.put_off(lambda: done.append(1))
    burst.end()
    assert done == [1]


def test_calls_that_wait_in_the_lane_share_a_work(serving):
    """Those that come while a handler runs are one burst, each with an answer of its own, all on one thread."""
    shared = Shared()
    with serving("auto", methods={METHOD: shared.handler}) as server:
        method = server.channel.unary_unary(METHOD)
        assert method(b"alone", timeout=10) == b"re:alone"
        blocked = method.future(b"block", timeout=10)
        assert shared.held.wait(10)
        futures = [method.future(b"fail" if i == 3 else b"%d" % i, timeout=10) for i in range(20)]
        time.sleep(0.2)  # until they wait in the core
        shared.hold.set()
        assert blocked.result() == b"re:block"
        assert futures[3].code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert [future.result() for future in futures if future is not futures[3]] == [
            b"re:%d" % i for i in range(20) if i != 3
        ]
    assert (sum(shared.rounds), len(shared.threads)) == (22, 1)
    assert len(shared.rounds) < 22


def test_callers_who_go_away_before_the_end_of_a_burst_harm_nobody(serving, wait_until):
    """Their answers go nowhere, and nothing of their calls stays."""
    shared = Shared()
    with serving("auto", methods={METHOD: shared.handler}) as server:
        method = server.channel.unary_unary(METHOD)
        blocked = method.future(b"block", timeout=10)
        assert shared.held.wait(10)
        futures = [method.future(b"%d" % i, timeout=10) for i in range(40)]
        time.sleep(0.2)
        for future in futures[::2]:
            future.cancel()
        shared.hold.set()
        assert blocked.result() == b"re:block"
        assert [future.result() for future in futures[1::2]] == [b"re:%d" % i for i in range(1, 40, 2)]
        wait_until(lambda: server.gate.counts().running == 0)
        assert method(b"next", timeout=10) == b"re:next"


@pytest.mark.parametrize("door", ["auto", "off"])
def test_nothing_is_put_off_where_there_is_no_burst(serving, door):
    """From another thread than the lane's, and by the ordinary door: the caller is told, and answers as ever."""
    found = []

    def handler(request, call):
        def elsewhere():
            found.append(call.put_off(lambda: call.reply(b"never")))
            call.reply(request)

        threading.Thread(target=elsewhere).start()

    with serving(door, methods={METHOD: handler}) as server:
        assert server.channel.unary_unary(METHOD)(b"x", timeout=10) == b"x"
    assert found == [False]


def test_frames_that_come_together_share_a_work(tmp_path, kept_call):
    """What one connection brought while a handler ran."""
    shared = Shared()
    server = FrameServer(tmp_path / "ingest.sock", {METHOD: shared.handler}, Gate())
    client = FrameClient(tmp_path / "ingest.sock")
    try:
        assert client.wait_connected(5)
        calls = [kept_call(METHOD) for _ in range(21)]
        client.forward(METHOD, b"block", calls[0])
        assert shared.held.wait(10)
        for number, call in enumerate(calls[1:]):
            client.forward(METHOD, b"%d" % number, call)
        time.sleep(0.2)
        shared.hold.set()
        assert [call.wait() for call in calls] == [b"re:block", *(b"re:%d" % i for i in range(20))]
        assert (sum(shared.rounds), len(shared.threads)) == (21, 1)
        assert len(shared.rounds) < 21
    finally:
        client.close()
        server.stop(0)
