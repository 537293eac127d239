"""The list of what must no longer be used, signed by the market, for whoever is offline.

It follows TUF: the list has a number that only rises and a day on which it expires, and a client
keeps the highest number it has seen. So an attacker in the middle can neither change the list
nor show an old one for longer than its life.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from marketplace.errors import ProvenanceError
from marketplace.ledger.signatures import is_signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD_TYPE = b"application/vnd.continuum.market-revocations+json"
LIFE_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Every layer and key that was revoked, with the reasons."""

    number: int
    """Rises with every revocation."""
    issued_at: float
    expires_at: float
    layers: Mapping[str, str]
    """Digest -> reason."""
    keys: Mapping[str, str]
    """Public key -> reason."""


def sign_revocations(listed: RevocationList, private_key: "Ed25519PrivateKey") -> bytes:
    """The list with its signature and whose it is, as JSON."""
    facts = asdict(listed)
    signed = {
        "list": facts,
        "public_key": private_key.public_key().public_bytes_raw().hex(),
        "signature": private_key.sign(_envelope(facts)).hex(),
    }
    return json.dumps(signed, sort_keys=True).encode()


def check_revocations(
    data: bytes, *, public_key: str, now: float, seen_number: int = 0
) -> RevocationList:
    """The list, if the market signed it, it is fresh, and no newer one was seen.

    Args:
        public_key: The market's, 64 hex digits.
        now: Seconds since 1970.
        seen_number: The highest number this client has seen; keep the new one.

    Raises:
        ProvenanceError: signature_bad, signature_expired or version_rollback.
    """
    listed = _read(data, public_key)
    if now >= listed.expires_at:
        raise ProvenanceError(
            f"revocation list {listed.number} has expired: get a new one from the market",
            "signature_expired",
        )
    if listed.number < seen_number:
        raise ProvenanceError(
            f"revocation list {listed.number} is older than number {seen_number}, which was seen"
            " before: get a new one from the market",
            "version_rollback",
        )
    return listed


def stated_signer(data: bytes) -> str:
    """Whose signature a list says it bears, for a client that has seen none of this market's.

    Raises:
        ProvenanceError: signature_bad, when it says nothing.
    """
    try:
        key = json.loads(data)["public_key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        key = None
    if not isinstance(key, str):
        raise ProvenanceError(
            "the revocation list does not say who signed it: get it from the market again",
            "signature_bad",
        )
    return key


def _read(data: bytes, public_key: str) -> RevocationList:
    try:
        found: dict[str, Any] = json.loads(data)
        if not is_signed(public_key, found["signature"], _envelope(found["list"])):
            raise ValueError("not signed by this key")
        return RevocationList(**found["list"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ProvenanceError(
            f"the revocation list is not signed by {public_key[:16]}: get it from the market again",
            "signature_bad",
        ) from None


def _envelope(facts: dict[str, Any]) -> bytes:
    body = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(body), body)
