"""What users want, per skill: the market's signal to whoever breeds layers.

    weight = 0.35 share of settled payments + 0.25 share of what was paid in vain
           + 0.25 share of open bounties + 0.15 share of misses

What sells well is wanted, but perhaps served already; a poor layer is cheap, and what it fails to
do is wanted most. So what a user paid for a layer counts a second time by the part of the uses
that did not help, as the same user's reviews say.

Payments cost at least their fee, bounties lock credits up, a search that finds nothing is free;
each signal's say is bounded accordingly, so that free searches can never move more than 15 % as
long as anybody pays, nor a complaint more than was paid. A signal that is absent leaves its say to
the others. Payments for one's own layers and sales that were paid back do not count. Of a search
only skill, account and day are kept, never its words.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pydantic
from sqlalchemy import BigInteger, func
from sqlalchemy import select as select_columns
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, put
from marketplace.fields import Nanos
from marketplace.ledger.account import Account, principal_of
from marketplace.ledger.statement import find_account
from marketplace.listing.listing import Listing
from marketplace.names import check_name
from marketplace.receipt import ReceiptRow
from marketplace.trade.bounty import bounties
from marketplace.trade.incomes import Income, SaleReturn, Settlement
from marketplace.trade.rent import DAY_S
from marketplace.trade.review import Review


class SearchMiss(MarketTable, table=True):
    """A day on which an account searched for a skill and found nothing it could use."""

    __tablename__: ClassVar[str] = "search_miss"

    account: str = Field(primary_key=True, foreign_key="account.name")
    skill: str = Field(primary_key=True)
    day: int = Field(primary_key=True, index=True, sa_type=BigInteger)
    """Whole days since 1970."""


SAY = {"paid": 0.35, "vain": 0.25, "bounty": 0.25, "miss": 0.15}
WINDOW_DAYS = 30
MAX_MISSES_PER_DAY = 20
"""Skills per account and day; more are not noted."""


@dataclass(frozen=True, slots=True)
class SkillDemand:
    """How much a skill is wanted."""

    skill: str
    weight: float
    """Share of all demand; the weights add up to 1."""
    paid_nanos: Nanos
    """What makers of layers for it earned, fees taken off."""
    vain_nanos: Nanos
    """The part of it that bought uses which did not help, as their payers say."""
    bounty_nanos: Nanos
    """Rewards that wait for a layer."""
    n_misses: int
    """Days on which somebody searched and found nothing, counted per account."""


def demand(
    session: Session,
    at: float,
    since: Annotated[float | None, pydantic.Field(ge=0.0, le=1e11)] = None,
) -> list[SkillDemand]:
    """What users want per skill, most wanted first; the last 30 days unless told.

    Args:
        since: Start of the window, seconds since 1970; None = 30 days ago.
    """
    start = at - WINDOW_DAYS * DAY_S if since is None else since
    paid, vain = _paid(session, start)
    signals = {
        "paid": paid,
        "vain": vain,
        "bounty": _wanted(session, at),
        "miss": _missed(session, start),
    }
    totals = {name: sum(counts.values()) for name, counts in signals.items()}
    heard = sum(SAY[name] for name, total in totals.items() if total)
    weights: dict[str, float] = defaultdict(float)
    for name, counts in signals.items():
        for skill, count in counts.items():
            weights[skill] += SAY[name] / heard * count / totals[name]
    found = [
        SkillDemand(
            skill=skill,
            weight=weight,
            paid_nanos=paid.get(skill, 0),
            vain_nanos=vain.get(skill, 0),
            bounty_nanos=signals["bounty"].get(skill, 0),
            n_misses=signals["miss"].get(skill, 0),
        )
        for skill, weight in weights.items()
    ]
    return sorted(found, key=lambda one: (-one.weight, one.skill))


def record_miss(session: Session, *, account: str, skill: str, at: float) -> bool:
    """Note that an account found nothing for a skill today; False when that is known."""
    check_name(skill, "skill")
    name = principal_of(find_account(session, account).name)
    day = int(at // DAY_S)
    today = set(
        session.exec(
            select(SearchMiss.skill).where(SearchMiss.account == name, SearchMiss.day == day)
        )
    )
    if skill in today or len(today) >= MAX_MISSES_PER_DAY:
        return False
    put(session, SearchMiss(account=name, skill=skill, day=day))
    return True


def _paid(session: Session, since: float) -> tuple[dict[str, int], dict[str, int]]:
    """What was earned with each skill, and what of it bought nothing.

    A listing's skill is that of its first receipt.
    """
    first = select(func.min(ReceiptRow.id)).group_by(col(ReceiptRow.listing))
    good, bad = col(Review.n_good), col(Review.n_bad)
    said = (
        select_columns(
            col(Review.reviewer),
            col(Review.listing),
            func.sum(bad).label("n_bad"),
            func.sum(good + bad).label("n_uses"),
        )
        .where(col(Review.at) >= since)
        .group_by(col(Review.reviewer), col(Review.listing))
        .subquery()
    )
    query = (
        select_columns(
            col(ReceiptRow.skill),
            func.sum(col(Income.amount_nanos)),
            said.c.n_bad,
            said.c.n_uses,
        )
        .select_from(Settlement)
        .join(Income, col(Income.transfer_id) == col(Settlement.transfer_id))
        .join(Listing, col(Listing.name) == col(Income.source))
        .join(Account, col(Account.name) == col(Listing.owner))
        .join(ReceiptRow, col(ReceiptRow.listing) == col(Listing.name))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Settlement.transfer_id))
        .outerjoin(
            said,
            (said.c.reviewer == Settlement.principal) & (said.c.listing == Listing.name),
        )
        .where(
            col(Settlement.at) >= since,
            col(Settlement.way) != "compute",
            col(Settlement.principal) != func.coalesce(Account.owner, Account.name),
            col(SaleReturn.sale_id).is_(None),
            col(ReceiptRow.id).in_(first),
        )
        .group_by(
            col(ReceiptRow.skill), said.c.reviewer, said.c.listing, said.c.n_bad, said.c.n_uses
        )
    )
    paid: dict[str, int] = defaultdict(int)
    vain: dict[str, int] = defaultdict(int)
    for skill, nanos, n_bad, n_uses in session.connection().execute(query):
        paid[skill] += int(nanos)
        if n_bad:
            vain[skill] += int(nanos) * int(n_bad) // int(n_uses)
    return dict(paid), dict(vain)


def _wanted(session: Session, at: float) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for bounty in bounties(session, at):
        found[bounty.skill] += bounty.reward_nanos
    return dict(found)


def _missed(session: Session, since: float) -> dict[str, int]:
    query = (
        select(SearchMiss.skill, func.count())
        .where(SearchMiss.day >= int(since // DAY_S))
        .group_by(col(SearchMiss.skill))
    )
    return dict(session.exec(query).all())
