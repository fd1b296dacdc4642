"""Calls handed on by gRPC: what the far worker answers is what the caller gets."""

import pytest
from hotrow.clock import now_s
from hotrow.errors import Code
from hotrow.rpc.remote import RemoteClient
from hotrow.rpc.timing import StageTimer, stages_ms

SERVICE = "/hotrow.test.Echo/"


@pytest.fixture
def pair(served):
    client = RemoteClient(f"127.0.0.1:{served.listener.port}")
    yield served, client
    client.close()


def test_a_call_is_answered_with_its_trailers(pair, kept_call):
    served, client = pair
    call = kept_call()
    call.metadata = (("hotrow-timing", "1"), ("user-agent", "the caller's own"))
    client.forward(SERVICE + "echo", b"hello", call)
    assert call.wait() == b"re:hello"
    assert call.trailers == (("server-timing", "a;dur=1"), ("echo-bin", b"hello"))
    seen = served.methods.seen[0]
    assert seen.request_id == "test-1"
    assert ("hotrow-timing", "1") in {tuple(item) for item in seen.metadata}


def test_the_stages_of_a_timed_call_come_with_the_hop(pair, kept_call):
    _, client = pair
    call = kept_call()
    call.metadata, call.timer = (("hotrow-timing", "1"),), StageTimer()
    client.forward(SERVICE + "echo", b"hello", call)
    call.wait()
    stages = stages_ms(call.trailers)
    assert (list(stages), stages["a"]) == (["hop", "a"], 1.0)
    assert ("echo-bin", b"hello") in call.trailers


def test_errors_travel_whole(pair, kept_call):
    _, client = pair
    call = kept_call()
    client.forward(SERVICE + "refuse", b"NOT_FOUND", call)
    error = call.wait()
    assert (error.code, error.message, error.field, error.retry_after_s) == (
        Code.NOT_FOUND,
        "refused: näme",
        "rows.x",
        0.25,
    )


def test_a_deadline_travels(pair, kept_call):
    _, client = pair
    call = kept_call(deadline_s=now_s() + 0.1)
    client.forward(SERVICE + "hold", b"", call)
    assert call.wait().code is Code.DEADLINE


def test_a_worker_that_is_not_there_is_unavailable(kept_call):
    client, call = RemoteClient("127.0.0.1:1"), kept_call()
    client.forward(SERVICE + "echo", b"", call)
    assert (call.wait().code, call.wait().retry_after_s) == (Code.UNAVAILABLE, 0.5)
    assert "request_id" in call.wait().message
    client.close()


def test_closing_fails_what_waits(served, kept_call, wait_until):
    client, call = RemoteClient(f"127.0.0.1:{served.listener.port}"), kept_call()
    client.forward(SERVICE + "hold", b"", call)
    wait_until(lambda: served.methods.held)
    client.close()
    assert call.wait().code is Code.UNAVAILABLE
