"""Is a version what was signed, byte for byte? Sealing folders, and verifying with a public key.

A seal is a Sigstore bundle as model-signing writes it with an elliptic-curve key: a DSSE envelope
around an in-toto statement that lists every file with its SHA-256; the root digest is the SHA-256
over those digests in order. Here nothing may stand beside what is listed, so that what is opened
is only what was verified; links are refused. Cost: one reading of all bytes. Whoever holds the
key can sign anything, so the root digest of a version is kept in its record as well. What else
is said of a version is attested in the same way: a statement of another kind about its root.
Source: model-signing 1.1 (``sign_ec_key``, ``signing.Payload``); DSSE v1.0 protocol.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from twinhelm.core.errors import BadInput, Denied, TwinhelmError
from twinhelm.core.json import dumps, loads
from twinhelm.mlops.register.shelf import files_of

__all__ = ["Seal", "Sealed", "Verifier"]

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
CURVE = "secp256r1"
_ECDSA = ec.ECDSA(hashes.SHA256())
_HOW = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a seal says: the ``root`` digest, the ``signer`` (SHA-256 of the public key's PEM)."""

    root: str
    signer: str
    files: Mapping[str, str]


class Verifier:
    """Verifies with the public P-256 key in the PEM file ``key``.

    Whatever does not fit raises :class:`Denied`; a file that holds no such key, :class:`BadInput`.
    """

    def __init__(self, key: Path) -> None:
        self._path = key

    @cached_property
    def _public(self) -> ec.EllipticCurvePublicKey:
        try:
            key = serialization.load_pem_public_key(self._path.read_bytes())
            if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != CURVE:
                raise ValueError("it is of another kind")
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            said = f"{self._path} holds no public P-256 key: {error}"
            hint = "`twinhelm export` writes the house's beside what it exports"
            raise BadInput(said, hint=hint) from error
        return key

    @cached_property
    def public(self) -> bytes:
        """The public key as PEM: what others need to verify."""
        return self._public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def signer(self) -> str:
        """The name of the key: SHA-256 of its public half."""
        return hashlib.sha256(self.public).hexdigest()

    def verify(self, folder: Path, bundle: bytes) -> Sealed:
        """Verify the signature, then every file of the folder; returns what was signed."""
        sealed = self._listed(bundle)
        try:
            files = _digests(folder)
        except (TwinhelmError, OSError) as error:
            raise _denied(str(error)) from error
        for name in sorted(files.keys() | sealed.files.keys()):
            if (is_now := files.get(name)) != sealed.files.get(name):
                what = "is missing" if is_now is None else "is not as it was signed"
                raise _denied(f"{name} {what if name in sealed.files else 'was never signed'}")
        return sealed

    def attested(self, bundle: bytes, kind: str) -> tuple[str, Mapping[str, Any]]:
        """Return the root that a statement of this kind is about, and what it says.

        Nothing is believed but what this key has signed.
        """
        public = self._public
        try:
            held = loads(bundle, what="signature")
            envelope = held["dsseEnvelope"]
            payload = base64.b64decode(envelope["payload"], validate=True)
            signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
            if (held["mediaType"], envelope["payloadType"]) != (BUNDLE, PAYLOAD):
                raise _denied("the signature is of another kind")
            public.verify(signature, _enveloped(payload), _ECDSA)
            said = loads(payload, what="signed statement")
            if (said["_type"], said["predicateType"]) != (STATEMENT, kind):
                raise _denied("the signature is of another kind")
            (subject,) = said["subject"]
            return str(subject["digest"]["sha256"]), dict(said["predicate"])
        except InvalidSignature as error:
            raise _denied(f"the signature was not made with the key {self._path.name}") from error
        except Denied:
            raise
        except (LookupError, TypeError, ValueError, TwinhelmError) as error:
            raise _denied(f"the signature cannot be understood: {error!r}") from error

    def _listed(self, bundle: bytes) -> Sealed:
        root, said = self.attested(bundle, PREDICATE)
        try:
            how, listed = said["serialization"], said["resources"]
            if any(how[name] != value for name, value in _HOW.items()):
                raise _denied("the signature is made in a way that is not known here")
            files = {str(each["name"]): str(each["digest"]) for each in listed}
            if root != _root(files) or len(files) != len(listed):
                raise _denied("the signed list of files contradicts itself")
        except (LookupError, TypeError, ValueError) as error:
            raise _denied(f"the signature cannot be understood: {error!r}") from error
        return Sealed(root, self.signer, files)


class Seal(Verifier):
    """Signs too, with the private key in the file ``key``, which is made at first use."""

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        if not self._path.exists():
            pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._path.with_name(f"{self._path.name}.{os.getpid()}~")
            with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123 - with rights from the start
                out.write(pem)
                out.flush()
                os.fsync(out.fileno())
            part.rename(self._path)
        try:
            key = serialization.load_pem_private_key(self._path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != CURVE:
                raise ValueError("it is of another kind")
        except (ValueError, TypeError) as error:
            said = f"{self._path} holds no P-256 key: {error}"
            raise BadInput(said, hint="restore it from a backup: it signed all versions") from error
        return key

    @cached_property
    def _public(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, folder: Path, name: str) -> bytes:
        """Sign the files of a folder under ``name``; returns the bundle."""
        files = _digests(folder)
        listed = [
            {"name": each, "algorithm": "sha256", "digest": digest}
            for each, digest in files.items()
        ]
        said = {"serialization": _HOW, "resources": listed}
        return self.attest(name, _root(files), PREDICATE, said)

    def attest(self, name: str, root: str, kind: str, said: Mapping[str, Any]) -> bytes:
        """Sign a statement of this kind about the files with this root; returns the bundle."""
        statement = {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": root}}],
            "predicateType": kind,
            "predicate": said,
        }
        payload = dumps(statement)
        signature = self._key.sign(_enveloped(payload), _ECDSA)
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        }
        material = {"publicKey": {"hint": self.signer}, "tlogEntries": []}
        return dumps(
            {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
        )


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for name, path in files_of(folder):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor that followed no link
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _root(files: Mapping[str, str]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(each) for each in files.values())).hexdigest()


def _enveloped(payload: bytes) -> bytes:
    """Put a payload as DSSE has it signed (pre-authentication encoding)."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)


def _denied(what: str) -> Denied:
    return Denied(f"the files are not what was signed: {what}", hint="register or export it again")
