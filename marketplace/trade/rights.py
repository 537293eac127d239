"""Who may use a layer, who may have its files, and what makes it so.

                                                                          files
    own           whoever stands behind the account published it          yes
    sale          bought the listing, all versions, and was not paid back yes
    rent          a rental is running                                     yes
    trial         a trial is running, its day's rent is paid              yes
    subscription  a subscription is running and the seller takes part     once a day's rent is paid
    meter         a meter is running                                      once a day's rent is paid

Use can be counted and ends with the right; files that were handed out cannot be taken back. So
files cost a day's rent at least, whatever the way: a fee that is held, or a meter's limit, is paid
to nobody yet. What counts is what was paid for this listing and not given back, and what a running
meter already owes.

An evaluator has one right more, and no use of it: to fetch any layer that is not revoked, a
quarantined one too, and sit its exam again. Nothing is covered by it, so using the layer for
anything else is paid for like everybody's use.

A right is to the listing, not to a copy: it ends for everybody when a version may not be used any
more (`marketplace.listing.listing.UNUSABLE`), and a withdrawal, which only stops sales, leaves it
alone.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, literal, union_all
from sqlmodel import Session, col, select

from marketplace.database.sql import Statement, ask, one_of
from marketplace.ledger.account import principal_of
from marketplace.ledger.journal import OpenHold
from marketplace.listing import catalogue
from marketplace.listing.catalogue import sellers_of, usable
from marketplace.listing.listing import REVOKED, is_evaluator
from marketplace.trade import terms
from marketplace.trade.buy import Pair, Purchase, names_of, purchase_by, unreturned_sales
from marketplace.trade.incomes import SaleReturn, paid_for
from marketplace.trade.meter import Meter, running_meters
from marketplace.trade.rent import Rental, rentals_running
from marketplace.trade.subscription import Subscription
from marketplace.trade.terms import latest_terms
from marketplace.trade.trial import Trial

OWN, SALE, RENT, METER = "own", "sale", "rent", "meter"
SUBSCRIPTION, TRIAL = "subscription", "trial"
BEST_FIRST = (SALE, RENT, TRIAL, SUBSCRIPTION, METER)
"""Rights besides one's own; a running meter comes last, because it is paid for."""
WITH_FILES = (OWN, SALE, RENT, TRIAL)
"""Rights that cost a day's rent at least when they were paid for."""


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
    principal = principal_of(account)
    if sellers_of(session, [version.listing])[version.listing] == principal:
        return True
    bought = purchase_by(session, principal, version.listing)
    return bought is not None and not bought.returned


def may_use(session: Session, at: float, account: str, digest: str) -> bool:
    """Whether the account may use this layer now."""
    version = catalogue.version_of_digest(session, digest)
    if version is None or not usable(session, version.listing, version.number):
        return False
    principal = principal_of(account)
    return right(session, principal, version.listing, at=at) is not None


def may_fetch(session: Session, at: float, account: str, digest: str) -> bool:
    """Whether the account may have this layer's files now: to use them, or to judge them."""
    if may_judge(session, account, digest):
        return True
    version = catalogue.version_of_digest(session, digest)
    if version is None or not usable(session, version.listing, version.number):
        return False
    principal = principal_of(account)
    found = right(session, principal, version.listing, at=at)
    return found is not None and (
        found.kind in WITH_FILES or _paid_a_day(session, principal, version.listing)
    )


def had_files(session: Session, account: str, listing: str) -> bool:
    """Whether the account ever had a right to files of this listing, whatever became of it."""
    principal = principal_of(account)
    return (
        sellers_of(session, [listing])[listing] == principal
        or had_rental_or_sale(session, principal, listing)
        or _paid_a_day(session, principal, listing)
    )


def _paid_a_day(session: Session, principal: str, listing: str) -> bool:
    """Whether a principal has paid, or owes on a meter, a day's rent for a listing."""
    due_nanos = sum(
        terms.cost_nanos(n_units, rate_nanos)
        for n_units, rate_nanos in running_meters(session, principal, listing)
    )
    paid_nanos = paid_for(session, principal, listing) + due_nanos
    return paid_nanos >= terms.terms_of(session, listing).trial_nanos


def may_judge(session: Session, account: str, digest: str) -> bool:
    """Whether the account's verdict on this layer binds and is still of use."""
    version = catalogue.version_of_digest(session, digest)
    if version is None or not is_evaluator(session, account):
        return False
    return catalogue.status_of(session, version.listing, version.number) != REVOKED


def right(session: Session, principal: str, listing: str, *, at: float) -> Right | None:
    """The best right of an account to a listing: one that costs nothing more, if there is one."""
    return rights(session, [(principal, listing)], at=at).get((principal, listing))


def rights(session: Session, pairs: Collection[Pair], *, at: float) -> dict[Pair, Right]:
    """The best right of each account to each listing asked for; few questions, however many."""
    sellers = sellers_of(session, [listing for _, listing in pairs])
    bought = running_rights(session, pairs, at)
    subscribed = any(not listing for _, listing in bought)
    terms = latest_terms(session, list(sellers)) if subscribed else {}
    closed = {listing for listing, own in terms.items() if not own.subscribable}
    return best_rights(pairs, bought, sellers=sellers, closed=closed)


def best_rights(
    pairs: Collection[Pair],
    bought: Mapping[Pair, Mapping[str, int]],
    *,
    sellers: Mapping[str, str],
    closed: Collection[str],
) -> dict[Pair, Right]:
    """As `rights`, from what is known.

    Args:
        bought: As `running_rights` finds it.
        sellers: Who stands behind the owner, by listing.
        closed: Listings whose sellers take part in no subscription.
    """
    found: dict[Pair, Right] = {}
    for pair in pairs:
        who, listing = pair
        kinds = dict(bought.get(pair, {}))
        if listing not in closed:
            kinds |= bought.get((who, ""), {})
        best = next((kind for kind in BEST_FIRST if kind in kinds), None)
        if sellers.get(listing) == who:
            found[pair] = Right(OWN)
        elif best is not None:
            found[pair] = Right(best, kinds[best])
    return found


def _rights() -> Any:
    """One question for every right that can be bought."""
    at: Any = bindparam("at")
    returned = select(SaleReturn.sale_id)

    def held(hold_id: Any) -> Any:  # "in (every open hold)" would be looked through first
        return exists().where(col(OpenHold.transfer_id) == hold_id)

    return union_all(
        select(literal("sale"), Purchase.buyer, Purchase.listing, Purchase.transfer_id).where(
            one_of(Purchase.buyer, "names"),
            one_of(Purchase.listing, "layers"),
            col(Purchase.transfer_id).not_in(returned),
        ),
        select(literal("rent"), Rental.renter, Rental.listing, Rental.transfer_id).where(
            one_of(Rental.renter, "names"),
            one_of(Rental.listing, "layers"),
            col(Rental.starts_at) <= at,
            col(Rental.ends_at) > at,
            col(Rental.transfer_id).not_in(returned),
        ),
        select(literal("trial"), Trial.principal, Trial.listing, Trial.hold_id).where(
            one_of(Trial.principal, "names"),
            one_of(Trial.listing, "layers"),
            col(Trial.ends_at) > at,
            held(Trial.hold_id),
        ),
        select(
            literal("subscription"), Subscription.principal, literal(""), Subscription.hold_id
        ).where(
            one_of(Subscription.principal, "names"),
            col(Subscription.ends_at) > at,
            held(Subscription.hold_id),
        ),
        select(literal("meter"), Meter.principal, Meter.listing, Meter.hold_id).where(
            one_of(Meter.principal, "names"),
            one_of(Meter.listing, "layers"),
            col(Meter.ends_at) > at,
            held(Meter.hold_id),
        ),
    )


def running_rights(
    session: Session, pairs: Collection[Pair], at: float
) -> dict[Pair, dict[str, int]]:
    """What accounts may use now: per account and listing, kinds of right with their numbers.

    A subscription is not about one listing: it stands under the account and "".
    """
    found: dict[Pair, dict[str, int]] = {}
    rows = ask(session, _RIGHTS, **names_of(pairs), at=at)
    for kind, who, listing, number in rows:
        found.setdefault((who, listing), {})[kind] = number
    return found


def has_customers(session: Session, listing: str, at: float) -> bool:
    """Whether anybody has paid, or promised to pay, for a right to the listing that still holds."""
    open_holds = select(OpenHold.transfer_id)
    metered = select(Meter.hold_id).where(
        Meter.listing == listing, col(Meter.hold_id).in_(open_holds)
    )
    tried = select(Trial.hold_id).where(
        Trial.listing == listing, col(Trial.hold_id).in_(open_holds)
    )
    return bool(
        unreturned_sales(session, listing)
        or rentals_running(session, listing, at)
        or any(session.exec(query.limit(1)).first() is not None for query in (metered, tried))
    )


def had_rental_or_sale(session: Session, principal: str, listing: str) -> bool:
    """Whether the account ever bought or rented the listing, paid back or not."""
    bought = select(Purchase.transfer_id).where(
        Purchase.buyer == principal, Purchase.listing == listing
    )
    rented = select(Rental.transfer_id).where(Rental.renter == principal, Rental.listing == listing)
    return any(session.exec(query.limit(1)).first() is not None for query in (bought, rented))


_RIGHTS = Statement(_rights())
