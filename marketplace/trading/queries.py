"""Every SQL question that trading asks; answers are rows or plain values, never decisions.

Callers own the transaction: nothing here commits.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, literal, union_all
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from marketplace.account import Account
from marketplace.bulk import known_requests
from marketplace.journal import OpenHold, Transfer
from marketplace.listing import Listing, Purchase, PurchaseView, Version
from marketplace.trading.records import (
    Income,
    IncomeView,
    Meter,
    Rental,
    SaleReturn,
    Settlement,
    Subscription,
    Trial,
    Usage,
)

CHUNK = 500
"""Values per query: databases limit how many one statement may carry."""

Pair = tuple[str, str]
"""An account and a listing."""


def chunks(names: Collection[str]) -> Iterator[list[str]]:
    """The names in order, a bounded number at a time."""
    ordered = sorted(names)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _of_pairs(session: Session, query: Any, who: Any, what: Any, pairs: Collection[Pair]) -> Any:
    """Rows of a query that are about one of these accounts and one of these listings."""
    listings = {listing for _, listing in pairs}
    for names in chunks({account for account, _ in pairs}):
        for layers in chunks(listings):
            yield from session.exec(query.where(who.in_(names), what.in_(layers)))


def principals(session: Session, accounts: Collection[str]) -> dict[str, str]:
    """Who stands behind each account: the owner of a mandate, else the account itself."""
    found: dict[str, str] = {}
    waiting = {name: name for name in accounts}  # by account, how far up its line we are
    while waiting:
        owners: dict[str, str | None] = {}
        for part in chunks(set(waiting.values())):
            query = select(Account.name, Account.owner).where(col(Account.name).in_(part))
            owners |= {row[0]: row[1] for row in session.exec(query)}
        above = {name: owners.get(current) for name, current in waiting.items()}
        found |= {name: waiting[name] for name, owner in above.items() if owner is None}
        waiting = {name: owner for name, owner in above.items() if owner is not None}
    return found


def principal(session: Session, account: str) -> str:
    """Who stands behind an account: the owner of a mandate, else the account itself."""
    return principals(session, [account])[account]


def free_key(session: Session, base: str) -> str:
    """A key nobody has used, for what the market does by itself."""
    key, n_tries = base, 0
    while known_requests(session.connection(), [key]):
        n_tries += 1
        key = f"{base}+{n_tries}"
    return key


def keys_of_group(session: Session, group_key: str) -> list[str]:
    """Keys of the transfers of a linked group, in order."""
    query = select(Transfer.key).where(Transfer.group_key == group_key)
    return list(session.exec(query.order_by(col(Transfer.id))))


def transfer_of_key(session: Session, key: str) -> int | None:
    """Number of the transfer a key made."""
    return session.exec(select(Transfer.id).where(Transfer.key == key)).first()


def purchase_views(session: Session, buyer: str | None = None) -> list[PurchaseView]:
    """All purchases, or one buyer's, oldest first; returned ones are not left out."""
    query = _purchases()
    if buyer is not None:
        query = query.where(Purchase.buyer == buyer)
    return [_purchase_view(*row) for row in session.exec(query)]


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
    query = select(
        Purchase.buyer, Purchase.listing, Purchase.transfer_id, SaleReturn.refund_id
    ).outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Purchase.transfer_id))
    rows = _of_pairs(session, query, col(Purchase.buyer), col(Purchase.listing), pairs)
    return {
        (buyer, listing): Bought(number, refund is not None)
        for buyer, listing, number, refund in rows
    }


def purchase(session: Session, buyer: str, listing: str) -> Bought | None:
    """The account's purchase of a listing."""
    return purchases(session, [(buyer, listing)]).get((buyer, listing))


def _rights() -> Any:
    """One question for every right that can be bought; built once, because building it is slow."""
    at: Any = bindparam("at")
    names: Any = bindparam("names", expanding=True)
    layers: Any = bindparam("layers", expanding=True)
    returned = select(SaleReturn.sale_id)
    held = select(OpenHold.transfer_id)
    return union_all(
        select(literal("sale"), Purchase.buyer, Purchase.listing, Purchase.transfer_id).where(
            col(Purchase.buyer).in_(names),
            col(Purchase.listing).in_(layers),
            col(Purchase.transfer_id).not_in(returned),
        ),
        select(literal("rent"), Rental.renter, Rental.listing, Rental.transfer_id).where(
            col(Rental.renter).in_(names),
            col(Rental.listing).in_(layers),
            col(Rental.starts_at) <= at,
            col(Rental.ends_at) > at,
            col(Rental.transfer_id).not_in(returned),
        ),
        select(literal("trial"), Trial.principal, Trial.listing, Trial.hold_id).where(
            col(Trial.principal).in_(names),
            col(Trial.listing).in_(layers),
            col(Trial.ends_at) > at,
            col(Trial.hold_id).in_(held),
        ),
        select(
            literal("subscription"), Subscription.principal, literal(""), Subscription.hold_id
        ).where(
            col(Subscription.principal).in_(names),
            col(Subscription.ends_at) > at,
            col(Subscription.hold_id).in_(held),
        ),
        select(literal("meter"), Meter.principal, Meter.listing, Meter.hold_id).where(
            col(Meter.principal).in_(names),
            col(Meter.listing).in_(layers),
            col(Meter.ends_at) > at,
            col(Meter.hold_id).in_(held),
        ),
    )


_RIGHTS = _rights()


def running_rights(
    session: Session, pairs: Collection[Pair], at: float
) -> dict[Pair, dict[str, int]]:
    """What accounts may use now: per account and listing, kinds of right with their numbers.

    A subscription is not about one listing: it stands under the account and "".
    """
    found: dict[Pair, dict[str, int]] = {}
    listings = {listing for _, listing in pairs}
    for names in chunks({account for account, _ in pairs}):
        for layers in chunks(listings):
            values = {"names": names, "layers": layers, "at": at}
            for kind, who, listing, number in session.connection().execute(_RIGHTS, values):
                found.setdefault((who, listing), {})[kind] = number
    return found


def owners(session: Session, listings: Collection[str]) -> dict[str, str]:
    """Owner of each of these listings."""
    found: dict[str, str] = {}
    for names in chunks(set(listings)):
        query = select(Listing.name, Listing.owner).where(col(Listing.name).in_(names))
        found |= {row[0]: row[1] for row in session.exec(query)}
    return found


def unreturned_sales(session: Session, listing: str, since: float) -> list[tuple[int, float]]:
    """Number and time of a listing's sales since then that were not paid back, oldest first."""
    return list(
        session.exec(
            select(Purchase.transfer_id, Transfer.at)
            .join(Transfer, col(Transfer.id) == col(Purchase.transfer_id))
            .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Purchase.transfer_id))
            .where(
                Purchase.listing == listing,
                Transfer.at >= since,
                col(SaleReturn.sale_id).is_(None),
            )
            .order_by(col(Purchase.transfer_id))
        )
    )


def rental_end(session: Session, renter: str, listing: str) -> float | None:
    """When the last of the account's rentals of a listing ends; None = it never rented it."""
    query = select(func.max(Rental.ends_at)).where(
        Rental.renter == renter, Rental.listing == listing
    )
    return session.exec(query).one()


def incomes(session: Session, account: str) -> list[IncomeView]:
    """What the account earned, oldest first; payments that were given back are left out."""
    query = (
        select(Income, Settlement)
        .join(Settlement, col(Settlement.transfer_id) == col(Income.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Income.transfer_id))
        .where(Income.account == account, col(SaleReturn.sale_id).is_(None))
        .order_by(col(Income.transfer_id), col(Income.source), col(Income.role))
    )
    return [
        IncomeView(
            paid.transfer_id, paid.at, paid.way, income.source, income.role, income.amount_nanos
        )
        for income, paid in session.exec(query)
    ]


def settlement(session: Session, number: int) -> Settlement:
    """The payment of this transfer."""
    found = session.get(Settlement, number)
    assert found is not None, f"transfer {number} settled nothing"
    return found


def usages(session: Session, keys: Collection[str]) -> dict[str, Usage]:
    """The uses that these keys made, by key."""
    found: dict[str, Usage] = {}
    for part in chunks(set(keys)):
        found |= {
            row.key: row for row in session.exec(select(Usage).where(col(Usage.key).in_(part)))
        }
    return found


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
