"""A certificate authority of one's own, for TLS on loopback."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Authority:
    def __init__(self, directory: Path, name: str = "Test CA") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key.public_key(), [], is_authority=True)
        self.bundle = directory / "ca.pem"  # whom to trust
        self.bundle.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def issue(self, *hosts: str) -> Path:
        """A key and a certificate for hosts, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0][:64])])
        certificate = self._sign(name, key.public_key(), hosts, is_authority=False)
        path = self._directory / f"{hosts[0]}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
        return path

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, hosts: tuple[str, ...] | list[str], *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        builder = x509.CertificateBuilder(
            *(self._name, name, key, x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(days=1))
        ).add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_named(host) for host in hosts]), False)
        return builder.sign(self._key, SHA256())


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
