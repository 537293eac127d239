"""Every SQL question that trading asks; answers are rows or plain values, never decisions.

Callers own the transaction: nothing here commits.
"""

import secrets
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, exists, func, literal, union_all
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from marketplace.database.bulk import known_requests
from marketplace.database.statement import Question, ask, one_of
from marketplace.database.tables import table_of
from marketplace.ledger.account import principal_of
from marketplace.ledger.journal import OpenHold, Transfer
from marketplace.listing.listing import Listing, Purchase, PurchaseView, Version
from marketplace.trade.records import (
    Income,
    Meter,
    Rental,
    SaleReturn,
    Settlement,
    Subscription,
    Trial,
    Usage,
)

Pair = tuple[str, str]
"""An account and a listing."""

_OWNERS = Question(select(Listing.name, Listing.owner).where(one_of(Listing.name, "names")))
_USAGES = Question(
    select_columns(
        *table_of(Usage).c[
            "key", "account", "listing", "units", "amount_nanos", "covered_by", "cover_id", "at"
        ]
    ).where(one_of(Usage.key, "keys"))
)  # fmt: skip
_PURCHASES = Question(
    select(Purchase.buyer, Purchase.listing, Purchase.transfer_id, SaleReturn.refund_id)
    .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Purchase.transfer_id))
    .where(one_of(Purchase.buyer, "names"), one_of(Purchase.listing, "layers"))
)


def _of(pairs: Collection[Pair]) -> dict[str, Any]:
    """Accounts and listings as values of a statement: it may find more pairs than were asked."""
    return {
        "names": {account for account, _ in pairs}, "layers": {listing for _, listing in pairs}
    }  # fmt: skip


def free_key(session: Session, base: str) -> str:
    """A key nobody has used, for what the market does by itself."""
    key = base
    while known_requests(session.connection(), [key]):  # by chance: nobody can take the next one
        key = f"{base[:180]}+{secrets.token_hex(8)}"
    return key


def keys_of_group(session: Session, group_key: str) -> list[str]:
    """Keys of the transfers of a linked group, in order."""
    query = select(Transfer.key).where(Transfer.group_key == group_key)
    return list(session.exec(query.order_by(col(Transfer.id))))


def purchase_views(
    session: Session, buyer: str | None = None, *, after: int = 0, limit: int | None = None
) -> list[tuple[int, PurchaseView]]:
    """Purchases with their numbers, oldest first; returned ones are not left out.

    Args:
        buyer: Only this account's.
        after: Only those with a higher number.
        limit: At most so many.
    """
    query = _purchases().where(col(Purchase.transfer_id) > after).limit(limit)
    if buyer is not None:
        query = query.where(Purchase.buyer == buyer)
    return [(row[0].transfer_id, _purchase_view(*row)) for row in session.exec(query)]


def purchases_of(session: Session, buyer: str | None = None) -> list[PurchaseView]:
    """All purchases, or one account's, oldest first."""
    return [view for _, view in purchase_views(session, buyer)]


def purchase_page(
    session: Session, buyer: str, *, limit: int, after: int = 0
) -> tuple[list[PurchaseView], int | None]:
    """So many of the account's purchases, oldest first, and what the next page comes after."""
    found = purchase_views(session, buyer, after=after, limit=limit + 1)
    following = found[limit - 1][0] if len(found) > limit else None
    return [view for _, view in found[:limit]], following


def purchase_of_key(session: Session, key: str) -> PurchaseView | None:
    """The purchase this key made."""
    row = session.exec(_purchases().where(Transfer.key == key)).first()
    return None if row is None else _purchase_view(*row)


class Bought(NamedTuple):
    """A purchase: its number, and whether it was paid back."""

    number: int
    returned: bool


def purchases(session: Session, pairs: Collection[Pair]) -> dict[Pair, Bought]:
    """Purchases of these listings by these accounts."""
    rows = ask(session, _PURCHASES, **_of(pairs))
    return {
        (buyer, listing): Bought(number, refund is not None)
        for buyer, listing, number, refund in rows
    }


def purchase(session: Session, buyer: str, listing: str) -> Bought | None:
    """The account's purchase of a listing."""
    return purchases(session, [(buyer, listing)]).get((buyer, listing))


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


_RIGHTS = Question(_rights())


def running_rights(
    session: Session, pairs: Collection[Pair], at: float
) -> dict[Pair, dict[str, int]]:
    """What accounts may use now: per account and listing, kinds of right with their numbers.

    A subscription is not about one listing: it stands under the account and "".
    """
    found: dict[Pair, dict[str, int]] = {}
    rows = ask(session, _RIGHTS, **_of(pairs), at=at)
    for kind, who, listing, number in rows:
        found.setdefault((who, listing), {})[kind] = number
    return found


def sellers(session: Session, listings: Collection[str]) -> dict[str, str]:
    """Who stands behind the owner of each of these listings."""
    rows = ask(session, _OWNERS, names=set(listings))
    return {listing: principal_of(owner) for listing, owner in rows}


def unreturned_sales(session: Session, listing: str) -> list[tuple[int, float]]:
    """Number and time of a listing's sales that were not paid back, oldest first."""
    return list(
        session.exec(
            select(Purchase.transfer_id, Transfer.at)
            .join(Transfer, col(Transfer.id) == col(Purchase.transfer_id))
            .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Purchase.transfer_id))
            .where(
                Purchase.listing == listing,
                col(SaleReturn.sale_id).is_(None),
            )
            .order_by(col(Purchase.transfer_id))
        )
    )


def rentals_running(session: Session, listing: str, at: float) -> list[int]:
    """Rentals of a listing that were paid by then, had days left, and were not paid back."""
    query = (
        select(Rental.transfer_id)
        .join(Settlement, col(Settlement.transfer_id) == col(Rental.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Rental.transfer_id))
        .where(
            Rental.listing == listing,
            Rental.ends_at > at,
            Settlement.at <= at,
            col(SaleReturn.sale_id).is_(None),
        )
        .order_by(col(Rental.transfer_id))
    )
    return list(session.exec(query))


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


def rental_end(session: Session, renter: str, listing: str) -> float | None:
    """When the last of the account's rentals of a listing ends; None = it never rented it."""
    query = select(func.max(Rental.ends_at)).where(
        Rental.renter == renter, Rental.listing == listing
    )
    return session.exec(query).one()


def settlement(session: Session, number: int) -> Settlement:
    """The payment of this transfer."""
    found = session.get(Settlement, number)
    assert found is not None, f"transfer {number} settled nothing"
    return found


class Used(NamedTuple):
    """A use that was charged or covered."""

    key: str
    account: str
    listing: str
    units: int
    amount_nanos: int
    covered_by: str
    cover_id: int | None
    at: float


def usages(session: Session, keys: Collection[str]) -> dict[str, Used]:
    """The uses that these keys made, by key."""
    rows = ask(session, _USAGES, keys=keys)
    return {row[0]: Used(*row) for row in rows}


def had_rental_or_sale(session: Session, principal: str, listing: str) -> bool:
    """Whether the account ever bought or rented the listing, paid back or not."""
    bought = select(Purchase.transfer_id).where(
        Purchase.buyer == principal, Purchase.listing == listing
    )
    rented = select(Rental.transfer_id).where(Rental.renter == principal, Rental.listing == listing)
    return any(session.exec(query.limit(1)).first() is not None for query in (bought, rented))


def paid_nanos(session: Session, principal: str, listing: str) -> int:
    """What the account paid for the listing and was not given back, to the rounding of fees."""
    query = (
        select(func.coalesce(func.sum(Income.amount_nanos), 0))
        .join(Settlement, col(Settlement.transfer_id) == col(Income.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Income.transfer_id))
        .where(
            Income.source == listing,
            Settlement.principal == principal,
            Settlement.way != "compute",
            col(SaleReturn.sale_id).is_(None),
        )
    )
    return int(session.exec(query).one()) * 10 // 9


def has_paid_use(session: Session, principal: str, listing: str) -> bool:
    """Whether the account ever paid for the listing, and was not paid back."""
    query = (
        select(Income.transfer_id)
        .join(Settlement, col(Settlement.transfer_id) == col(Income.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Income.transfer_id))
        .where(
            Settlement.principal == principal,
            Income.source == listing,
            Settlement.way != "compute",
            col(SaleReturn.sale_id).is_(None),
        )
    )
    return session.exec(query.limit(1)).first() is not None


def _purchases() -> Any:
    """Each purchase with its transfer and the digest of the version that was sold then."""
    newest = aliased(Version)
    number = (
        select(func.max(newest.number))
        .where(newest.listing == Purchase.listing, newest.published_at <= Transfer.at)
        .correlate(Purchase, Transfer)
        .scalar_subquery()
    )
    return (
        select(Purchase, Transfer, Version.digest)
        .join(Transfer, col(Transfer.id) == col(Purchase.transfer_id))
        .join(
            Version,
            and_(col(Version.listing) == col(Purchase.listing), col(Version.number) == number),
        )
        .order_by(col(Purchase.transfer_id))
    )


def _purchase_view(purchase: Purchase, transfer: Transfer, digest: str) -> PurchaseView:
    return PurchaseView(
        buyer=purchase.buyer,
        listing=purchase.listing,
        digest=digest,
        price_nanos=purchase.price_nanos,
        fee_nanos=purchase.fee_nanos,
        creator_nanos=purchase.creator_nanos,
        key=transfer.key,
        replayed=False,
        at=transfer.at,
    )
