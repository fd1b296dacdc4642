"""Every method, by the lane and by the ordinary door: what callers see is the same."""

import gzip
import socket
import threading

import grpc
import pytest
from hotrow.errors import Code
from hotrow.rpc.gate import Gate
from hotrow.rpc.status import STATUS, error_from_rpc
from support import http2

NAMES = ("echo", "late", "late_fail", "plain", "twice")


def test_both_doors_answer_alike(serving, outcome):
    """Reply, status, message, details and trailers of every method are equal."""
    with serving("auto") as lane, serving("off") as ordinary:
        requests = [(name, b"hello") for name in NAMES] + [("refuse", code.name.encode()) for code in Code]
        for name, request in requests:
            by_lane = outcome(lane.unary(name), request)
            assert by_lane == outcome(ordinary.unary(name), request), name
        assert lane.gate.counts().failed == ordinary.gate.counts().failed
        assert lane.gate.counts().running == ordinary.gate.counts().running == 0


def test_a_reply_has_its_trailers(served, outcome):
    seen = outcome(served.unary("echo"), b"hello")
    assert (seen.reply, seen.code) == (b"re:hello", grpc.StatusCode.OK)
    assert seen.trailers == (("server-timing", "a;dur=1"), ("echo-bin", b"hello"))
    assert outcome(served.unary("late"), b"x").trailers == (("late", "yes"),)


def test_an_empty_request_and_an_empty_reply_are_messages(served, outcome):
    assert outcome(served.unary("twice"), b"").reply == b""


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_status_and_details(served, code):
    """The status is the code's; message, field and retry hint can be read back from the wire."""
    with pytest.raises(grpc.RpcError) as caught:
        served.unary("refuse")(code.name.encode(), timeout=10)
    assert caught.value.code() is STATUS[code]
    error = error_from_rpc(caught.value)
    assert (error.code, error.message, error.field, error.retry_after_s) == (code, "refused: näme", "rows.x", 0.25)


def test_a_crash_says_a_request_id_and_nothing_internal(served, outcome):
    """The caller's own request id is named, and neither the exception's type nor its text."""
    seen = outcome(served.unary("crash"), b"", (("x-request-id", "order-17"),))
    assert seen.code is grpc.StatusCode.INTERNAL
    assert seen.details == "internal error; request id order-17"
    assert "1234" not in repr(seen)


def test_a_call_is_answered_once(served, outcome):
    assert outcome(served.unary("twice"), b"first").reply == b"first"
    assert served.gate.counts().failed == {}


def test_a_reply_that_grpc_refuses_becomes_internal(serving, outcome):
    """A trailer whose name HTTP/2 does not allow: the caller gets an answer nevertheless."""
    with serving("auto") as lane:
        assert outcome(lane.unary("bad_trailer"), b"x").code is grpc.StatusCode.INTERNAL
        assert outcome(lane.unary("echo"), b"x").reply == b"re:x"


def test_a_handler_sees_metadata_deadline_and_peer(served):
    metadata = (("hotrow-timing", "1"), ("blob-bin", b"\x00\xff"), ("x-request-id", "a.b:c-1"))
    served.unary("echo")(b"x", timeout=5, metadata=metadata)
    call = served.methods.seen[0]
    assert set(metadata) <= {tuple(item) for item in call.metadata}
    assert (call.request_id, call.caller, call.method) == ("a.b:c-1", "", "/hotrow.test.Echo/echo")


def test_a_deadline_that_passes_is_seen(served, wait_until):
    """The caller gets DEADLINE_EXCEEDED, the handler's call is cancelled, and a later answer does nothing."""
    with pytest.raises(grpc.RpcError) as caught:
        served.unary("hold")(b"x", timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    call = served.methods.held[0]
    wait_until(lambda: call.cancelled() and served.gate.counts().running == 0)
    call.reply(b"too late")
    assert served.gate.counts().abandoned == 1


def test_a_cancelled_call_is_seen(served, wait_until):
    future = served.unary("hold").future(b"x")
    wait_until(lambda: served.methods.held)
    assert not served.methods.held[0].cancelled()
    future.cancel()
    wait_until(served.methods.held[0].cancelled)
    wait_until(lambda: served.gate.counts().running == 0)


def test_a_caller_that_vanishes_is_seen(served, wait_until):
    """Its connection closes with the call under way."""
    with grpc.insecure_channel(f"127.0.0.1:{served.listener.port}", (("grpc.use_local_subchannel_pool", 1),)) as gone:
        kept = gone.unary_unary("/hotrow.test.Echo/hold", None, None).future(b"x")
        wait_until(lambda: served.methods.held)
    assert kept.code() is grpc.StatusCode.CANCELLED
    wait_until(served.methods.held[0].cancelled)
    assert served.unary("echo")(b"still here", timeout=5) == b"re:still here"


def test_answers_race_with_cancellation(served, wait_until):
    """Whoever comes first wins, nobody hangs, nothing stays behind."""
    for turn in range(150):
        future = served.unary("hold").future(b"x", timeout=10)
        wait_until(lambda turn=turn: len(served.methods.held) > turn)
        answer = threading.Thread(target=served.methods.held[turn].reply, args=(b"answer",))
        answer.start()
        future.cancel() if turn % 2 else future.result(timeout=5)
        answer.join()
    wait_until(lambda: served.gate.counts().running == 0)
    assert served.unary("echo")(b"x", timeout=5) == b"re:x"


def test_a_message_over_the_limit_is_refused(serving, door):
    with serving(door, options={"max_message_mib": 1}) as small:
        with pytest.raises(grpc.RpcError) as caught:
            small.unary("echo")(bytes((1 << 20) + 1), timeout=5)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert small.methods.seen == []
        assert len(small.unary("echo")(bytes(1 << 20), timeout=5)) == (1 << 20) + 3


def test_a_large_message_goes_through(served):
    message = bytes(range(256)) * (40 << 12)  # 40 MiB
    assert served.unary("echo")(message, timeout=30) == b"re:" + message


def test_gzip_requests_are_read(served, outcome):
    reply = served.unary("echo")(b"a" * 100_000, timeout=5, compression=grpc.Compression.Gzip)
    assert reply == b"re:" + b"a" * 100_000
    assert len(gzip.compress(reply)) < 1000


def test_an_unknown_method_is_unimplemented(served, outcome):
    assert outcome(served.unary("nothing"), b"").code is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_sent_by_half_holds_nothing_up(served, wait_until):
    """A peer that stops within its message, or ends the call without one: the handler is not called, others go on."""
    path = "/hotrow.test.Echo/echo"
    with socket.create_connection(("127.0.0.1", served.listener.port)) as raw:
        raw.sendall(http2.greeting() + http2.call(path, 1))
        raw.sendall(http2.frame(http2.DATA, 0, 1, http2.message(bytes(100))[:16]))
        raw.sendall(http2.call(path, 3, end=True))  # ended without any message
        for _ in range(20):
            assert served.unary("echo")(b"x", timeout=5) == b"re:x"
    assert len(served.methods.seen) == 20
    wait_until(lambda: served.gate.counts().running == 0)


def test_a_storm_of_expired_calls_leaves_the_server_healthy(serving, door, wait_until):
    """Thousands of calls that their callers gave up: afterwards every healthy call is answered."""

    def slow(request, call):
        if request:
            call.reply(request)

    with serving(door, methods={"/hotrow.test.Echo/echo": slow}) as server:
        futures = []
        for _ in range(3000):
            futures.append(server.unary("echo").future(b"", timeout=0.001))
            if len(futures) == 200:
                assert all(one.exception() is not None for one in futures)
                futures.clear()
        wait_until(lambda: server.gate.counts().running == 0)
        for _ in range(300):
            assert server.unary("echo")(b"healthy", timeout=10) == b"healthy"


def test_over_the_limit_of_running_calls_one_is_refused(serving, door, wait_until):
    """RESOURCE_EXHAUSTED with a retry hint, and a place again when a call has ended."""
    with serving(door, gate=Gate(max_running=2)) as server:
        held = [server.unary("hold").future(b"", timeout=10) for _ in range(2)]
        wait_until(lambda: len(server.methods.held) == 2)
        with pytest.raises(grpc.RpcError) as caught:
            server.unary("echo")(b"", timeout=5)
        error = error_from_rpc(caught.value)
        assert (error.code, error.retry_after_s) == (Code.EXHAUSTED, 0.1)
        server.methods.held[0].reply(b"")
        wait_until(lambda: sum(future.done() for future in held) == 1)
        assert server.unary("echo")(b"x", timeout=5) == b"re:x"


def test_calls_that_wait_do_not_keep_others_waiting(served, wait_until):
    """A hundred whose answer is to come later, as pushes wait for their commit and reads for a write, and one that is
    answered at once.
    """
    held = [served.unary("hold").future(b"x", timeout=30) for _ in range(100)]
    wait_until(lambda: len(served.methods.held) == 100)
    assert served.unary("echo")(b"x", timeout=5) == b"re:x"
    for call in served.methods.held:
        call.reply(b"later")
    assert [future.result(timeout=5) for future in held] == [b"later"] * 100


def test_messages_that_are_slow_to_come_do_not_keep_others_waiting(served, wait_until):
    """Thirty calls begin on a connection, then a whole one, and their messages come when that has been handled."""
    slow, whole = range(1, 60, 2), 61
    path = "/hotrow.test.Echo/echo"
    with socket.create_connection(("127.0.0.1", served.listener.port)) as raw:
        raw.sendall(http2.greeting() + b"".join(http2.call(path, stream) for stream in (*slow, whole)))
        raw.sendall(_last_message(whole))
        wait_until(lambda: len(served.methods.seen) == 1, timeout_s=8)
        raw.sendall(b"".join(_last_message(stream) for stream in slow))
        wait_until(lambda: len(served.methods.seen) == 1 + len(slow))


def _last_message(stream: int) -> bytes:
    return http2.frame(http2.DATA, http2.END_STREAM, stream, http2.message(b"x"))
