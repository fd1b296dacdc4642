"""Calls are sent again while it is of use, and fail with what the server said."""

import datetime as dt
import ipaddress
import socket
import threading
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from hotrow.errors import Code
from hotrow_client import ChannelTls, Client, HotrowRpcError


def failure(code, message="no", *, retry_after_s=None, field=""):
    """An aborting answer with the status details that a hotrow server sends."""
    details = Status(code=code.value[0], message=message)
    if field:
        details.details.add().Pack(BadRequest(field_violations=[BadRequest.FieldViolation(field=field)]))
    if retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(int(retry_after_s * 1e9))
        details.details.add().Pack(RetryInfo(retry_delay=delay))

    def abort(context):
        if details.details:
            context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
        context.abort(code, message)

    return abort


@pytest.fixture
def client(server):
    with Client(server.address, timeout_s=5) as client:
        yield client


def test_a_push_is_retried_with_its_request_id(server, client):
    """A worker that is away for a moment does not reach the caller, and no row is written twice."""
    server.answers.failures += [failure(grpc.StatusCode.UNAVAILABLE)] * 3
    reply = client.push("p", {"id": [1]})
    assert [r.request_id for r in server.answers.requests] == [reply.request_id] * 4


def test_a_full_queue_is_retried_when_it_says_when(server, client):
    """Not before the time of the hint."""
    server.answers.failures.append(failure(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_s=0.4))
    began = time.monotonic()
    client.push("p", {"id": [1]})
    assert 0.4 <= time.monotonic() - began < 2


def test_a_hint_beyond_the_deadline_fails_at_once(server, client):
    """With the server's own words, not with a deadline."""
    server.answers.failures += [
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full", retry_after_s=60.5)
    ] * 9
    began = time.monotonic()
    with pytest.raises(HotrowRpcError, match="the queue is full") as raised:
        client.read("v:a")
    assert time.monotonic() - began < 2
    assert (raised.value.code, raised.value.retry_after_s) == (Code.EXHAUSTED, 60.5)
    assert len(server.answers.requests) == 1


def test_a_limit_without_a_hint_is_final(server, client):
    """As a message over the size limit is."""
    server.answers.failures.append(failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "message larger than max"))
    with pytest.raises(HotrowRpcError, match="RESOURCE_EXHAUSTED: message larger than max"):
        client.read("v:a")
    assert len(server.answers.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, Code.INVALID),
        (grpc.StatusCode.NOT_FOUND, Code.NOT_FOUND),
        (grpc.StatusCode.FAILED_PRECONDITION, Code.FAILED_PRECONDITION),
        (grpc.StatusCode.UNAUTHENTICATED, Code.UNAUTHENTICATED),
        (grpc.StatusCode.PERMISSION_DENIED, Code.DENIED),
        (grpc.StatusCode.DATA_LOSS, Code.DATA_LOSS),
        (grpc.StatusCode.INTERNAL, Code.INTERNAL),
        (grpc.StatusCode.UNKNOWN, Code.INTERNAL),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Code.DEADLINE),
    ],
)
def test_an_error_says_what_and_where(server, client, status, code):
    """Code, message and field; nothing is sent again."""
    server.answers.failures.append(failure(status, "unknown view 'x'", field="features.names[0]"))
    with pytest.raises(HotrowRpcError) as raised:
        client.read("v:a")
    error = raised.value
    assert (error.code, error.status, error.message) == (code, status, "unknown view 'x'")
    assert (error.field, error.retry_after_s) == ("features.names[0]", None)
    assert len(server.answers.requests) == 1


def test_details_that_cannot_be_read_do_not_hide_the_error(server, client):
    """Another server's trailer."""

    def abort(context):
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "gone")

    server.answers.failures.append(abort)
    with pytest.raises(HotrowRpcError, match="NOT_FOUND: gone"):
        client.read("v:a")


def test_nobody_there():
    """UNAVAILABLE within the timeout, naming the address."""
    began = time.monotonic()
    with (
        Client("127.0.0.1:1", timeout_s=0.5) as client,
        pytest.raises(HotrowRpcError, match=r"127\.0\.0\.1:1") as raised,
    ):
        client.read("v:a")
    assert raised.value.code is Code.UNAVAILABLE
    assert time.monotonic() - began < 2


def test_a_server_that_comes_late_is_reached(start_server):
    """Within the timeout: the call that was waiting succeeds soon after the port opens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    timer = threading.Timer(0.5, start_server, kwargs={"port": port})
    timer.start()
    with Client(f"127.0.0.1:{port}", timeout_s=10) as client:
        began = time.monotonic()
        assert client.server_info().project == "rides"
        assert time.monotonic() - began > 0.4
    timer.join()


def test_calls_are_spread_over_connections(server):
    """So that workers who share a port share the calls."""
    with Client(server.address, connections=3) as client:
        for _ in range(6):
            client.read("v:a")
    assert len(set(server.answers.peers)) == 3
    with pytest.raises(TypeError, match="positive"):
        Client(server.address, connections=0)


def test_mutual_tls(start_server, tmp_path):
    """With a certificate that the server trusts a call passes; without one it does not."""
    cert, key = _certificate(tmp_path)
    pair = (key.read_bytes(), cert.read_bytes())
    running = start_server(credentials=grpc.ssl_server_credentials([pair], cert.read_bytes(), require_client_auth=True))
    with Client(running.address, tls=ChannelTls(ca=cert, cert=cert, key=key)) as client:
        assert client.server_info().project == "rides"
    with Client(running.address, tls=ChannelTls(ca=cert), timeout_s=0.5) as client, pytest.raises(HotrowRpcError):
        client.server_info()


def _certificate(folder):
    """A self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hotrow test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_path.write_bytes(key.private_bytes(*form))
    return cert_path, key_path
