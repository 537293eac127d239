"""Who may take a version down or put it back, and what follows.

An owner withdraws: sales stop, and who bought keeps what was bought. He revokes only what nobody
has paid for, or he would take back what he sold; an evaluator revokes what must not be used, and
then buyers are paid back (`marketplace.trade.returns`). An owner cannot revoke or replace what is
quarantined: a harmless next version would wash the finding away. No evaluator decides about what is
sold by an account of its own. The states and the ways between them are drawn in
`marketplace.listing.listing`.

The list of what must no longer be used, signed by the market, for whoever is offline.

It follows TUF: the list has a number that only rises and a day on which it expires, and a client
keeps the highest number it has seen. So an attacker in the middle can neither change the list
nor show an old one for longer than its life.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field
from sqlmodel import Session, col, select

from marketplace.database.sql import put
from marketplace.errors import NotOwnerError, ProvenanceError, StatusError
from marketplace.fields import AccountName, Actor, ListingName
from marketplace.ledger.account import principal_of, speaks_for
from marketplace.ledger.account_key import KeyRevocation, is_signed
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import (
    LISTED,
    QUARANTINED,
    REVOKED,
    WITHDRAWN,
    Evaluator,
    ListingView,
    StatusEvent,
    Version,
    is_evaluator,
)
from marketplace.names import check_name, check_text
from marketplace.trade.returns import return_failed
from marketplace.trade.rights import has_customers

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


DEEDS = {
    "withdraw": (WITHDRAWN, (LISTED,)),
    "relist": (LISTED, (WITHDRAWN,)),
    "quarantine": (QUARANTINED, (LISTED, WITHDRAWN)),
    "release": (LISTED, (QUARANTINED,)),
    "revoke": (REVOKED, (LISTED, WITHDRAWN, QUARANTINED)),
}
"""Deed -> status it leads to, statuses it starts from."""
BY_OWNER = ("withdraw", "relist", "revoke")
BY_EVALUATOR = ("quarantine", "release", "revoke")


@dataclass(frozen=True, slots=True)
class AppointEvaluator(Operation[None]):
    """Let an account's re-runs and verdicts bind from now on, as the platform's do."""

    OPERATION: ClassVar[str] = "appoint"

    account: AccountName

    def do(self, session: Session, at: float) -> None:
        """Note it, once."""
        find_account(session, self.account)
        if not is_evaluator(session, self.account):
            put(session, Evaluator(account=self.account, appointed_at=at))

    def done(self, session: Session, at: float) -> None:
        """Nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStatus(Operation[ListingView]):
    """Withdraw, relist, quarantine, release or revoke a listing whose ETag If-Match names.

    A repeat of a change that was made is answered as such, whatever the ETag is by now.

    Raises:
        NotOwnerError: The account is not one that may do this.
        StatusError: The version's present status does not allow it.
    """

    deed: Literal["withdraw", "relist", "quarantine", "release", "revoke"]
    listing: ListingName
    by: Actor
    reason: Annotated[str, Field(max_length=500)] = ""

    @property
    def operation(self) -> str:
        """The deed."""
        return self.deed

    def check(self) -> None:
        """Refuse a reason that nobody could read."""
        check_name(self.listing, "listing name")
        check_text(self.reason, "reason", max_chars=500)

    def identity(self, session: Session) -> dict[str, object]:
        """All but the deed, which is the operation."""
        return {"listing": self.listing, "by": self.by, "reason": self.reason}

    def do(self, session: Session, at: float) -> None:
        """Change the newest version's status."""
        view = catalogue.listing_view(session, self.listing)
        refuse_stranger(session, view, self.deed, self.by)
        if self.deed == "revoke" and principal_of(self.by) == principal_of(view.owner):
            _refuse_taking_back(session, view, at)
        reason, key = self.reason, self.key
        add_event(session, view, self.deed, by=self.by, reason=reason, key=key, at=at)

    def done(self, session: Session, at: float) -> ListingView:
        """The listing as it is now; a revoked one's buyers are paid back, as far as that goes."""
        view = catalogue.listing_view(session, self.listing)
        if self.deed == "revoke":
            return_failed(session, listing=self.listing, at=at)
        return view


def withdraw(*, listing: str, by: str, key: str, reason: str = "") -> ChangeStatus:
    """Sell a listing no more; who bought it keeps it. For its owner."""
    return ChangeStatus(deed="withdraw", listing=listing, by=by, reason=reason, key=key)


def relist(*, listing: str, by: str, key: str, reason: str = "") -> ChangeStatus:
    """Sell a withdrawn listing again. For its owner."""
    return ChangeStatus(deed="relist", listing=listing, by=by, reason=reason, key=key)


def quarantine(*, listing: str, by: str, reason: str, key: str) -> ChangeStatus:
    """Stop sale and use of a listing's newest version. For an evaluator."""
    return ChangeStatus(deed="quarantine", listing=listing, by=by, reason=reason, key=key)


def release(*, listing: str, by: str, reason: str, key: str) -> ChangeStatus:
    """Let a quarantined version be sold and used again. For an evaluator."""
    return ChangeStatus(deed="release", listing=listing, by=by, reason=reason, key=key)


def revoke(*, listing: str, by: str, reason: str, key: str) -> ChangeStatus:
    """Stop sale and use of a listing's newest version for good, and pay its buyers back.

    For an evaluator; for the owner as long as nobody has paid for it.
    """
    return ChangeStatus(deed="revoke", listing=listing, by=by, reason=reason, key=key)


def add_event(
    session: Session,
    view: ListingView,
    deed: str,
    *,
    by: str,
    reason: str,
    key: str | None,
    at: float,
) -> None:
    """Record a change of status that is already allowed to whoever does it.

    Raises:
        StatusError: The version's present status does not allow it.
    """
    status, before = DEEDS[deed]
    if view.status not in before:
        raise StatusError(
            f"to {deed} a listing it must be {' or '.join(before)}, {view.name!r} version"
            f" {view.version} is {view.status}: nothing is to be done"
        )
    put(
        session,
        StatusEvent(
            listing=view.name,
            number=view.version,
            status=status,
            reason=reason,
            by=by,
            at=at,
            key=key,
        ),
    )


def refuse_stranger(session: Session, view: ListingView, deed: str, by: str) -> None:
    """Keep a deed to those who may do it.

    Raises:
        NotOwnerError: The account is neither the owner nor an evaluator, as the deed demands.
    """
    own = speaks_for(by, view.owner) and deed in BY_OWNER and view.status != QUARANTINED
    judge = is_evaluator(session, by) and principal_of(by) != principal_of(view.owner)
    if own or (deed in BY_EVALUATOR and judge):
        return
    owner_too = deed in BY_OWNER and view.status != QUARANTINED
    who = [f"its owner {view.owner!r}"] if owner_too else []
    who += ["an evaluator"] if deed in BY_EVALUATOR else []
    raise NotOwnerError(
        f"only {' or '.join(who)} may {deed} listing {view.name!r}, which is {view.status},"
        f" got {by!r}: ask them"
    )


def _refuse_taking_back(session: Session, view: ListingView, at: float) -> None:
    """Keep an owner from taking back what was paid for.

    Raises:
        StatusError: Somebody has bought, rented, tried or meters it.
    """
    if has_customers(session, view.name, at):
        raise StatusError(
            f"listing {view.name!r} was paid for and stays with who paid: stop its sales with"
            f" `continuum market withdraw {view.name}`, or ask an evaluator to revoke it, who has"
            " buyers paid back"
        )


def revoked_digests(session: Session) -> dict[str, str]:
    """Every revoked layer with the reason, by digest."""
    query = (
        select(Version.digest, StatusEvent.reason)
        .join(
            StatusEvent,
            (col(StatusEvent.listing) == col(Version.listing))
            & (col(StatusEvent.number) == col(Version.number)),
        )
        .where(StatusEvent.status == REVOKED)
        .order_by(col(Version.digest))
    )
    return dict(session.exec(query).all())


def revocation_list(session: Session, now: float) -> RevocationList:
    """Every revoked layer and key; its number counts revocations, which are never undone."""
    layers = revoked_digests(session)
    keys = {
        revoked.public_key: "its owner revoked it"
        for revoked in session.exec(select(KeyRevocation).order_by(col(KeyRevocation.public_key)))
    }
    return RevocationList(len(layers) + len(keys), now, now + LIFE_S, layers, keys)


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
