"""Who may use a layer, and what makes it so.

    own           published it, or one's mandate's owner did
    sale          bought the listing, all versions included, and was not paid back
    rent          a rental is running
    meter         a meter is running
    subscription  a subscription is running and the seller takes part
    trial         a trial is running

An evaluator has one right more, and no use of it: to fetch any layer that is not revoked, a
quarantined one too, and sit its exam again. Nothing is covered by it, so using the layer for
anything else is paid for like everybody's use.

A right is to the listing, not to a copy: it ends for everybody when a version may not be used any
more (`marketplace.status.UNUSABLE`), and a withdrawal, which only stops sales, leaves it alone.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlmodel import Session

from marketplace import catalogue
from marketplace.status import REVOKED, UNUSABLE, is_evaluator
from marketplace.trading import noticeboard, queries

OWN, SALE, RENT, METER = "own", "sale", "rent", "meter"
SUBSCRIPTION, TRIAL = "subscription", "trial"
BEST_FIRST = (SALE, RENT, TRIAL, SUBSCRIPTION, METER)
"""Rights besides one's own; a running meter comes last, because it is paid for."""


class Right(NamedTuple):
    """What lets an account use a listing."""

    kind: str
    number: int | None = None
    """Of the transfer or hold behind it; None for one's own layer."""


def owns(session: Session, account: str, digest: str) -> bool:
    """Whether the account published the layer, or bought it and was not paid back."""
    version = catalogue.version_of_digest(session, digest)
    if version is None:
        return False
    principal = queries.principal(session, account)
    if queries.owners(session, [version.listing])[version.listing] == principal:
        return True
    bought = queries.purchase(session, principal, version.listing)
    return bought is not None and not bought.returned


def may_use(session: Session, account: str, digest: str, *, at: float) -> bool:
    """Whether the account may use this layer now."""
    version = catalogue.version_of_digest(session, digest)
    if version is None or not usable(session, version.listing, version.number):
        return False
    principal = queries.principal(session, account)
    return right(session, principal, version.listing, at=at) is not None


def may_fetch(session: Session, account: str, digest: str, *, at: float) -> bool:
    """Whether the account may have this layer's files now: to use them, or to judge them."""
    return may_use(session, account, digest, at=at) or may_judge(session, account, digest)


def may_judge(session: Session, account: str, digest: str) -> bool:
    """Whether the account's verdict on this layer binds and is still of use."""
    version = catalogue.version_of_digest(session, digest)
    if version is None or not is_evaluator(session, account):
        return False
    return catalogue.status_of(session, version.listing, version.number) != REVOKED


def usable(session: Session, listing: str, number: int) -> bool:
    """Whether anybody may use this version."""
    return catalogue.status_of(session, listing, number) not in UNUSABLE


def right(session: Session, principal: str, listing: str, *, at: float) -> Right | None:
    """The best right of an account to a listing: one that costs nothing more, if there is one."""
    return rights(session, [(principal, listing)], at=at).get((principal, listing))


def rights(
    session: Session, pairs: Collection[queries.Pair], *, at: float
) -> dict[queries.Pair, Right]:
    """The best right of each account to each listing asked for; few questions, however many."""
    owners = queries.owners(session, [listing for _, listing in pairs])
    bought = queries.running_rights(session, pairs, at)
    subscribed = any(not listing for _, listing in bought)
    terms = noticeboard.latest_terms(session, list(owners)) if subscribed else {}
    closed = {listing for listing, own in terms.items() if not own.subscribable}
    return best_rights(pairs, bought, owners=owners, closed=closed)


def best_rights(
    pairs: Collection[queries.Pair],
    bought: Mapping[queries.Pair, Mapping[str, int]],
    *,
    owners: Mapping[str, str],
    closed: Collection[str],
) -> dict[queries.Pair, Right]:
    """As `rights`, from what is known.

    Args:
        bought: As `queries.running_rights` finds it.
        owners: By listing.
        closed: Listings whose sellers take part in no subscription.
    """
    found: dict[queries.Pair, Right] = {}
    for pair in pairs:
        who, listing = pair
        kinds = dict(bought.get(pair, {}))
        if listing not in closed:
            kinds |= bought.get((who, ""), {})
        best = next((kind for kind in BEST_FIRST if kind in kinds), None)
        if owners.get(listing) == who:
            found[pair] = Right(OWN)
        elif best is not None:
            found[pair] = Right(best, kinds[best])
    return found
