"""Who vouches for a layer: Ed25519 keys, signatures over manifests, and whom to trust.

What is signed is the DSSE envelope's pre-authentication encoding of the manifest's canonical
JSON: a signature made for one kind of document can never be shown as one for another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from genome.errors import SigningKeyError
from genome.refusals import refused, shown
from genome.shelf.manifest import Manifest, parse_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = b"application/vnd.continuum.layer-manifest+json"
MAX_KEY_BYTES = 4096
_P = 2**255 - 19
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
"""y of one of the points of order 8; the other pair's is its negative."""
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
"""y of the eight points whose order divides 8 (RFC 8032, 5.1; the list is also libsodium's)."""


def is_weak(public_key: str) -> bool:
    """Whether a public key is a point of small order, under which one signature fits any text.

    Args:
        public_key: 64 hex digits; also in an encoding that no one should use, y not below 2^255-19.
    """
    y = int.from_bytes(bytes.fromhex(public_key), "little") & (2**255 - 1)
    return y % _P in _SMALL_ORDER_Y


@dataclass(frozen=True, eq=False)
class SigningKey:
    """An Ed25519 private key; its `creator` is the public one as manifests carry it."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @property
    def creator(self) -> str:
        """The public key, 64 hex digits."""
        return self._key.public_key().public_bytes_raw().hex()

    def save(self, path: str | Path) -> None:
        """Write the private key as PEM, readable by its owner only; never over another file.

        Raises:
            SigningKeyError: The file is there already.
        """
        from cryptography.hazmat.primitives import serialization

        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise SigningKeyError(
                f"{path} is there already and may be a key in use: choose another file"
            ) from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            os.unlink(path)
            raise

    @classmethod
    def load(cls, path: str | Path) -> SigningKey:
        """Read a private key.

        Raises:
            SigningKeyError: It is missing, readable by others, or no Ed25519 key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode & 0o777
                pem = file.read(MAX_KEY_BYTES)
        except OSError as error:
            raise SigningKeyError(
                f"the key {path} cannot be read ({error.strerror}): make one with `continuum "
                "layer keygen FILE`"
            ) from None
        if mode & 0o077:
            raise SigningKeyError(
                f"the key {path} may be read by others (mode {mode:03o}): run `chmod 600 {path}`, "
                "and make a new one if somebody could have copied it"
            )
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:  # cryptography has no class of its own for it
            raise SigningKeyError(f"{path} is no unencrypted PEM key ({error})") from None
        except Exception as error:
            raise SigningKeyError(f"{path} holds a key of an unknown kind ({error})") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningKeyError(
                f"{path} holds a {type(key).__name__}: only Ed25519 is supported, make one with "
                "`continuum layer keygen FILE`"
            )
        return cls(key)

    def signed(self, manifest: Manifest) -> Manifest:
        """The manifest with this key as creator and its signature."""
        # the signature is part of no signed byte; a placeholder keeps the manifest well-formed
        named = replace(manifest, creator=self.creator, signature="0" * 128)
        return replace(named, signature=self._key.sign(_envelope(named)).hex())


def signature_holds(manifest: Manifest) -> bool:
    """Whether the manifest's signature was made by its creator over exactly these facts."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if is_weak(manifest.creator):
            return False
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest.creator))
        key.verify(bytes.fromhex(manifest.signature), _envelope(manifest))
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class TrustPolicy:
    """Whose layers are let in. A bad signature never is, and a weak key makes no good one."""

    known: frozenset[str] | None = None
    """Creators that are accepted; None = any whose signature holds."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Creator -> why its key is no longer good."""
    allow_unsigned: bool = True
    """True suits a library of one's own layers."""
    allow_missing_parents: bool = False
    allow_rollback: bool = False
    """True lets a lower version in than one that was seen."""

    def check(self, manifest: Manifest, *, now: datetime | None = None) -> None:
        """Let a manifest pass or refuse it.

        Args:
            now: The time to judge expiry by; default the clock.

        Raises:
            LayerRejected: unsigned, signature_bad, signature_revoked, signature_unknown,
                signature_expired.
        """
        label = f"layer {manifest.name!r} {manifest.version}"
        if manifest.signature:
            self._check_key(manifest, label)
        elif not self.allow_unsigned:
            raise refused(
                "unsigned",
                f"{label} is not signed and this policy wants a signature: ask its "
                "author for a signed one",
            )
        moment = now if now is not None else datetime.now(UTC)
        if manifest.expires and parse_time(manifest.expires) <= moment:
            raise refused(
                "signature_expired", f"{label} expired on {manifest.expires}: get a newer version"
            )

    def _check_key(self, manifest: Manifest, label: str) -> None:
        creator = manifest.creator
        if not signature_holds(manifest):
            raise refused(
                "signature_bad",
                f"the signature of {label} is not one of {creator[:16]} over this "
                "manifest: it was changed or forged, get it again from its author",
            )
        if creator in self.revoked:
            raise refused(
                "signature_revoked",
                f"{label} is signed by {creator[:16]}, whose key was revoked "
                f"({shown(self.revoked[creator])}): get one signed with its new key",
            )
        if self.known is not None and creator not in self.known:
            raise refused(
                "signature_unknown",
                f"{label} is signed by {creator[:16]}, who is not among the "
                f"{len(self.known)} known creators: add the key if you trust it",
            )


def _envelope(manifest: Manifest) -> bytes:
    """DSSE pre-authentication encoding: lengths before contents, so nothing can run together."""
    body = manifest.signed_bytes()
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(body), body)
