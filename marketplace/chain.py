"""The hash chain over the journal, and signed heads that can be kept elsewhere.

    h_i = SHA-256(h_{i-1} || canonical_i),   h_0 = 32 zero bytes

canonical_i is the JSON of transfer i with its key's request and its postings. Changing, removing
or swapping any of them breaks every later hash. Whoever can rewrite the whole file can also
rewrite the whole chain: against that helps only a head that was signed and kept elsewhere.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from marketplace import bulk
from marketplace.errors import HeadError
from marketplace.signatures import is_signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

GENESIS = "0" * 64
"""The hash before the first transfer."""
PAYLOAD_TYPE = "application/vnd.continuum.market-head+json"
_FALSE_TRUE = ("false", "true")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the journal: everything up to it is fixed by its hash."""

    seq: int
    """Number of the last transfer; 0 for an empty journal."""
    hash: str
    """64 hex digits."""
    at: float
    """When the last transfer was made, seconds since 1970."""


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
            head = Head(int(found["head"]["seq"]), str(found["head"]["hash"]), found["head"]["at"])
            return cls(head, str(found["public_key"]), str(found["signature"]))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise HeadError(
                f"this is no signed head ({type(error).__name__}): write one with"
                " `continuum market head`"
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
    """The journal's end as it is stored; `marketplace.verify` recomputes it."""
    seq, last_hash, at = bulk.last_transfer(session.connection())
    return Head(seq, last_hash or GENESIS, at)


def sign_head(unsigned: Head, private_key: "Ed25519PrivateKey") -> SignedHead:
    """Vouch for a head, to be kept where the market's administrator cannot change it."""
    public = private_key.public_key().public_bytes_raw().hex()
    return SignedHead(unsigned, public, private_key.sign(_envelope(unsigned)).hex())


def check_head(signed: SignedHead, public_key: str | None = None) -> Head:
    """The head, when its key signed it.

    Args:
        public_key: The key that must have signed, 64 hex digits; None = the one it names, which
            proves only that the file was not damaged.

    Raises:
        HeadError: Another key signed, or the signature does not fit.
    """
    if public_key is not None and public_key != signed.public_key:
        raise HeadError(
            f"the head names key {signed.public_key[:16]}..., expected {public_key[:16]}...:"
            " it was signed by somebody else, do not rely on it"
        )
    if not is_signed(signed.public_key, signed.signature, _envelope(signed.head)):
        raise HeadError(
            f"the signature over head {signed.head.seq} does not fit key"
            f" {signed.public_key[:16]!r}...: the file was changed, fetch it again"
        )
    return signed.head


def _envelope(unsigned: Head) -> bytes:
    payload = json.dumps(asdict(unsigned), sort_keys=True, separators=(",", ":"))
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload}".encode()
