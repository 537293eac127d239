"""Closing an epoch: evidence, trust and demand become the prices of the next one.

    payments -> trust of accounts -> weight of reports and of buyers
    exams + reports -> reputation; reputation, buyers, ask -> price, by at most 9/8 per epoch

One pass over the market inside one transaction; many rows are added in few statements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sqlmodel import Session, func, select

from marketplace.database import bulk
from marketplace.database.sql import MarketTable, alike, put, table_of
from marketplace.fields import AccountName
from marketplace.formula.price import buyer_weight, next_demand, step_nanos, target_nanos
from marketplace.formula.ranking import ranks
from marketplace.formula.trust import trust_of
from marketplace.ledger.epoch import Epoch, PriceRow, current_epoch, price_values
from marketplace.ledger.idempotency import claim
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.price import known, prices
from marketplace.price.known import AccountTrust, Standing, Vouching, standing_row

CLOSE_EPOCH = "close_epoch"


def close_epoch(
    session: Session, *, number: int | None = None, key: str | None = None, at: float
) -> None:
    """Let the closing epoch's evidence and buyers move every price, then open the next epoch.

    With a number, an epoch that is not the running one is left as it is; with a key, nothing
    happens a second time.
    """
    body = {"number": number}
    if key is not None and not claim(session, key=key, operation=CLOSE_EPOCH, body=body, at=at):
        return
    closing = current_epoch(session)
    if number not in (None, closing):
        return
    trust = current_trust(session, at=at)
    listings = known.for_sale(session, trust=trust, at=at)
    spending = known.spending(session, closing)
    reputations = ranks([listing.candidate for listing in listings.values()])
    before = prices.prices(session, closing)
    put(session, Epoch(number=closing + 1, opened_at=at))
    opened, standings = [], []
    for name, price_nanos, demand in before:
        listing, reputation = listings[name], reputations[name]
        u = buyer_weight(spending.get(name, {}), price_nanos, trust)
        after = next_demand(demand, u)
        target = target_nanos(listing.ask_nanos, reputation, after.log_premium)
        opened.append(price_values(name, closing + 1, step_nanos(price_nanos, target), after))
        if u or not listing.plain or listing.near_of is not None:
            standings.append(standing_row(listing, closing + 1, reputation=reputation, buyers=u))
    _add(session, PriceRow, opened)
    _add(session, Standing, standings)
    _add(session, AccountTrust, _trust_rows(trust, closing + 1))


def current_trust(session: Session, *, at: float) -> dict[str, float]:
    """Trust by the payments made so far; nobody has any while the operator vouches for nobody."""
    seeds = known.vouched(session)
    return trust_of(known.payments(session, at=at), seeds) if seeds else {}


@dataclass(frozen=True, slots=True)
class Vouch(Operation[None]):
    """Trust an account by the operator's word, or take that back, from the next epoch on.

    Only the reports and purchases of accounts that trust reaches move reputations and prices;
    as long as nobody is vouched for, exams alone do.

    Raises:
        AccountNotFoundError: There is no such account.
    """

    OPERATION: ClassVar[str] = "vouch"

    account: AccountName
    vouched: bool = field(default=True, kw_only=True)

    def do(self, session: Session, at: float) -> None:
        """Note it."""
        find_account(session, self.account)
        number = (session.exec(select(func.max(Vouching.number))).one() or 0) + 1
        put(session, alike(Vouching, self, number=number, at=at))

    def done(self, session: Session, at: float) -> None:
        """Nothing to show."""


def _trust_rows(trust: Mapping[str, float], epoch: int) -> list[dict[str, object]]:
    return [
        {"account": name, "epoch": epoch, "trust": value} for name, value in sorted(trust.items())
    ]


def _add(session: Session, model: type[MarketTable], rows: list[dict[str, object]]) -> None:
    table = table_of(model)
    names = table.columns.keys()
    values = [tuple(row[name] for name in names) for row in rows]
    bulk.insert(session.connection(), table, values)
