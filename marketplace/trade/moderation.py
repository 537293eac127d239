"""Who may take a version down or put it back, and what follows.

An owner withdraws: sales stop, and who bought keeps what was bought. He revokes only what nobody
has paid for, or he would take back what he sold; an evaluator revokes what must not be used, and
then buyers are paid back (`marketplace.trade.returns`). An owner cannot revoke or replace what is
quarantined: a harmless next version would wash the finding away. No evaluator decides about what is
sold by an account of its own. The states and the ways between them are drawn in
`marketplace.listing.status`.
"""

from sqlmodel import Session, col, select

from marketplace.errors import NotOwnerError, StatusError
from marketplace.ledger.account import principal_of, speaks_for
from marketplace.ledger.account_key import KeyRevocation
from marketplace.ledger.idempotency import claim
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView, Version
from marketplace.listing.revocation import LIFE_S, RevocationList
from marketplace.listing.status import (
    LISTED,
    QUARANTINED,
    REVOKED,
    WITHDRAWN,
    Evaluator,
    StatusEvent,
    is_evaluator,
)
from marketplace.trade.queries import has_customers

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


def appoint(session: Session, *, account: str, key: str, at: float) -> None:
    """Let an account's verdicts bind from now on."""
    find_account(session, account)
    if claim(session, key=key, operation="appoint", body={"account": account}, at=at):
        if not is_evaluator(session, account):
            session.add(Evaluator(account=account, appointed_at=at))
        session.flush()


def change_status(
    session: Session, *, deed: str, listing: str, by: str, reason: str, key: str, at: float
) -> ListingView:
    """Withdraw, relist, quarantine, release or revoke a listing's newest version, once per key.

    Raises:
        NotOwnerError: The account is not one that may do this.
        StatusError: The version's present status does not allow it.
    """
    view = catalogue.listing_view(session, listing)
    body: dict[str, object] = {"listing": listing, "by": by, "reason": reason}
    if claim(session, key=key, operation=deed, body=body, at=at):
        refuse_stranger(session, view, deed, by)
        if deed == "revoke" and principal_of(by) == principal_of(view.owner):
            _refuse_taking_back(session, view, at)
        add_event(session, view, deed, by=by, reason=reason, key=key, at=at)
    return catalogue.listing_view(session, listing)


def add_event(
    session: Session, view: ListingView, deed: str, *, by: str, reason: str, key: str | None,
    at: float,
) -> None:  # fmt: skip
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
    session.add(
        StatusEvent(
            listing=view.name,
            number=view.version,
            status=status,
            reason=reason,
            by=by,
            at=at,
            key=key,
        )
    )
    session.flush()


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
