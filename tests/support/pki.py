"""Certificates for the tests of TLS."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pki:
    """PEM files: an authority, a server and a client that it signed, a client that another authority signed, and a
    server whose certificate has expired.
    """

    ca: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path
    stranger_cert: Path
    stranger_key: Path
    expired_cert: Path
    expired_key: Path


def make_pki(folder: Path, *, valid: timedelta = timedelta(days=1)) -> Pki:
    """Certificates of the server and the clients are valid for so long from now on."""
    ca, other = _authority("test authority"), _authority("another authority")
    (folder / "ca.pem").write_bytes(ca[0].public_bytes(serialization.Encoding.PEM))
    for name, authority in (("server", ca), ("client", ca), ("stranger", other)):
        _write_pair(folder, name, authority, valid)
    _write_pair(folder, "expired", ca, timedelta(minutes=-1))
    names = [f"{name}_{kind}" for name in ("server", "client", "stranger", "expired") for kind in ("cert", "key")]
    return Pki(folder / "ca.pem", *(folder / f"{name}.pem" for name in names))


Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    basic = x509.BasicConstraints(ca=True, path_length=None)
    return _builder(name, name, key).add_extension(basic, critical=True).sign(key, hashes.SHA256()), key


def _write_pair(folder: Path, name: str, authority: Authority, valid: timedelta) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    cert = (
        _builder(name, str(issuer), key, valid).add_extension(names, critical=False).sign(authority[1], hashes.SHA256())
    )
    (folder / f"{name}_cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}_key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, valid: timedelta = timedelta(days=1)
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + valid)
    )
