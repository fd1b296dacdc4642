"""What every door tells a handler of a call."""

import math

import grpc
import pytest
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, ListenerOptions, serve
from hotrow.rpc.remote import RemoteClient

PATH = "/hotrow.Test/Echo"
LOOPBACK = Endpoint("127.0.0.1:0")


@pytest.fixture(params=["auto", "off"])
def options(request):
    return ListenerOptions(lane=request.param)


def _call(port, body, timeout=None):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return channel.unary_unary(PATH)(body, timeout=timeout, wait_for_ready=True)


def test_a_call_without_a_deadline_has_an_infinite_one(options):
    """A handler sees infinity, and not the far time that gRPC has for it; a deadline that was given is seen."""
    handler = {PATH: lambda _request, call: call.reply(str(call.deadline_s).encode())}
    listener = serve(LOOPBACK, handler, gate=Gate(), options=options)
    try:
        assert float(_call(listener.port, b"")) == math.inf
        assert float(_call(listener.port, b"", timeout=60)) < 1e11
    finally:
        listener.stop(1)


def test_a_call_without_a_deadline_is_handed_on_over_grpc(options):
    """The far time would be too far for a time limit of the second call, which would then expire at once."""
    far = serve(LOOPBACK, {PATH: lambda request, call: call.reply(b"far " + request)}, gate=Gate(), options=options)
    client = RemoteClient(f"127.0.0.1:{far.port}")
    near = serve(LOOPBACK, {PATH: lambda r, call: client.forward(PATH, r, call)}, gate=Gate(), options=options)
    try:
        assert _call(near.port, b"away") == b"far away"
    finally:
        near.stop(1)
        client.close()
        far.stop(1)
