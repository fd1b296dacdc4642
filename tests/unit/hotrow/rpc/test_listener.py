"""A listener: what it refuses, health and reflection, and how it drains."""

import socket
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from hotrow.clock import monotonic_s
from hotrow.errors import Code, HotrowError
from hotrow.rpc.door import THREADS
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, ListenerOptions, channel_args, serve

READ = "/hotrow.v1.FeatureServer/GetOnlineFeatures"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def _health(channel, service=""):
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


def test_an_address_that_others_reach_needs_tls(capfd):
    """Without TLS it is refused; with `insecure` it is served, with a warning."""
    with pytest.raises(HotrowError, match="set tls") as caught:
        serve(Endpoint("0.0.0.0:0"), {}, gate=Gate())
    assert (caught.value.code, caught.value.field) == (Code.FAILED_PRECONDITION, "address")
    serve(Endpoint("0.0.0.0:0", insecure=True), {}, gate=Gate()).stop(0)
    shown = capfd.readouterr()
    assert "without TLS" in shown.out + shown.err


def test_a_port_that_is_taken_is_refused():
    """By a program that does not share it, and by a listener that does not."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(HotrowError, match="cannot be bound") as caught:
            serve(Endpoint(address), {}, gate=Gate())
        assert caught.value.code is Code.FAILED_PRECONDITION
    alone = ListenerOptions(share_port=False)
    first = serve(Endpoint("127.0.0.1:0"), {}, gate=Gate(), options=alone)
    with pytest.raises(HotrowError, match="cannot be bound"):
        serve(Endpoint(f"127.0.0.1:{first.port}"), {}, gate=Gate(), options=alone)
    first.stop(0)


def test_workers_share_a_port():
    first = serve(Endpoint("127.0.0.1:0"), {}, gate=Gate())
    second = serve(Endpoint(f"127.0.0.1:{first.port}"), {}, gate=Gate())
    assert first.port == second.port
    first.stop(0)
    second.stop(0)


def test_a_failed_self_test_leaves_the_ordinary_door(monkeypatch, capfd):
    """With a warning, and every method still served."""
    monkeypatch.setattr("hotrow.rpc.listener.self_test", lambda: "no such attribute")
    listener = serve(Endpoint("127.0.0.1:0"), {READ: lambda request, call: call.reply(request)}, gate=Gate())
    assert listener.lane == "off: no such attribute"
    shown = capfd.readouterr()
    assert "no such attribute" in shown.out + shown.err
    with grpc.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
        assert channel.unary_unary(READ, None, None)(b"x", timeout=5) == b"x"
    listener.stop(0)


def test_health_is_told_for_the_server_and_each_service(door):
    listener = serve(Endpoint("127.0.0.1:0"), {READ: print}, gate=Gate(), options=ListenerOptions(lane=door))
    with grpc.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
        assert [_health(channel, name) for name in ("", "hotrow.v1.FeatureServer")] == [SERVING, SERVING]
        listener.set_serving(serving=False)
        assert [_health(channel, name) for name in ("", "hotrow.v1.FeatureServer")] == [NOT_SERVING, NOT_SERVING]
        with pytest.raises(grpc.RpcError) as caught:
            _health(channel, "hotrow.v1.Nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    listener.stop(0)


def test_reflection_shows_services_and_their_messages(door):
    listener = serve(Endpoint("127.0.0.1:0"), {READ: print}, gate=Gate(), options=ListenerOptions(lane=door))
    with grpc.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
        shown = ProtoReflectionDescriptorDatabase(channel)
        assert set(shown.get_services()) == {
            "hotrow.v1.FeatureServer",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        for service in shown.get_services():  # `grpcurl describe` asks for each
            assert shown.FindFileContainingSymbol(service).package == service.rpartition(".")[0]
        assert shown.FindFileContainingSymbol("hotrow.v1.FeatureServer").name == "hotrow/v1/feature_server.proto"
        assert shown.FindFileByName("hotrow/v1/column.proto").package == "hotrow.v1"
    listener.stop(0)


@pytest.mark.parametrize(
    ("symbol", "answer"),
    [
        ("hotrow.v1.FeatureServer.GetOnlineFeatures", "file_descriptor_response"),
        ("hotrow.v1.FeatureServer.Nothing", "error_response"),
        ("hotrow.v1.Nothing.GetOnlineFeatures", "error_response"),
        ("Nothing", "error_response"),
    ],
)
def test_reflection_finds_methods(symbol, answer):
    """`ghz` and `grpcurl describe` ask for the file of a method by its full name."""
    listener = serve(Endpoint("127.0.0.1:0"), {READ: print}, gate=Gate())
    with grpc.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        [reply] = ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=30)
    listener.stop(0)
    assert reply.WhichOneof("message_response") == answer


def test_calls_that_wait_do_not_keep_health_waiting(served, wait_until):
    """Not even more of them than there are threads for."""
    held = [served.unary("hold").future(b"", timeout=30) for _ in range(THREADS + 10)]
    wait_until(lambda: len(served.methods.held) >= THREADS)
    assert _health(served.channel) == SERVING
    for future in held:
        future.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_idle_reflection_streams_do_not_keep_health_waiting(version):
    """A graphical tool keeps its stream open; a hundred of them do not hold the threads of anything else."""
    listener = serve(Endpoint("127.0.0.1:0"), {READ: print}, gate=Gate())
    request = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    done = threading.Event()

    def requests():
        yield request
        done.wait(10)

    with grpc.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
        info = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", None, None)
        streams = [info(requests(), timeout=10)]
        assert b"hotrow.v1.FeatureServer" in next(streams[0])
        streams += [info(requests(), timeout=10) for _ in range(30)]
        assert _health(channel) == SERVING
        done.set()
        for stream in streams:
            stream.cancel()
    listener.stop(0)


_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


def test_a_drain_lets_running_calls_end(served, wait_until):
    """NOT_SERVING at once, no new connections, and the answer of the running call arrives."""
    watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
    assert next(watch).status == SERVING
    running = served.unary("hold").future(b"", timeout=10)
    wait_until(lambda: served.methods.held)
    drained = []
    stop = threading.Thread(target=lambda: drained.append(served.listener.stop(5)))
    stop.start()
    assert next(watch).status == NOT_SERVING
    watch.cancel()

    def refused():
        """Health is told first, so that a connection made in between may still be served."""
        with grpc.insecure_channel(f"127.0.0.1:{served.listener.port}", _OWN_CONNECTION) as late:
            try:
                late.unary_unary("/hotrow.test.Echo/echo", None, None)(b"", timeout=2)
            except grpc.RpcError as error:
                return error.code() is grpc.StatusCode.UNAVAILABLE
            return False

    wait_until(refused)
    assert not drained
    served.methods.held[0].reply(b"just in time")
    assert running.result(timeout=5) == b"just in time"
    stop.join()
    assert drained == [True]


def test_a_drain_ends_in_time_and_answers_what_still_runs(served, wait_until):
    """UNAVAILABLE with a retry hint, and no longer than the grace and what the answers take."""
    running = served.unary("hold").future(b"", timeout=30)
    wait_until(lambda: served.methods.held)
    started_s = monotonic_s()
    assert not served.listener.stop(0.2)
    assert monotonic_s() - started_s < 2.5
    assert running.code() is grpc.StatusCode.UNAVAILABLE
    assert "grpc-status-details-bin" in dict(running.trailing_metadata())
    served.methods.held[0].reply(b"much too late")  # does nothing, and does not end the process


def test_stopping_twice_is_stopping_once(served):
    assert served.listener.stop(1)
    assert served.listener.stop(1)


def test_connections_are_aged_where_that_is_set(door, wait_until):
    options = ListenerOptions(lane=door, max_connection_age_s=0.2)
    listener = serve(
        Endpoint("127.0.0.1:0"), {READ: lambda r, c: c.reply(c.peer.encode())}, gate=Gate(), options=options
    )
    peers = set()
    with grpc.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
        call = channel.unary_unary(READ, None, None)

        def reconnected():
            peers.add(call(b"", timeout=5, wait_for_ready=True))
            return len(peers) > 1

        wait_until(reconnected)
    listener.stop(0)


def test_the_channel_arguments_follow_the_options():
    arguments = dict(channel_args(ListenerOptions(max_message_mib=3, share_port=False)))
    assert arguments["grpc.max_receive_message_length"] == 3 << 20
    assert arguments["grpc.so_reuseport"] == 0
    assert "grpc.max_connection_age_ms" not in arguments
