"""What the market answers about prices: quotes, histories, trust, incomes, concentration."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

from marketplace.database.sql import table_of
from marketplace.formula.price import Demand
from marketplace.formula.reputation import Record
from marketplace.formula.returns import gini, hhi
from marketplace.ledger.account import principal_of
from marketplace.ledger.epoch import PricePoint, PriceRow, current_epoch
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import Listing
from marketplace.listing.rows import is_real_sale, rows
from marketplace.price import known
from marketplace.price.known import AccountTrust, Standing
from marketplace.price.quote import Basis, Quote, explain
from marketplace.trade.buy import Purchase
from marketplace.trade.incomes import SELLER, Income, SaleReturn
from marketplace.trade.terms import part

EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Concentration:
    """How owners share the income of one skill."""

    skill: str
    """Niche of the listings; 'all' = the whole market."""
    n_owners: int
    income_nanos: int
    hhi: float
    gini: float


def quote(session: Session, name: str) -> Quote:
    """What the listing costs now, term by term.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    return explain(catalogue.listing_view(session, name), basis(session, name))


def basis(session: Session, name: str) -> Basis:
    """What the running price of a listing was made from.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    view = catalogue.listing_view(session, name)
    epoch = current_epoch(session)
    price = session.get_one(PriceRow, (name, epoch))
    before = session.get(PriceRow, (name, epoch - 1))
    standing = session.get(Standing, (name, epoch))
    (row,) = rows(session, [name])
    is_known = standing is not None and row.is_settled
    return Basis(
        record=standing.record if standing is not None and is_known else Record(row.evidence),
        demand=Demand(price.log_premium, price.usual_buyers),
        buyers=standing.buyers if standing is not None else 0.0,
        previous_nanos=None if before is None else before.price_nanos,
        shares=part(session, view).shares,
        anybody_vouched=bool(known.vouched(session)),
    )


def record(session: Session, name: str) -> Record:
    """The evidence that the listing's running price rests on.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    return basis(session, name).record


def history(session: Session, name: str) -> list[PricePoint]:
    """Price and sales by epoch since publication; the last is the running epoch.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    catalogue.listing_view(session, name)
    counted = (
        select(Purchase.epoch, func.count())
        .where(Purchase.listing == name, is_real_sale(table_of(Purchase).c))
        .group_by(col(Purchase.epoch))
    )
    sales = dict(session.exec(counted).all())
    rows = session.exec(
        select(PriceRow).where(PriceRow.listing == name).order_by(col(PriceRow.epoch))
    )
    return [PricePoint(row.epoch, row.price_nanos, sales.get(row.epoch, 0)) for row in rows]


def prices(session: Session, epoch: int) -> list[tuple[str, int, Demand]]:
    """Every listing with its price in an epoch and the demand it was made from, by name."""
    query = (
        columns(
            col(PriceRow.listing),
            col(PriceRow.price_nanos),
            col(PriceRow.log_premium),
            col(PriceRow.usual_buyers),
        )
        .where(col(PriceRow.epoch) == epoch)
        .order_by(col(PriceRow.listing))
    )
    return [
        (row.listing, row.price_nanos, Demand(row.log_premium, row.usual_buyers))
        for row in session.connection().execute(query)
    ]


def trust(session: Session, account: str) -> float:
    """Trust in an account during the running epoch, 0 to 1.

    Raises:
        AccountNotFoundError: There is no such account.
    """
    find_account(session, account)
    row = session.get(AccountTrust, (account, current_epoch(session)))
    return 0.0 if row is None else row.trust


def net_income(session: Session, listing: str) -> int:
    """What a listing brought its seller after fees, royalties and returned sales, in nanos.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    catalogue.listing_view(session, listing)
    query = select(func.coalesce(func.sum(Income.amount_nanos), 0)).where(
        Income.source == listing,
        Income.role == SELLER,
        col(Income.transfer_id).not_in(select(SaleReturn.sale_id)),
    )
    return int(session.exec(query).one())


def concentration(session: Session) -> list[Concentration]:
    """Concentration of the owners' incomes: the whole market first, then each skill by name."""
    query = (
        select(Listing.niche, Listing.owner, func.sum(Income.amount_nanos))
        .join(Income, col(Income.source) == col(Listing.name))
        .where(
            Income.role == SELLER,
            col(Income.transfer_id).not_in(select(SaleReturn.sale_id)),
        )
        .group_by(col(Listing.niche), col(Listing.owner))
        .order_by(col(Listing.niche), col(Listing.owner))
    )
    by_skill: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for skill, account, nanos in session.exec(query):
        owner = principal_of(account)
        by_skill[EVERYTHING][owner] += int(nanos)
        by_skill[skill][owner] += int(nanos)
    return [
        Concentration(
            skill=skill,
            n_owners=len(incomes),
            income_nanos=sum(incomes.values()),
            hhi=hhi(incomes.values()),
            gini=gini(incomes.values()),
        )
        for skill, incomes in by_skill.items()
    ]
