"""Every SQL question the marketplace asks; answers are rows or views, never decisions.

Callers own the transaction: nothing here commits.
"""

from typing import Any

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from marketplace.account import Account, AccountView
from marketplace.epoch import Epoch, PricePoint, PriceRow
from marketplace.errors import AccountNotFoundError, ListingNotFoundError
from marketplace.ledger import Posting, PostingView, Transfer
from marketplace.listing import Listing, ListingView, Purchase, PurchaseView, Receipt
from marketplace.names import did_you_mean
from marketplace.reputation import exam_reputation


def account(session: Session, name: str) -> Account:
    """The account of this name.

    Raises:
        AccountNotFoundError: There is none; the message names the closest ones.
    """
    found = session.get(Account, name)
    if found is None:
        hint = did_you_mean(name, session.exec(select(Account.name)).all())
        raise AccountNotFoundError(f"account {name!r} does not exist: {hint or 'open it first'}")
    return found


def account_views(session: Session) -> list[AccountView]:
    """All accounts by name."""
    rows = session.exec(select(Account).order_by(col(Account.name)))
    return [AccountView(row.name, row.balance_nanos) for row in rows]


def listing_views(session: Session, name: str | None = None) -> list[ListingView]:
    """All listings by name, or the one asked for, at the price of the running epoch."""
    sales = (  # per row, through the index: buying one listing must not count all purchases
        select(func.count())
        .select_from(Purchase)
        .where(Purchase.listing == Listing.name)
        .correlate(Listing)
        .scalar_subquery()
    )
    query = (
        select(Listing, Receipt, PriceRow, sales)
        .join(Receipt, col(Receipt.listing) == col(Listing.name))
        .join(PriceRow, col(PriceRow.listing) == col(Listing.name))
        .where(PriceRow.epoch == current_epoch(session))
        .order_by(col(Listing.name))
    )
    if name is not None:
        query = query.where(Listing.name == name)
    return [_listing_view(*row) for row in session.exec(query)]


def listing_view(session: Session, name: str) -> ListingView:
    """The listing of this name.

    Raises:
        ListingNotFoundError: There is none; the message names the closest ones.
    """
    views = listing_views(session, name)
    if not views:
        hint = did_you_mean(name, session.exec(select(Listing.name)).all())
        raise ListingNotFoundError(
            f"listing {name!r} does not exist: {hint or 'see the list of listings'}"
        )
    return views[0]


def listing_of_digest(session: Session, digest: str) -> Listing | None:
    """The listing that sells this layer."""
    return session.exec(select(Listing).where(Listing.digest == digest)).first()


def purchase_views(session: Session) -> list[PurchaseView]:
    """All purchases, oldest first."""
    return [_purchase_view(*row) for row in session.exec(_purchases())]


def purchase_of_key(session: Session, key: str) -> PurchaseView | None:
    """The purchase this key made."""
    row = session.exec(_purchases().where(Transfer.key == key)).first()
    return None if row is None else _purchase_view(*row)


def has_bought(session: Session, buyer: str, listing: str) -> bool:
    """Whether the account ever bought the listing."""
    query = select(Purchase.transfer_id).where(Purchase.buyer == buyer, Purchase.listing == listing)
    return session.exec(query).first() is not None


def owns(session: Session, account_name: str, digest: str) -> bool:
    """Whether the account published or bought the layer."""
    listing = listing_of_digest(session, digest)
    if listing is None:
        return False
    return listing.owner == account_name or has_bought(session, account_name, listing.name)


def posting_views(session: Session, account_name: str) -> list[PostingView]:
    """The account's statement, oldest first, with the balance after each line."""
    running = func.sum(Posting.amount_nanos).over(order_by=col(Posting.id))
    query = (
        select(Transfer, Posting, running)
        .join(Transfer, col(Transfer.id) == col(Posting.transfer_id))
        .where(Posting.account == account_name)
        .order_by(col(Posting.id))
    )
    return [
        PostingView(
            transfer_id=posting.transfer_id,
            at=transfer.at,
            account=posting.account,
            amount_nanos=posting.amount_nanos,
            kind=transfer.kind,
            memo=transfer.memo,
            balance_after_nanos=balance,
        )
        for transfer, posting, balance in session.exec(query)
    ]


def current_epoch(session: Session) -> int:
    """Number of the running epoch."""
    return session.exec(select(func.max(Epoch.number))).one()


def price_rows(session: Session, epoch: int) -> list[PriceRow]:
    """Every listing's price in an epoch, by listing name."""
    query = select(PriceRow).where(PriceRow.epoch == epoch).order_by(col(PriceRow.listing))
    return list(session.exec(query))


def price_points(session: Session, listing: str) -> list[PricePoint]:
    """The listing's price and sales, epoch by epoch, oldest first."""
    sales = dict(
        session.exec(
            select(Purchase.epoch, func.count())
            .where(Purchase.listing == listing)
            .group_by(col(Purchase.epoch))
        ).all()
    )
    rows = session.exec(
        select(PriceRow).where(PriceRow.listing == listing).order_by(col(PriceRow.epoch))
    )
    return [PricePoint(row.epoch, row.price_nanos, sales.get(row.epoch, 0)) for row in rows]


def distinct_buyers(session: Session, epoch: int) -> dict[str, int]:
    """Buyers other than the owner, per listing sold in an epoch."""
    query = (
        select(Purchase.listing, func.count(func.distinct(Purchase.buyer)))
        .join(Listing, col(Listing.name) == col(Purchase.listing))
        .where(Purchase.epoch == epoch, col(Purchase.buyer) != col(Listing.owner))
        .group_by(col(Purchase.listing))
    )
    return dict(session.exec(query).all())


def raw_rows(session: Session, sql: str) -> list[tuple[Any, ...]]:
    """Rows exactly as stored, for the audit, which must not trust the tables' types."""
    return [tuple(row) for row in session.connection().execute(text(sql))]


def _purchases() -> Any:
    return (
        select(Purchase, Transfer, Listing.digest)
        .join(Transfer, col(Transfer.id) == col(Purchase.transfer_id))
        .join(Listing, col(Listing.name) == col(Purchase.listing))
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


def _listing_view(listing: Listing, receipt: Receipt, price: PriceRow, sales: int) -> ListingView:
    return ListingView(
        name=listing.name,
        owner=listing.owner,
        digest=listing.digest,
        base_model=listing.base_model,
        niche=listing.niche,
        description=listing.description,
        price_nanos=price.price_nanos,
        ask_nanos=listing.ask_nanos,
        reputation=exam_reputation(receipt.n_questions, receipt.n_correct),
        n_questions=receipt.n_questions,
        accuracy=receipt.n_correct / receipt.n_questions,
        base_accuracy=receipt.n_base_correct / receipt.n_questions,
        sales=sales,
        skill=receipt.skill,
        split=receipt.split,
        n_correct=receipt.n_correct,
        n_base_correct=receipt.n_base_correct,
        log_premium=price.log_premium,
        published_at=listing.published_at,
    )
