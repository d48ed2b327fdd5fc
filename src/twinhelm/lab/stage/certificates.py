"""The lab's own certificate authority, and the certificates it signs.

In: a folder. Out: ``ca.pem`` and, for each name asked for, ``NAME.pem`` and ``NAME.key`` (mode
0600), valid for loopback. The authority's key stays in memory and dies with the stage.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from twinhelm.lab.plan import LOOPBACK
from twinhelm.lab.words import now_s

__all__ = ["Authority"]

VALID = timedelta(days=90)


class Authority:
    """Signs certificates; making one writes its own certificate into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("twinhelm lab authority")
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.fromtimestamp(now_s(), UTC)
        made = (
            _builder(self._name, self._name, self._key.public_key(), now - VALID, now + VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, expired: bool = False) -> None:
        """Write a certificate and key for ``name``; an expired one ended an hour ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.fromtimestamp(now_s(), UTC)
        until = now - timedelta(hours=1) if expired else now + VALID
        made = (
            _builder(_name(name), self._name, key.public_key(), now - VALID, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
                ),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        private = self._folder / f"{name}.key"
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (self._folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    since: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
