"""TLS and mutual TLS on real sockets, and what is said of files that are wrong."""

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hotrow.errors import Code, HotrowError
from hotrow.rpc.channel import open_channel
from hotrow.rpc.gate import Gate
from hotrow.rpc.listener import Endpoint, ListenerOptions, serve
from hotrow.rpc.tls import ChannelTls, TlsFiles, channel_credentials, server_credentials

PATH = "/hotrow.test.Echo/echo"


@pytest.fixture
def listen(door):
    """Makes listeners with TLS that echo."""
    made = []

    def make(tls):
        methods = {PATH: lambda request, call: call.reply(request)}
        endpoint = Endpoint("127.0.0.1:0", tls)
        made.append(serve(endpoint, methods, gate=Gate(), options=ListenerOptions(lane=door)))
        return made[-1].port

    yield make
    for listener in made:
        listener.stop(0)


def _echo(port, tls, host="localhost"):
    with open_channel(f"{host}:{port}", tls) as channel:
        return channel.unary_unary(PATH, None, None)(b"over tls", timeout=5)


def test_a_call_goes_over_tls(listen, pki):
    port = listen(TlsFiles(pki.server_cert, pki.server_key))
    assert _echo(port, ChannelTls(ca=pki.ca)) == b"over tls"
    assert _echo(port, ChannelTls(ca=pki.ca, server_name="localhost"), "127.0.0.1") == b"over tls"


def test_plain_text_and_strangers_are_refused_where_tls_is_on(listen, pki):
    """No TLS at all; an authority that did not sign the server's certificate; another name than the certificate's."""
    port = listen(TlsFiles(pki.server_cert, pki.server_key))
    for tls in (None, ChannelTls(ca=pki.stranger_cert), ChannelTls(ca=pki.ca)):
        with pytest.raises(grpc.RpcError) as caught:
            _echo(port, tls, "127.0.0.1")  # the certificate is for localhost
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_mutual_tls_takes_those_that_the_authority_signed_alone(listen, pki):
    port = listen(TlsFiles(pki.server_cert, pki.server_key, pki.ca))
    known = ChannelTls(ca=pki.ca, cert=pki.client_cert, key=pki.client_key)
    assert _echo(port, known) == b"over tls"
    for tls in (ChannelTls(ca=pki.ca), ChannelTls(ca=pki.ca, cert=pki.stranger_cert, key=pki.stranger_key)):
        with pytest.raises(grpc.RpcError) as caught:
            _echo(port, tls)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def _message(make):
    with pytest.raises(HotrowError) as caught:
        make()
    assert caught.value.code is Code.FAILED_PRECONDITION
    return caught.value.message


def test_a_missing_file_is_named(pki, tmp_path):
    gone = tmp_path / "gone.pem"
    assert _message(lambda: server_credentials(TlsFiles(gone, pki.server_key))).endswith("gone.pem does not exist")
    assert "key file" in _message(lambda: server_credentials(TlsFiles(pki.server_cert, gone)))
    assert "authority file" in _message(lambda: server_credentials(TlsFiles(pki.server_cert, pki.server_key, gone)))
    assert "authority file" in _message(lambda: channel_credentials(ChannelTls(ca=gone)))


def test_a_file_that_cannot_be_read_is_named(pki, tmp_path):
    assert "cannot be read: Is a directory" in _message(lambda: server_credentials(TlsFiles(tmp_path, pki.server_key)))


def test_a_key_of_another_certificate_is_named(pki):
    message = _message(lambda: server_credentials(TlsFiles(pki.server_cert, pki.client_key)))
    assert "client_key.pem does not belong to the certificate" in message


def test_files_that_are_not_pem_are_named(pki, tmp_path):
    noise = tmp_path / "noise.pem"
    noise.write_text("no certificate")
    assert "noise.pem" in _message(lambda: server_credentials(TlsFiles(noise, pki.server_key)))
    assert "noise.pem" in _message(lambda: server_credentials(TlsFiles(pki.server_cert, pki.server_key, noise)))


def test_a_certificate_without_its_key_is_refused(pki):
    assert "both needed" in _message(lambda: channel_credentials(ChannelTls(ca=pki.ca, cert=pki.client_cert)))


def test_an_encrypted_key_is_refused_and_not_asked_for(pki, tmp_path):
    """A prompt for a password would hang a daemon."""
    locked = tmp_path / "locked.pem"
    key = load_pem_private_key(pki.server_key.read_bytes(), None)
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    assert "password" in _message(lambda: server_credentials(TlsFiles(pki.server_cert, locked)))
