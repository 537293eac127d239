"""The one question behind every view of a listing: all its facts in one row, through indices.

The statements are built once: building them anew took ten times as long as running them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, select, true
from sqlmodel import Session

from marketplace.database.sql import MarketTable, one_of
from marketplace.formula.reputation import Evidence, lower_bound, measured
from marketplace.formula.significance import Counts
from marketplace.listing.gain import better_than_elder
from marketplace.listing.listing import LISTED

CHUNK = 500
"""Names per query: databases limit how many values one statement may carry."""


class Row(NamedTuple):
    """Everything one listing is shown by, as stored; None where there is no such thing."""

    name: str
    owner: str
    base_model: str
    niche: str
    listed_at: float
    number: int
    digest: str
    description: str
    licence: str
    tags: str
    ask_nanos: int
    near_of: str | None
    """The elder listing it nearly repeats without being better."""
    published_at: float
    receipt: int
    exam: str
    skill: str
    split: str
    stated_questions: int
    stated_correct: int
    stated_base_correct: int
    price_nanos: int
    log_premium: float
    epoch_opened_at: float
    event: str | None
    recheck_at: float | None
    recheck_passed: bool | None
    recheck_questions: int | None
    recheck_correct: int | None
    recheck_base_correct: int | None
    standing_version: int | None
    standing_reputation: float | None
    standing_s: float | None
    standing_f: float | None
    sales: int

    @property
    def status(self) -> str:
        """The status of the newest version."""
        return self.event or LISTED

    @property
    def result(self) -> Counts:
        """The headline exam as stated, or as the re-run found it that refuted the statement."""
        if self.recheck_passed is False:
            assert self.recheck_questions is not None, "a re-run has counts"
            assert self.recheck_correct is not None and self.recheck_base_correct is not None
            return Counts(self.recheck_questions, self.recheck_correct, self.recheck_base_correct)
        return Counts(self.stated_questions, self.stated_correct, self.stated_base_correct)

    @property
    def is_settled(self) -> bool:
        """Whether what the epoch was opened with still holds: no newer version, no newer re-run."""
        newer_re_run = self.recheck_at is not None and self.recheck_at > self.epoch_opened_at
        return self.standing_version == self.number and not newer_re_run

    @property
    def evidence(self) -> Evidence:
        """What reputation rests on now."""
        if self.is_settled:
            return Evidence(self.standing_s or 0.0, self.standing_f or 0.0)
        again = _counts(self.recheck_questions, self.recheck_correct)
        return measured(
            _counts(self.stated_questions, self.stated_correct),
            [] if self.recheck_at is None else [again],
            refuted=self.recheck_passed is False,
        )

    @property
    def reputation(self) -> float:
        """In [0, 1]; a near-duplicate's is capped by its elder's only where it is settled."""
        if self.is_settled and self.standing_reputation is not None:
            return self.standing_reputation
        return lower_bound(self.evidence)


def rows(session: Session, names: Sequence[str] | None = None) -> list[Row]:
    """All listings by name, or those asked for, whatever their status."""
    found = [
        Row(*row)
        for row in session.connection().execute(_rows(names is not None), _of_these(names))
    ]
    if any(row.near_of for row in found):
        better = better_than_elder(session, names)
        found = [
            row._replace(near_of=None) if (row.name, row.number) in better else row for row in found
        ]
    return sorted(found, key=lambda row: row.name)  # databases sort letters differently


def parent_names(
    session: Session, digests: Sequence[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Names of the listings each layer was made from, sorted, by the child's digest."""
    found: dict[str, set[str]] = {}
    for child, name in session.connection().execute(
        _parents(digests is not None), _of_these(digests)
    ):
        found.setdefault(child, set()).add(name)
    return {child: tuple(sorted(names)) for child, names in found.items()}


def _of_these(values: Sequence[str] | None) -> dict[str, Sequence[str]]:
    """The value of a question about some; one about all has none."""
    return {} if values is None else {"values": values}


def is_real_sale(purchase: Any) -> ColumnElement[bool]:
    """Whether a purchase says that somebody wanted the layer, as a condition on its columns.

    At arm's length, for half of that epoch's price at least, and not given back: what a seller
    buys through an account of his own, or gives away in his own bundle, is no sale to boast of.
    """
    listing, account, price, returned = (
        _table(name).alias().c for name in ("listing", "account", "price", "sale_return")
    )
    seller = (
        select(func.coalesce(account.owner, account.name))
        .where(listing.name == purchase.listing, account.name == listing.owner)
        .scalar_subquery()
    )
    running = (
        select(price.price_nanos - price.price_nanos // 2)
        .where(price.listing == purchase.listing, price.epoch == purchase.epoch)
        .scalar_subquery()
    )
    given_back = select(returned.sale_id).where(returned.sale_id == purchase.transfer_id).exists()
    return and_(purchase.buyer != seller, purchase.price_nanos >= running, ~given_back)


def priced() -> FromClause:
    """Each listing with its newest version, that one's last event and the running price."""
    listing, version, epoch, price, event = (
        _table(name).c for name in ("listing", "version", "epoch", "price", "status_event")
    )
    number = _of("version", "max", "number", lambda v: v.listing == listing.name, "listing")
    last_event = _of("status_event", "max", "id", lambda e: _same(e, version), "version")
    running = select(func.max(epoch.number)).scalar_subquery()
    return (
        _table("listing")
        .join(_table("version"), and_(version.listing == listing.name, version.number == number))
        .join(_table("epoch"), epoch.number == running)
        .join(_table("price"), and_(price.listing == listing.name, price.epoch == epoch.number))
        .outerjoin(_table("status_event"), event.id == last_event)
    )


@lru_cache
def _rows(by_name: bool) -> Select[Any]:
    """The columns of `Row`, in its order, of every listing or of those named."""
    listing, version, receipt, epoch, price, event, recheck, standing, purchase = (
        _table(name).c
        for name in (
            "listing",
            "version",
            "receipt",
            "epoch",
            "price",
            "status_event",
            "recheck",
            "standing",
            "purchase",
        )
    )
    headline = _of("receipt", "min", "id", lambda r: _same(r, version), "version")
    last_recheck = _of(
        "recheck", "max", "id", lambda r: and_(r.receipt == receipt.id, r.binding), "receipt"
    )
    sales = (
        select(func.count())
        .select_from(_table("purchase"))
        .where(purchase.listing == listing.name, is_real_sale(purchase))
        .correlate(_table("listing"))
        .scalar_subquery()
    )
    columns = (
        listing.name,
        listing.owner,
        listing.base_model,
        listing.niche,
        listing.published_at,
        version.number,
        version.digest,
        version.description,
        version.licence,
        version.tags,
        version.ask_nanos,
        version.near_of,
        version.published_at,
        receipt.id,
        receipt.exam,
        receipt.skill,
        receipt.split,
        receipt.n_questions,
        receipt.n_correct,
        receipt.n_base_correct,
        price.price_nanos,
        price.log_premium,
        epoch.opened_at,
        event.status,
        recheck.at,
        recheck.passed,
        recheck.n_questions,
        recheck.n_correct,
        recheck.n_base_correct,
        standing.version,
        standing.reputation,
        standing.measured_s + standing.rated_s + standing.inherited_s,
        standing.measured_f + standing.rated_f + standing.inherited_f,
        sales,
    )
    joined = (
        priced()
        .join(_table("receipt"), receipt.id == headline)
        .outerjoin(_table("recheck"), recheck.id == last_recheck)
        .outerjoin(
            _table("standing"),
            and_(standing.listing == listing.name, standing.epoch == epoch.number),
        )
    )
    chosen = one_of(listing.name, "values") if by_name else true()
    return select(*columns).select_from(joined).where(chosen)


@lru_cache
def _parents(by_child: bool) -> Select[Any]:
    """(child's digest, parent's listing) of every layer, or of those named."""
    edge, version = _table("version_parent").c, _table("version").c
    joined = _table("version_parent").join(_table("version"), version.digest == edge.parent)
    chosen = one_of(edge.child, "values") if by_child else true()
    return select(edge.child, version.listing).select_from(joined).where(chosen)


def _of(table: str, how: str, column: str, where: Any, outer: str) -> Any:
    """The first or last number among the rows of a table that belong to a row outside."""
    inner = _table(table).alias()
    aggregate = getattr(func, how)(inner.c[column])
    return select(aggregate).where(where(inner.c)).correlate(_table(outer)).scalar_subquery()


def _same(columns: Any, version: Any) -> ColumnElement[bool]:
    """Whether a row belongs to a version."""
    return and_(columns.listing == version.listing, columns.number == version.number)


def _table(name: str) -> FromClause:
    return MarketTable.metadata.tables[name]


def _counts(n_questions: int | None, n_correct: int | None) -> Evidence:
    right = float(n_correct or 0)
    return Evidence(right, float(n_questions or 0) - right)
