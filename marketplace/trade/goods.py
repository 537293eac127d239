"""What a payment by use rests on: owner, price, status and terms of listings, in one question.

A view of a listing holds much more, such as its reputation and its sales, which are counted anew
each time: a charge needs none of it, and must not cost more the better a layer sells.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import exists, func, select
from sqlmodel import Session, col

from marketplace.database.statement import Question, ask, one_of
from marketplace.database.tables import table_of
from marketplace.ledger.epoch import Epoch, PriceRow
from marketplace.listing.listing import Listing, Version, VersionParent
from marketplace.listing.rows import priced
from marketplace.listing.status import LISTED, StatusEvent
from marketplace.trade.noticeboard import SetTerms
from marketplace.trade.notices import Terms


class Goods(NamedTuple):
    """A listing as somebody pays for its use."""

    name: str
    owner: str
    digest: str
    price_nanos: int
    status: str
    epoch: int
    is_bred: bool
    """Whether it has parents, which may share in what it earns."""
    terms: SetTerms | None
    """What the seller set; None = the usual terms."""


def goods(session: Session, names: Collection[str]) -> dict[str, Goods]:
    """The listings of these names that exist, by name."""
    found = {}
    for row in ask(session, _goods(), names=names):
        name, owner, digest, price_nanos, status, epoch, is_bred = row[:7]
        rent_day_parts, use_parts, subscribable = row[7:]
        terms = None
        if rent_day_parts is not None:
            terms = SetTerms(rent_day_parts, use_parts, bool(subscribable))
        found[name] = Goods(name, owner, digest, price_nanos, status, epoch, bool(is_bred), terms)
    return found


@lru_cache
def _goods() -> Question:
    newest = (
        select(func.max(Terms.id))
        .where(col(Terms.listing) == col(Listing.name))
        .correlate(Listing)
        .scalar_subquery()
    )
    return Question(
        select(
            col(Listing.name), col(Listing.owner), col(Version.digest), col(PriceRow.price_nanos),
            func.coalesce(StatusEvent.status, LISTED), col(Epoch.number),
            exists().where(col(VersionParent.child) == col(Version.digest)),
            col(Terms.rent_day_parts), col(Terms.use_parts), col(Terms.subscribable),
        )
        .select_from(priced().outerjoin(table_of(Terms), col(Terms.id) == newest))
        .where(one_of(Listing.name, "names"))
    )  # fmt: skip
