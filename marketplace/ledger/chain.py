"""The hash chain over the journal, and signed heads that can be kept elsewhere.

    h_i = SHA-256(h_{i-1} || canonical_i),   h_0 = 32 zero bytes

canonical_i is the JSON of transfer i with its key's request and its postings. Changing, removing
or swapping any of them breaks every later hash. Everything beside the journal is chained the same
way by `marketplace.ledger.event_log`. Whoever can rewrite the whole file can also rewrite both
chains: against that helps only a head that was signed and kept elsewhere.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from marketplace.database import bulk
from marketplace.errors import HeadError
from marketplace.ledger.account_key import is_signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

GENESIS = "0" * 64
"""The hash before the first transfer, and before the first event."""
PAYLOAD_TYPE = "application/vnd.continuum.market-head+json"
_FALSE_TRUE = ("false", "true")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the journal and of the event log: everything up to it is fixed by two hashes."""

    seq: int
    """Number of the last transfer; 0 for an empty journal."""
    hash: str
    """64 hex digits."""
    at: float
    """When the last transfer was made, seconds since 1970."""
    event: int | None = None
    """Number of the last event; None in a head of schema 3 or before, which fixes the journal only.
    """
    event_hash: str | None = None
    """64 hex digits."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head that its signer vouches for; 'to_json' is the file to keep elsewhere."""

    head: Head
    public_key: str
    """Ed25519, 64 hex digits."""
    signature: str
    """Over the DSSE pre-authentication encoding, 128 hex digits."""

    def to_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "SignedHead":
        """Read what `to_json` wrote; the signature is checked by `check_head`.

        Raises:
            HeadError: It is no signed head.
        """
        try:
            found = json.loads(text)
            return cls(_head(found["head"]), str(found["public_key"]), str(found["signature"]))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise HeadError(
                f"this is no signed head ({type(error).__name__}): write one with"
                " `continuum market head FILE`"
            ) from None


def postings_text(legs: Iterable[Sequence[Any]]) -> str:
    """Canonical JSON of postings; each begins with account, amount in nano-credits, pending."""
    lines = [f"[{quoted(leg[0])},{leg[1]},{_FALSE_TRUE[leg[2]]}]" for leg in legs]
    return f"[{','.join(lines)}]"


def link(previous: str, row: tuple[Any, ...], operation: str, body_hash: str, legs: str) -> str:
    """The hash of one transfer.

    Args:
        previous: The hash before it.
        row: id, at, kind, memo, key, group_key, refers_to, expires_at.
        operation: What the key's request asked for.
        body_hash: Of that request.
        legs: Its postings as `postings_text` writes them.
    """
    number, at, kind, memo, key, group, refers_to, expires_at = row
    canonical = (
        f"{previous}[{number},{at!r},{quoted(kind)},{quoted(memo)},{quoted(key)},"
        f"{'null' if group is None else quoted(group)},"
        f"{'null' if refers_to is None else refers_to},"
        f"{'null' if expires_at is None else repr(expires_at)},"
        f'{quoted(operation)},"{body_hash}",{legs}]'
    )
    return sha256(canonical.encode()).hexdigest()


def head(session: Session) -> Head:
    """The end of the ledger's hash chain, for anybody to keep: history before it cannot change.

    As it is stored; `marketplace.store.verify` recomputes it.
    """
    seq, last_hash, at = bulk.last_transfer(session.connection())
    event, event_hash = bulk.last_event(session.connection())
    return Head(seq, last_hash or GENESIS, at, event, event_hash or GENESIS)


def sign_head(unsigned: Head, private_key: "Ed25519PrivateKey") -> SignedHead:
    """Vouch for a head, to be kept where the market's administrator cannot change it."""
    public = private_key.public_key().public_bytes_raw().hex()
    return SignedHead(unsigned, public, private_key.sign(_envelope(unsigned)).hex())


def check_head(signed: SignedHead, signers: Collection[str]) -> Head:
    """The head, when a known key signed it: whoever rewrites a market can sign a head of his own.

    Args:
        signers: Keys that may have signed, 64 hex digits each, known from elsewhere than the head.

    Raises:
        HeadError: Another key signed, or the signature does not fit.
    """
    if signed.public_key not in signers:
        raise HeadError(
            f"a head must be signed by a key that is known here, this one names"
            f" {signed.public_key[:64]!r}: name the key that you trust with --signer, or do not"
            " rely on this head"
        )
    if not is_signed(signed.public_key, signed.signature, _envelope(signed.head)):
        raise HeadError(
            f"the signature over head {signed.head.seq} does not fit key"
            f" {signed.public_key[:16]!r}...: the file was changed, fetch it again"
        )
    return signed.head


def _head(found: dict[str, Any]) -> Head:
    head = Head(int(found["seq"]), str(found["hash"]), found["at"])
    if (
        found.get("event") is None
    ):  # of an earlier version; the signature tells whether one was left out
        return head
    return replace(head, event=int(found["event"]), event_hash=str(found["event_hash"]))


def _envelope(unsigned: Head) -> bytes:
    says = {name: value for name, value in asdict(unsigned).items() if value is not None}
    payload = json.dumps(says, sort_keys=True, separators=(",", ":"))
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload}".encode()
