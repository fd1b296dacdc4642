"""Callers that misbehave in great number, and what others see of it: the same by the lane and by the ordinary door."""

import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

import grpc
import pytest
from support import http2

ECHO = "/hotrow.test.Echo/echo"
OPEN = 500  # calls that a test has under way at a time


def answers_of(method, count: int, message: bytes = b"x") -> Counter:
    """The status of so many calls, started as fast as can be."""
    codes: Counter = Counter()
    for begin in range(0, count, OPEN):
        calls = [method.future(message, timeout=30) for _ in range(min(OPEN, count - begin))]
        codes.update(call.code() for call in calls)
    return codes


@pytest.mark.parametrize("kind", ["cancelled", "expired"])
def test_after_a_storm_of_calls_given_up_healthy_ones_are_answered(served, wait_until, kind):
    """Thousands at once, which nobody waits for; right behind them, none of the healthy ones is turned away."""
    echo = served.unary("echo")
    for _ in range(4000):
        if kind == "cancelled":
            echo.future(b"x").cancel()
        else:
            echo.future(b"x", timeout=0.0005)
    assert answers_of(echo, 1000) == {grpc.StatusCode.OK: 1000}
    wait_until(lambda: served.gate.counts().running == 0)


def test_a_storm_between_healthy_calls_takes_none_of_them(served, wait_until):
    """Given-up calls on one connection while others are answered on a second."""
    stop = threading.Event()
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(f"127.0.0.1:{served.listener.port}", options) as second:

        def storm() -> None:
            hold = second.unary_unary("/hotrow.test.Echo/hold", None, None)
            while not stop.is_set():
                for call in [hold.future(b"x") for _ in range(8)]:
                    call.cancel()

        storming = threading.Thread(target=storm)
        storming.start()
        try:
            assert answers_of(served.unary("echo"), 2000) == {grpc.StatusCode.OK: 2000}
        finally:
            stop.set()
            storming.join()
    wait_until(lambda: served.gate.counts().running == 0)


VANISHING = """
import sys, grpc
channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[1])
call = lambda name: channel.unary_unary("/hotrow.test.Echo/" + name, None, None)
held = [call("hold").future(b"x") for _ in range(8)]
while True:
    running = [call("echo").future(bytes(100_000)) for _ in range(20)]
    print([one.code() for one in running][-1], flush=True)
"""


def test_clients_that_are_killed_amid_their_calls_leave_nothing(served, wait_until):
    """Each had calls that wait for an answer and large ones under way; the calls of others go on."""
    for _ in range(3):
        held = len(served.methods.held)
        client = subprocess.Popen(
            [sys.executable, "-c", VANISHING, str(served.listener.port)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert client.stdout.readline() == "StatusCode.OK\n"
            wait_until(lambda held=held: len(served.methods.held) == held + 8)
            assert answers_of(served.unary("echo"), 20) == {grpc.StatusCode.OK: 20}
        finally:
            client.kill()
            assert client.wait() == -signal.SIGKILL
            client.stdout.close()
        wait_until(lambda: served.gate.counts().running == 0)
        assert all(call.cancelled() for call in served.methods.held)
    assert answers_of(served.unary("echo"), 500) == {grpc.StatusCode.OK: 500}


BROKEN_OFF: dict[str, Callable[[], bytes]] = {
    "headers alone": lambda: http2.call(ECHO, 1),
    "half a header frame": lambda: http2.call(ECHO, 1)[:40],
    "half a data frame": lambda: http2.call(ECHO, 1) + http2.frame(http2.DATA, 0, 1, http2.message(bytes(1000)))[:500],
    "half a message": lambda: http2.call(ECHO, 1) + http2.frame(http2.DATA, 0, 1, http2.message(bytes(1000))[:500]),
    "half a message, ended": lambda: http2.call(ECHO, 1) + http2.frame(http2.DATA, 1, 1, http2.message(b"half")[:7]),
    "not the gzip it says": lambda: (
        http2.call(ECHO, 1, encoding="gzip") + http2.frame(http2.DATA, 1, 1, http2.message(b"not gzip", compressed=1))
    ),
}


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("sent", BROKEN_OFF)
def test_calls_broken_off_within_their_message_hold_nothing(served, wait_until, sent, ending):
    """The handler never sees them, by whichever end; what comes later on other connections is answered."""
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", served.listener.port)) as raw:
            raw.sendall(http2.greeting() + BROKEN_OFF[sent]())
            if ending == "reset":
                raw.sendall(http2.frame(http2.RST_STREAM, 0, 1, http2.CANCEL))
    assert answers_of(served.unary("echo"), 200) == {grpc.StatusCode.OK: 200}
    assert len(served.methods.seen) == 200
    wait_until(lambda: served.gate.counts().running == 0)


def test_streams_reset_by_the_thousand_hold_nothing(served, wait_until):
    """On one connection: whole calls and half ones, each taken back at once."""
    with socket.create_connection(("127.0.0.1", served.listener.port)) as raw:
        threading.Thread(target=_read_all, args=(raw,), daemon=True).start()
        raw.sendall(http2.greeting())
        for stream in range(1, 4001, 2):
            whole = http2.message(b"x" * (stream % 4 == 1))
            raw.sendall(
                http2.call(ECHO, stream)
                + http2.frame(http2.DATA, 0, stream, whole[: None if stream % 4 == 1 else 3])
                + http2.frame(http2.RST_STREAM, 0, stream, http2.CANCEL)
            )
        assert answers_of(served.unary("echo"), 500) == {grpc.StatusCode.OK: 500}
    wait_until(lambda: served.gate.counts().running == 0)


def _read_all(raw: socket.socket) -> None:
    """Take what comes, so that the peer is never kept from writing."""
    try:
        while raw.recv(1 << 16):
            pass
    except OSError:
        pass


def test_a_message_of_64_mib_passes_and_one_byte_more_does_not(served, outcome):
    """The limit as it comes."""
    message = bytes(64 << 20)
    reply = served.unary("echo")(message, timeout=60)
    assert (len(reply), reply[:4]) == ((64 << 20) + 3, b"re:\0")
    assert outcome(served.unary("echo"), message + b"x").code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(served.methods.seen) == 1
    assert served.gate.counts().running == 0


def test_a_message_is_measured_unpacked(serving, door):
    """A gzip of a few kilobytes that stands for more than the limit is refused."""
    with serving(door, options={"max_message_mib": 1}) as small:
        echo = small.unary("echo")
        assert len(echo(bytes(1 << 20), timeout=10, compression=grpc.Compression.Gzip)) == (1 << 20) + 3
        with pytest.raises(grpc.RpcError) as caught:
            echo(bytes(16 << 20), timeout=10, compression=grpc.Compression.Gzip)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(small.methods.seen) == 1


def test_metadata_of_any_bytes_and_of_some_size_arrives(served):
    """In its order, names repeated, `-bin` values with every byte."""
    metadata = [("a-bin", bytes(range(256))), ("b", "x" * 3000), ("a-bin", b""), ("b", "y"), ("c-bin", b"\0" * 1500)]
    served.unary("echo")(b"x", timeout=10, metadata=metadata)
    seen = [tuple(item) for item in served.methods.seen[0].metadata if item[0] in ("a-bin", "b", "c-bin")]
    assert seen == metadata


def test_metadata_beyond_all_measure_is_refused(served, outcome):
    """By the core, before the handler; the connection goes on."""
    refused = outcome(served.unary("echo"), b"x", (("b", "x" * 100_000),))
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert served.methods.seen == []
    assert outcome(served.unary("echo"), b"x").reply == b"re:x"


@pytest.mark.parametrize("name", ["echo", "late"])
def test_a_drain_under_load_answers_what_was_accepted(served, wait_until, name):
    """Callers that never pause, on four connections: what a handler saw is answered OK, the rest it never saw.

    That is told UNAVAILABLE; or CANCELLED, which is the core's word for a call that comes between the begin of the stop
    and the caller's notice of it.
    """
    codes: list[Counter] = [Counter() for _ in range(4)]
    under_way = threading.Barrier(5)

    def call_on(codes: Counter) -> None:
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.insecure_channel(f"127.0.0.1:{served.listener.port}", options) as channel:
            method = channel.unary_unary(f"/hotrow.test.Echo/{name}", None, None)
            method(b"x", timeout=10)
            under_way.wait()
            while grpc.StatusCode.UNAVAILABLE not in codes:
                codes.update(call.code() for call in [method.future(b"x", timeout=10) for _ in range(20)])

    callers = [threading.Thread(target=call_on, args=(each,)) for each in codes]
    for caller in callers:
        caller.start()
    under_way.wait()
    wait_until(lambda: served.gate.counts().admitted > 200)
    assert served.listener.stop(10)
    for caller in callers:
        caller.join()
    total = sum(codes, Counter())
    assert set(total) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    counts = served.gate.counts()
    assert (counts.admitted, counts.running, counts.abandoned) == (total[grpc.StatusCode.OK] + 4, 0, 0)
