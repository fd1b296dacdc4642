"""Calls handed on by frames: both ends on a real socket."""

import math
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading

import grpc
import pytest
from hotrow.clock import monotonic_s, now_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc import frame_wire as wire
from hotrow.rpc.frame_client import FrameClient
from hotrow.rpc.frame_server import FrameServer
from hotrow.rpc.gate import Gate
from hotrow.rpc.outbox import Outbox
from hotrow.rpc.timing import StageTimer, stages_ms

ECHO, LATE, HOLD, REFUSE, CRASH, BAD = (f"/t/{name}" for name in ("echo", "late", "hold", "refuse", "crash", "bad"))


class Worker:
    """A frame server with small methods on it."""

    def __init__(self, path, **options):
        self.gate = Gate()
        self.held = []
        self.seen = []
        methods = {ECHO: self._echo, LATE: self._late, REFUSE: _refuse, CRASH: _crash, BAD: _bad}
        methods[HOLD] = lambda _request, call: self.held.append(call)
        self.server = FrameServer(path, methods, self.gate, **options)

    def _echo(self, request, call):
        self.seen.append(call)
        call.reply(b"re:" + request, (("text", "a"), ("blob-bin", b"\x00\xff")))

    def _late(self, request, call):
        threading.Timer(0.02, lambda: call.reply(b"late:" + request)).start()


def _refuse(_request, _call):
    raise HotrowError(Code.EXHAUSTED, "full: näme", field="rows.x", retry_after_s=0.25)


def _crash(_request, _call):
    raise ZeroDivisionError("secret")


def _bad(request, call):
    call.reply(request, ((object(), "no trailer"),))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ingest.sock"


@pytest.fixture
def worker(path):
    made = Worker(path)
    yield made
    made.server.stop(0)


@pytest.fixture
def client(path):
    made = FrameClient(path)
    yield made
    made.close()


@pytest.fixture
def pair(worker, client):
    assert client.wait_connected(5)
    return worker, client


def test_a_call_is_answered_with_its_trailers(pair, kept_call):
    worker, client = pair
    call = kept_call(ECHO)
    call.metadata = (("hotrow-timing", "1"), ("user-agent", "x"))
    client.forward(ECHO, b"hello", call)
    assert call.wait() == b"re:hello"
    assert call.trailers == (("text", "a"), ("blob-bin", b"\x00\xff"))
    seen = worker.seen[0]
    assert (seen.method, seen.request_id, seen.peer, seen.caller) == (ECHO, "test-1", "test", "")
    assert seen.metadata == (("hotrow-timing", "1"),)
    assert math.isinf(seen.deadline_s)


def test_the_stages_of_a_timed_call_come_with_the_hop(pair, kept_call):
    """The ingest worker's call has a timer too, and what the worker does not account for is the hop."""
    worker, client = pair
    call = kept_call(ECHO)
    call.metadata, call.timer = (("hotrow-timing", "1"),), StageTimer()
    client.forward(ECHO, b"hello", call)
    call.wait()
    assert list(stages_ms(call.trailers)) == ["hop"]
    assert ("text", "a") in call.trailers
    assert list(stages_ms(worker.seen[0].timer.trailers())) == ["queue"]


def test_a_deadline_travels(pair, kept_call):
    worker, client = pair
    call = kept_call(ECHO, deadline_s=now_s() + 5)
    client.forward(ECHO, b"", call)
    call.wait()
    assert abs(worker.seen[0].deadline_s - call.deadline_s) < 1


def test_errors_travel_whole(pair, kept_call):
    _, client = pair
    call = kept_call(REFUSE)
    client.forward(REFUSE, b"", call)
    error = call.wait()
    assert (error.code, error.message, error.field, error.retry_after_s) == (
        Code.EXHAUSTED,
        "full: näme",
        "rows.x",
        0.25,
    )


@pytest.mark.parametrize(
    ("method", "code", "message"),
    [
        (CRASH, Code.INTERNAL, "internal error; request id test-1"),
        (BAD, Code.INTERNAL, "the answer could not be sent"),
        ("/t/nothing", Code.UNIMPLEMENTED, "the ingest worker has no method /t/nothing"),
    ],
)
def test_what_goes_wrong_in_the_worker_is_answered(pair, kept_call, method, code, message):
    _, client = pair
    call = kept_call(method)
    client.forward(method, b"", call)
    assert (call.wait().code, call.wait().message) == (code, message)


def test_an_expired_call_is_not_carried_out(pair, kept_call):
    worker, client = pair
    call = kept_call(ECHO, deadline_s=now_s() - 1)
    client.forward(ECHO, b"", call)
    assert call.wait().code is Code.DEADLINE
    assert worker.seen == []


def test_many_calls_at_once_get_their_own_answers(pair, kept_call):
    """From eight threads, small and large, answered at once and later, over one connection."""
    _, client = pair
    calls = {}

    def forward(number):
        for i in range(100):
            method, body = (ECHO, LATE)[i % 2], b"%d/%d" % (number, i) + b"." * (i % 10 * 20_000)
            call = kept_call(method)
            calls[number, i] = (call, (b"re:", b"late:")[i % 2] + body)
            client.forward(method, body, call)

    threads = [threading.Thread(target=forward, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 800
    for call, wanted in calls.values():
        assert call.wait() == wanted


def test_the_socket_is_this_users_alone(worker, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_stale_file_is_replaced_and_a_served_one_is_not(path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    first = Worker(path)
    with pytest.raises(HotrowError, match="another process serves"):
        Worker(path)
    first.server.stop(0)
    assert not path.exists()


def test_without_a_worker_calls_fail_at_once_and_later_succeed(path, client, kept_call):
    call = kept_call(ECHO)
    client.forward(ECHO, b"", call)
    assert (call.wait().code, call.wait().retry_after_s) == (Code.UNAVAILABLE, 0.5)
    worker = Worker(path)
    assert client.wait_connected(5)
    again = kept_call(ECHO)
    client.forward(ECHO, b"x", again)
    assert again.wait() == b"re:x"
    worker.server.stop(0)


PROGRAM = """
import pathlib, sys, time
from hotrow.rpc.frame_server import FrameServer
from hotrow.rpc.gate import Gate
methods = {"/t/hold": lambda request, call: None, "/t/echo": lambda request, call: call.reply(request)}
server = FrameServer(pathlib.Path(sys.argv[1]), methods, Gate())
print("ready", flush=True)
time.sleep(60)
"""


def test_calls_of_a_killed_worker_fail_and_the_next_one_serves(path, client, kept_call):
    """SIGKILL: what waits fails with UNAVAILABLE and a hint, and the client connects to the worker's successor."""
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            assert client.wait_connected(5)
            answered = kept_call(ECHO)
            client.forward(ECHO, b"x", answered)
            assert answered.wait() == b"x"
            waiting = [kept_call(HOLD) for _ in range(20)]
            for call in waiting:
                client.forward(HOLD, b"", call)
            process.send_signal(signal.SIGKILL)
            assert {(call.wait().code, call.wait().retry_after_s) for call in waiting} == {(Code.UNAVAILABLE, 0.5)}


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 64,
        struct.pack("<II", 8, 4) + b"\xc1" * 8,
        wire.encode_prefix(wire.Answer(1, ()), 0),  # an answer where a request is due
    ],
)
def test_a_malformed_frame_closes_its_connection_alone(pair, path, noise, kept_call):
    _, client = pair
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(str(path))
        raw.sendall(noise)
        assert raw.recv(100) == b""
    call = kept_call(ECHO)
    client.forward(ECHO, b"x", call)
    assert call.wait() == b"re:x"


def test_a_peer_that_vanishes_leaves_nothing(worker, path, wait_until):
    """Its calls are seen as cancelled, and answers to them go nowhere."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        request = wire.Request(1, HOLD, None, "", "id", "", ())
        raw.sendall(wire.encode_prefix(request, 3) + b"abc" + b"half of the next"[:7])
        wait_until(lambda: worker.held)
    wait_until(worker.held[0].cancelled)
    wait_until(lambda: worker.gate.counts().running == 0)
    worker.held[0].reply(b"to nobody")
    assert worker.gate.counts().abandoned == 1


def test_calls_that_expire_unanswered_are_forgotten(pair, kept_call, wait_until):
    """By the worker and by the client, within some seconds."""
    worker, client = pair
    call = kept_call(HOLD, deadline_s=now_s() + 0.05)
    call.cancelled = lambda: True
    client.forward(HOLD, b"", call)
    wait_until(lambda: worker.held)
    wait_until(lambda: worker.gate.counts().running == 0 and not client._link._waiting)


def test_a_request_over_the_limit_is_refused_and_the_connection_stays(path, kept_call):
    worker, client = Worker(path, max_message_bytes=1000), FrameClient(path, max_message_bytes=1000)
    assert client.wait_connected(5)
    large, small = kept_call(ECHO), kept_call(ECHO)
    client.forward(ECHO, bytes(1001), large)
    client.forward(ECHO, bytes(997), small)
    assert large.wait().code is Code.EXHAUSTED
    assert len(small.wait()) == 1000
    client.close()
    worker.server.stop(0)


def test_an_answer_may_be_longer_than_any_request(path, kept_call, wait_until):
    """It names every row that was refused; the connection is that of other calls too."""
    worker, client = Worker(path), FrameClient(path, max_message_bytes=1000)
    assert client.wait_connected(5)
    call = kept_call(HOLD)
    client.forward(HOLD, b"", call)
    wait_until(lambda: worker.held)
    worker.held[0].reply(bytes(wire.HEAD_BYTES + 1001))
    assert len(call.wait()) == wire.HEAD_BYTES + 1001
    client.close()
    worker.server.stop(0)


def test_a_worker_that_does_not_read_holds_nobody_up(path, kept_call):
    """The sender returns at once, and is refused when too much waits; all fail when the connection ends."""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        client = FrameClient(path)
        accepted, _ = deaf.accept()
        assert client.wait_connected(5)
        calls = [kept_call(ECHO) for _ in range(12)]
        started_s = monotonic_s()
        for call in calls:
            client.forward(ECHO, bytes(16 << 20), call)
        assert monotonic_s() - started_s < 5
        assert Code.EXHAUSTED in {call.wait().code for call in calls if call.answers}
        accepted.close()
        assert {call.wait().code for call in calls} == {Code.EXHAUSTED, Code.UNAVAILABLE}
        client.close()


def test_a_drain_lets_running_calls_end(pair, kept_call, wait_until):
    worker, client = pair
    running = kept_call(HOLD)
    client.forward(HOLD, b"", running)
    wait_until(lambda: worker.held)
    drained = []
    stop = threading.Thread(target=lambda: drained.append(worker.server.stop(5)))
    stop.start()
    wait_until(lambda: worker.server.stopping)
    refused = kept_call(ECHO)
    client.forward(ECHO, b"", refused)
    assert refused.wait().code is Code.UNAVAILABLE
    worker.held[0].reply(b"in time")
    assert running.wait() == b"in time"
    stop.join()
    assert drained == [True]


def test_a_drain_ends_in_time(pair, kept_call, wait_until):
    worker, client = pair
    running = kept_call(HOLD)
    client.forward(HOLD, b"", running)
    wait_until(lambda: worker.held)
    assert not worker.server.stop(0.1)
    assert running.wait().code is Code.UNAVAILABLE
    worker.held[0].reply(b"too late")


def test_a_drain_does_not_count_a_peer_that_left_with_its_answer(pair, kept_call, wait_until):
    """The thread that answers may be held up between sending and counting, and the peer be gone by then."""
    worker, client = pair
    wait_until(lambda: worker.server._connections)
    (connection,) = worker.server._connections
    let_go = threading.Event()

    class SentAndHeldUp(Outbox):
        def put(self, prefix, body):
            sent = super().put(prefix, body)
            let_go.wait(5)
            return sent

    connection._outbox.__class__ = SentAndHeldUp
    call = kept_call(LATE)
    client.forward(LATE, b"x", call)
    assert call.wait() == b"late:x"
    client.close()
    wait_until(lambda: connection.closed)
    assert connection.calls
    try:
        assert connection.drain(monotonic_s() + 5)
    finally:
        let_go.set()


def test_a_call_goes_through_a_listener_and_a_frame(pair, serving, door, outcome):
    """Both hops: what the worker answers is what the caller of the server gets."""
    _, client = pair
    methods = {
        path.replace("/t/", "/hotrow.test.Echo/"): lambda request, call, path=path: client.forward(path, request, call)
        for path in (ECHO, LATE, REFUSE)
    }
    with serving(door, methods=methods) as server:
        assert outcome(server.unary("echo"), b"x").trailers == (("text", "a"), ("blob-bin", b"\x00\xff"))
        assert outcome(server.unary("late"), b"x").reply == b"late:x"
        refused = outcome(server.unary("refuse"), b"x")
        assert (refused.code, refused.details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full: näme")
