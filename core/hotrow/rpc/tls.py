"""TLS from PEM files, with errors that name the file."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc

from hotrow.errors import Code, HotrowError


class TlsSettings(Protocol):
    """PEM files of a listener, as `hotrow.section.TlsSettings` has them: `cert` (the chain) and `key` are its own,
    and with `client_ca` callers must show a certificate that it signed.
    """

    @property
    def cert(self) -> Path: ...
    @property
    def key(self) -> Path: ...
    @property
    def client_ca(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """`TlsSettings` for callers that have no settings file."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class ChannelTls:
    """What a caller needs: `ca` signed the server's certificate (None: one of the system's authorities did), `cert`
    and `key` are the caller's own, for mutual TLS. `server_name` is the name on the server's certificate, where that
    is not the host of the address.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Credentials of a listener; raises FAILED_PRECONDITION naming the file that is missing or wrong."""
    chain, key = _read_pair(tls.cert, tls.key)
    if tls.client_ca is None:
        return grpc.ssl_server_credentials([(key, chain)])
    return grpc.ssl_server_credentials([(key, chain)], _read_authorities(tls.client_ca), require_client_auth=True)


def channel_credentials(tls: ChannelTls) -> grpc.ChannelCredentials:
    """Credentials of a caller; raises FAILED_PRECONDITION naming the file that is missing or wrong."""
    authorities = None if tls.ca is None else _read_authorities(tls.ca)
    if tls.cert is None and tls.key is None:
        return grpc.ssl_channel_credentials(authorities)
    chain, key = _read_pair(tls.cert, tls.key)
    return grpc.ssl_channel_credentials(authorities, key, chain)


def _read_pair(cert: Path | None, key: Path | None) -> tuple[bytes, bytes]:
    if cert is None or key is None:
        raise _wrong("a TLS certificate and its key are both needed: set cert and key to the paths of PEM files")
    chain_pem, key_pem = _read(cert, "certificate"), _read(key, "key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        raise _wrong(_reason_of_pair(cert, key, error)) from error
    return chain_pem, key_pem


def _reason_of_pair(cert: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the TLS key {key} does not belong to the certificate {cert}"
    return f"the TLS certificate {cert} or its key {key} is not a usable PEM file ({error.reason or error})"


def _no_password() -> str:
    raise _wrong("the TLS key is encrypted with a password: give a key file without one, readable by this user alone")


def _read_authorities(path: Path) -> bytes:
    pem = _read(path, "authority")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise _wrong(f"the TLS authority file {path} holds no usable PEM certificate") from error
    return pem


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _wrong(f"the TLS {what} file {path} does not exist") from error
    except OSError as error:
        raise _wrong(f"the TLS {what} file {path} cannot be read: {error.strerror}") from error


def _wrong(message: str) -> HotrowError:
    return HotrowError(Code.FAILED_PRECONDITION, message)
