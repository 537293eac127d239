"""What the database knows that prices are made of: exams, reports, buyers, settled payments.

Only questions and counting; the formulas are in `marketplace.formula.reputation` and
`marketplace.formula.trust`. Large tables are read as columns: table objects take half as long
again, while everybody waits. Buyers and payers are principals: whoever stands behind a spending
mandate.

What an epoch was priced by: the evidence on each listing, the trust in each account.

Rows are added when an epoch closes and say what held during the next one. A listing that is
known by its first exam alone has no row: its reputation follows from the receipt. Trust begins at
the accounts the operator vouches for: until there is one, nobody's word or purchase moves a price.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlalchemy import BigInteger, func
from sqlalchemy import select as columns
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable
from marketplace.formula.ranking import Candidate
from marketplace.formula.reputation import (
    HALF_LIFE_DAYS,
    Evidence,
    Rating,
    Record,
    inherited,
    measured,
    rated,
)
from marketplace.formula.trust import Edge
from marketplace.ledger.account import principal_of
from marketplace.listing.gain import better_than_elder
from marketplace.listing.listing import Listing, Version
from marketplace.names import PLATFORM
from marketplace.receipt import ReceiptRow, Recheck
from marketplace.trade.buy import Purchase
from marketplace.trade.incomes import Income, SaleReturn, Settlement
from marketplace.trade.review import Review


class Standing(MarketTable, table=True):
    """Evidence on one listing during one epoch, and the buyers its price was made from."""

    __tablename__: ClassVar[str] = "standing"

    listing: str = Field(primary_key=True, foreign_key="listing.name")
    epoch: int = Field(primary_key=True, foreign_key="epoch.number", index=True, sa_type=BigInteger)
    version: int = Field(sa_type=BigInteger)
    """The version the evidence is about; it says nothing about a newer one."""
    reputation: float
    """What the price was made from: the evidence's, or less for a near-duplicate (P4)."""
    buyers: float
    """Distinct buyers of the epoch before, each by trust."""
    measured_s: float
    measured_f: float
    rated_s: float
    rated_f: float
    inherited_s: float
    inherited_f: float
    n_raters: int = Field(sa_type=BigInteger)

    @property
    def record(self) -> Record:
        """The evidence by where it comes from."""
        return Record(
            measured=Evidence(self.measured_s, self.measured_f),
            rated=Evidence(self.rated_s, self.rated_f),
            inherited=Evidence(self.inherited_s, self.inherited_f),
            n_raters=self.n_raters,
        )


class AccountTrust(MarketTable, table=True):
    """Trust in one account during one epoch; no row means none."""

    __tablename__: ClassVar[str] = "account_trust"

    account: str = Field(primary_key=True, foreign_key="account.name")
    epoch: int = Field(primary_key=True, foreign_key="epoch.number", index=True, sa_type=BigInteger)
    trust: float


DAY_S = 86_400.0
OLDEST_REPORT_DAYS = 10 * HALF_LIFE_DAYS
"""Older reports weigh less than a thousandth."""
TRUST_WINDOW_DAYS = 180.0
"""Payments older than this say nothing about whom to trust today."""


@dataclass(frozen=True, slots=True)
class ForSale:
    """A listing's newest version, as far as its price goes."""

    listing: str
    owner: str
    number: int
    ask_nanos: int
    record: Record
    near_of: str | None
    """The elder listing it nearly repeats without being better."""
    plain: bool
    """Known by the headline exam of its only version alone."""

    @property
    def candidate(self) -> Candidate:
        """Its place among the others, for the clone rule."""
        return Candidate(self.listing, principal_of(self.owner), self.record.evidence, self.near_of)


def for_sale(session: Session, *, trust: Mapping[str, float], at: float) -> dict[str, ForSale]:
    """Every listing by name, with all evidence on its newest version.

    Args:
        trust: Trust per account; absent = none.
        at: Now, in seconds since 1970; reports fade with age.
    """
    exams = _exams(session)
    better = better_than_elder(session)
    reports = _reports(session, trust=trust, at=at)
    query = (
        columns(
            col(Version.listing),
            col(Version.number),
            col(Version.digest),
            col(Version.ask_nanos),
            col(Version.near_of),
            col(Listing.owner),
        )
        .join(Listing, col(Listing.name) == col(Version.listing))
        .order_by(col(Version.listing), col(Version.number))
    )
    found: dict[str, ForSale] = {}
    for version in session.connection().execute(query):
        exam, untouched = exams.get((version.listing, version.number), (Evidence(), True))
        users, n_raters = reports.get(version.digest, (Evidence(), 0))
        record = Record(exam, users, n_raters=n_raters)
        before = found.get(version.listing)
        if before is not None:  # a version of the same listing has the same owner
            start = inherited(before.record.evidence, same_owner=True)
            record = replace(record, inherited=start)
        found[version.listing] = ForSale(
            listing=version.listing,
            owner=version.owner,
            number=version.number,
            ask_nanos=version.ask_nanos,
            record=record,
            near_of=None if (version.listing, version.number) in better else version.near_of,
            plain=untouched and n_raters == 0 and before is None,
        )
    return found


def spending(session: Session, epoch: int) -> dict[str, dict[str, int]]:
    """What each buyer paid for each listing in an epoch, returned sales and owners left out.

    Returns:
        Nano-credits by listing and principal, fees included (to the unit for sales, to the
        rounding of a tenth for the rest).
    """
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    sold = (
        select(Purchase.listing, Listing.owner, Purchase.buyer, Purchase.price_nanos)
        .join(Listing, col(Listing.name) == col(Purchase.listing))
        .where(
            Purchase.epoch == epoch,
            col(Purchase.transfer_id).not_in(select(SaleReturn.sale_id)),
        )
    )
    for listing, owner, buyer, nanos in session.exec(sold):
        if buyer != principal_of(owner):
            found[listing][buyer] += nanos
    paid = (
        select(Income.source, Listing.owner, Settlement.principal, func.sum(Income.amount_nanos))
        .join(Settlement, col(Settlement.transfer_id) == col(Income.transfer_id))
        .join(Listing, col(Listing.name) == col(Income.source))
        .where(
            Settlement.epoch == epoch,
            col(Settlement.transfer_id).not_in(select(Purchase.transfer_id)),
            col(Settlement.transfer_id).not_in(select(SaleReturn.sale_id)),
        )
        .group_by(col(Income.source), col(Listing.owner), col(Settlement.principal))
    )
    for listing, owner, buyer, nanos in session.exec(paid):
        if buyer != principal_of(owner):
            found[listing][buyer] += int(nanos) * 10 // 9
    return {listing: dict(buyers) for listing, buyers in found.items()}


def payments(session: Session, *, at: float) -> list[Edge]:
    """Settled, unrefunded payments between principals in the trust window, added up per pair."""
    since = at - TRUST_WINDOW_DAYS * DAY_S
    query = (
        select(Settlement.principal, Income.account, func.sum(Income.amount_nanos))
        .join(Income, col(Income.transfer_id) == col(Settlement.transfer_id))
        .where(
            Settlement.at >= since,
            col(Settlement.transfer_id).not_in(select(SaleReturn.sale_id)),
        )
        .group_by(col(Settlement.principal), col(Income.account))
    )
    paid: dict[tuple[str, str], int] = defaultdict(int)
    for payer, account, nanos in session.exec(query):
        payee = principal_of(account)
        if payer != payee and PLATFORM not in (payer, payee):
            paid[payer, payee] += int(nanos)
    return [Edge(payer, payee, float(nanos)) for (payer, payee), nanos in paid.items()]


def vouched(session: Session) -> list[str]:
    """Accounts the operator vouches for, by name."""
    newest: dict[str, bool] = {}
    for row in session.exec(select(Vouching).order_by(col(Vouching.number))):
        newest[row.account] = row.vouched
    return sorted(name for name, still in newest.items() if still)


def _exams(session: Session) -> dict[tuple[str, int], tuple[Evidence, bool]]:
    """What was measured on each version, and whether nobody re-ran it.

    The headline is a version's first receipt; a further receipt counts once it is refuted.
    """
    reruns: dict[int, list[Evidence]] = defaultdict(list)
    refuted: dict[int, bool] = {}
    binding = select(Recheck).where(col(Recheck.binding)).order_by(col(Recheck.id))
    for rerun in session.exec(binding):
        reruns[rerun.receipt].append(_counts(rerun.n_questions, rerun.n_correct))
        refuted[rerun.receipt] = not rerun.passed
    found: dict[tuple[str, int], tuple[Evidence, bool]] = {}
    receipts = columns(
        col(ReceiptRow.id),
        col(ReceiptRow.listing),
        col(ReceiptRow.number),
        col(ReceiptRow.n_questions),
        col(ReceiptRow.n_correct),
    ).order_by(col(ReceiptRow.id))
    for row in session.connection().execute(receipts):
        false, again = refuted.get(row.id, False), reruns.get(row.id, [])
        result = measured(_counts(row.n_questions, row.n_correct), again, refuted=false)
        version = (row.listing, row.number)
        if version not in found:
            found[version] = (result, not again)
        elif false:
            found[version] = (measured(found[version][0], [result]), False)
    return found


def _reports(
    session: Session, *, trust: Mapping[str, float], at: float
) -> dict[str, tuple[Evidence, int]]:
    """What users reported on each layer, by digest, and how many of them counted.

    A user's newer report on a layer replaces the older one.
    """
    newest: dict[tuple[str, str], Rating] = {}
    query = select(Review).where(Review.at >= at - OLDEST_REPORT_DAYS * DAY_S)
    for row in session.exec(query.order_by(col(Review.id))):
        evidence = Evidence(float(row.n_good), float(row.n_bad))
        rating = Rating(row.reviewer, evidence, (at - row.at) / DAY_S)
        newest[row.digest, row.reviewer] = rating
    ratings: dict[str, list[Rating]] = defaultdict(list)
    for (digest, _), rating in newest.items():
        ratings[digest].append(rating)
    return {digest: rated(given, trust) for digest, given in ratings.items()}


def _counts(n_questions: int, n_correct: int) -> Evidence:
    return Evidence(float(n_correct), float(n_questions - n_correct))


class Vouching(MarketTable, table=True):
    """The operator vouches for an account, or no longer does; the newest row applies."""

    __tablename__: ClassVar[str] = "vouching"

    number: int = Field(primary_key=True, sa_type=BigInteger)
    account: str = Field(foreign_key="account.name", index=True)
    vouched: bool
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


def standing_row(
    listing: ForSale, epoch: int, *, reputation: float, buyers: float
) -> dict[str, object]:
    """The values of one row, ready for a bulk insert."""
    record = listing.record
    return {
        "listing": listing.listing,
        "epoch": epoch,
        "version": listing.number,
        "reputation": reputation,
        "buyers": buyers,
        "measured_s": record.measured.successes,
        "measured_f": record.measured.failures,
        "rated_s": record.rated.successes,
        "rated_f": record.rated.failures,
        "inherited_s": record.inherited.successes,
        "inherited_f": record.inherited.failures,
        "n_raters": record.n_raters,
    }
