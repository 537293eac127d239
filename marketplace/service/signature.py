"""Who sent a request, proven by RFC 9421 signatures with Ed25519.

What must be covered: method and target always, the body by its Content-Digest, and the
Idempotency-Key when there is one. The key id is the public key itself, so that a signature can be
checked before anybody is looked up, and an unknown key can prove that it is held.

The signature base of requests in the form that clients really send, without a parser.

The library's structured-field parser takes twice as long as Ed25519 itself, on the event loop.
Almost every request has one signature in canonical form; for these the base is the received text,
put together again. Whatever deviates, by a space or a parameter, is left to the library: None
here never means refused. `tests/.../test_quick_signature.py` holds the two against each other.

Every signed request counts once.

A nonce is remembered until its signature has expired; after that the expiry refuses it. Nonces
live in this process only, so signatures made before it started are refused as well: one of them
may have been used with the process before. Change requests are safe beyond that, by their
Idempotency-Key; this is what keeps a recorded read from being read again.
"""

import base64
import binascii
import heapq
import re
import threading
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature as BadSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    VerifyResult,
    algorithms,
)
from http_message_signatures.digests import ContentDigest
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from genome.shelf.signing import is_weak
from marketplace.service.problems import ProblemError

TAG = "continuum-market"
ALWAYS_COVERED = ("@method", "@target-uri")
CHALLENGE = {
    "WWW-Authenticate": 'Signature realm="continuum-market"',
    "Accept-Signature": (
        'sig=("@method" "@target-uri" "content-digest" "idempotency-key")'
        f';created;expires;nonce;keyid;alg="ed25519";tag="{TAG}"'
    ),
}
"""Headers of every 401."""
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_SHA_256 = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,128}")


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """The parts of a request that a signature is about."""

    method: str
    url: str
    """As the client sees it: origin, path and query, encoded."""
    headers: "HeaderLines"


class HeaderLines:
    """Header lines in order, equal names included."""

    def __init__(self, lines: Iterable[tuple[str, str]]) -> None:
        self._lines = tuple(lines)
        self._by_name: dict[str, list[str]] = {}
        for name, value in self._lines:
            self._by_name.setdefault(name.lower(), []).append(value)

    def items(self) -> tuple[tuple[str, str], ...]:
        """Every line."""
        return self._lines

    def get(self, name: str) -> str | None:
        """The one value of a header; None when it is absent.

        Raises:
            ProblemError: signature-invalid, when it is there twice.
        """
        found = self._by_name.get(name, ())
        if len(found) > 1:
            raise unproven(f"header {name} must be there once, not {len(found)} times: merge them")
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a good signature says."""

    public_key: str
    nonce: str
    created: int
    expires: int
    digest: str | None
    """The covered Content-Digest; None for a request without body."""


class _KeyIsItsName(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        return _public_key(key_id)


@lru_cache(maxsize=4096)
def _public_key(key_id: str) -> Ed25519PublicKey:
    if not PUBLIC_KEY.fullmatch(key_id):
        raise InvalidSignature("keyid is not the 64 hex digits of a public key")
    if is_weak(key_id):
        raise InvalidSignature("keyid is a key with which anybody can sign")
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id))


def check_signature(
    message: SignedMessage, *, has_body: bool, now: float, max_validity_s: int, skew_s: int
) -> Proof:
    """Whoever signed this request, for this method, target, body and key.

    The body itself is not read: compare it with `Proof.digest` when it is there.

    Raises:
        ProblemError: signature-missing, signature-invalid.
    """
    if message.headers.get("signature") is None or message.headers.get("signature-input") is None:
        raise ProblemError(
            "signature-missing",
            "sign the request as RFC 9421 says, with a key registered for the account",
            CHALLENGE,
        )
    proof = _quick_proof(message, has_body) or _proof(
        _verify(message, _needed(message, has_body), max_validity_s),
        message.headers.get("content-digest"),
    )
    if not 0 < proof.expires - proof.created <= max_validity_s:
        raise unproven(
            f"expires must be 1 to {max_validity_s} s after created,"
            f" not {proof.expires - proof.created} s: sign again"
        )
    if not proof.created - skew_s <= now <= proof.expires:
        raise unproven(
            f"the signature was valid from {proof.created} to {proof.expires}, now it is"
            f" {now:.0f}: sign again, and set the clock if it is wrong"
        )
    return proof


def check_body(digest: str | None, body: bytes) -> None:
    """Refuse a body other than the one that was signed.

    Raises:
        ProblemError: digest-mismatch.
    """
    if digest is None and not body:
        return
    quick = _SHA_256.fullmatch(digest or "")
    if quick is not None and b64encode(sha256(body).digest()).decode() == quick[1]:
        return
    try:
        ContentDigest.verify(digest or "", body)
    except HTTPMessageSignaturesException as error:
        raise mismatch(str(error)) from None


def sha256_of(digest: str | None) -> bytes:
    """The sha-256 member of a Content-Digest, for bodies that are hashed while they arrive.

    Raises:
        ProblemError: digest-mismatch, when there is none.
    """
    try:
        found: bytes | None = ContentDigest._parse(digest or "").get("sha-256")
    except HTTPMessageSignaturesException as error:
        raise mismatch(str(error)) from None
    if found is None:
        raise mismatch("a layer's file needs a sha-256 Content-Digest")
    return found


def mismatch(why: str) -> ProblemError:
    """The refusal of a body that was changed on its way."""
    return ProblemError("digest-mismatch", f"{why}: send the body that was signed")


def unproven(why: str) -> ProblemError:
    """The refusal of a signature."""
    return ProblemError("signature-invalid", why, CHALLENGE)


def _needed(message: SignedMessage, has_body: bool) -> tuple[str, ...]:
    needed: tuple[str, ...] = ALWAYS_COVERED
    if has_body or message.headers.get("content-digest") is not None:
        needed += ("content-digest",)
    if message.headers.get("idempotency-key") is not None:
        needed += ("idempotency-key",)
    return needed


def _quick_proof(message: SignedMessage, has_body: bool) -> Proof | None:
    """What a signature in canonical form says, if it holds; None to ask the library."""
    headers = message.headers
    digest = headers.get("content-digest")
    values = {
        "@method": message.method,
        "@target-uri": message.url,
        "content-digest": digest,
        "idempotency-key": headers.get("idempotency-key"),
    }
    given, signature = headers.get("signature-input"), headers.get("signature")
    quick = read_quickly(given or "", signature or "", values)
    if quick is None or not set(_needed(message, has_body)) <= set(quick.covered):
        return None
    says = quick.parameters
    if says.get("tag") != TAG or not {"created", "expires", "keyid", "nonce"} <= says.keys():
        return None
    if not _NONCE.fullmatch(says["nonce"]):
        return None
    try:
        _public_key(says["keyid"]).verify(quick.signature, quick.base)
    except (InvalidSignature, BadSignature, ValueError):
        return None
    return Proof(says["keyid"], says["nonce"], int(says["created"]), int(says["expires"]), digest)


def _verify(message: SignedMessage, needed: tuple[str, ...], max_validity_s: int) -> VerifyResult:
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ED25519, key_resolver=_KeyIsItsName()
    )
    try:
        results = verifier.verify(
            message,
            max_age=timedelta(seconds=max_validity_s),
            expect_tag=TAG,
            require_components=needed,
        )
    except HTTPMessageSignaturesException as error:
        raise unproven(f"{str(error)[:200] or 'the signature is wrong'}: sign again") from None
    if len(results) != 1:
        raise unproven(f"exactly one signature is expected, not {len(results)}: send one")
    return results[0]


def _proof(result: VerifyResult, digest: str | None) -> Proof:
    given = result.parameters
    created, expires = given.get("created"), given.get("expires")
    nonce, key = given.get("nonce"), given.get("keyid")
    if not isinstance(created, int) or not isinstance(expires, int):
        raise unproven("created and expires must be given: sign again")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise unproven("nonce must be 16-128 characters of A-Z a-z 0-9 _ -: sign again")
    return Proof(str(key), nonce, created, expires, digest)


_PARTS = ("@method", "@target-uri", "content-digest", "idempotency-key")
_PART = "|".join(f'"{part}"' for part in _PARTS)
_PARAMETER = (
    r'created=[0-9]{1,12}|expires=[0-9]{1,12}|keyid="[0-9a-f]{64}"|alg="ed25519"'
    r'|nonce="[A-Za-z0-9_-]{1,128}"|tag="[a-z-]{1,64}"'
)
_LABEL = r"([a-z][a-z0-9]{0,15})"
_COVERED = rf"\(((?:{_PART})(?: (?:{_PART})){{1,3}})\)"
_INPUT = re.compile(rf"{_LABEL}=({_COVERED}((?:;(?:{_PARAMETER})){{5,6}}))")
_SIGNATURE = re.compile(rf"{_LABEL}=:([A-Za-z0-9+/]{{86}}==):")
_TEXT = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class QuickSignature:
    """A signature in canonical form: what it covers, what it says, and what was signed."""

    covered: tuple[str, ...]
    parameters: dict[str, str]
    """By name, without quotes."""
    signature: bytes
    base: bytes


def read_quickly(
    signature_input: str, signature: str, values: dict[str, str | None]
) -> QuickSignature | None:
    """The signature, if it is in canonical form; None to leave it to the library.

    Args:
        values: Of every part that may be covered; None for a header that is absent.
    """
    given, signed = _INPUT.fullmatch(signature_input), _SIGNATURE.fullmatch(signature)
    if given is None or signed is None or given[1] != signed[1]:
        return None
    covered = tuple(part[1:-1] for part in given[3].split(" "))
    pairs = [pair.partition("=") for pair in given[4][1:].split(";")]
    parameters = {name: value.strip('"') for name, _, value in pairs}
    if len(set(covered)) < len(covered) or len(parameters) < len(pairs):
        return None
    lines = []
    for part in covered:
        value = values[part]
        if value is None or not _TEXT.fullmatch(value):
            return None
        lines.append(f'"{part}": {value}')
    lines.append(f'"@signature-params": {given[2]}')
    try:
        decoded = base64.b64decode(signed[2], validate=True)
    except binascii.Error:
        return None
    return QuickSignature(covered, parameters, decoded, "\n".join(lines).encode("ascii"))


class NonceCache:
    """Nonces seen, by key; as many as arrive within one validity.

    The rate limits bound them: of a registered key by its own, of all others by their peer's.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()
        self._expiring: list[tuple[float, str, str]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Nonces remembered."""
        return len(self._seen)

    def take(self, key: str, nonce: str, *, until: float, now: float) -> bool:
        """True when the key uses this nonce for the first time; it is then used.

        Args:
            until: When the signature stops being accepted, seconds since 1970.
        """
        with self._lock:
            self._forget(now)
            if (key, nonce) in self._seen:
                return False
            self._seen.add((key, nonce))
            heapq.heappush(self._expiring, (until, key, nonce))
            return True

    def _forget(self, now: float) -> None:
        while self._expiring and self._expiring[0][0] < now:
            _, key, nonce = heapq.heappop(self._expiring)
            self._seen.discard((key, nonce))
