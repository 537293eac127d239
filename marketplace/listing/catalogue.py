"""Every SQL question about what is for sale; answers are rows or views, never decisions.

A listing is shown as its newest version at the running epoch's price. Its reputation is the one
the epoch was opened with (`marketplace.price.known`), unless something newer is known of the
layer: then it follows from the headline receipt and its binding re-run alone.

Which name was probably meant, found out when a refusal is on its way to whoever asked.

Comparing names takes a while, and who asks chooses how often: so whatever runs for everybody, such
as the writer's thread, only notes what was sought (`errors.unknown`), and the facade compares, once
for each request, with few names (`advised`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from marketplace.database.sql import Statement, alike, ask, one_of
from marketplace.errors import ListingNotFoundError, MarketError, NotForSaleError, unknown
from marketplace.formula.ranking import clone_rank
from marketplace.ledger.account import Account, principal_of
from marketplace.listing.listing import (
    LISTED,
    QUARANTINED,
    REVOKED,
    UNUSABLE,
    Listing,
    ListingView,
    StatusEvent,
    Version,
    VersionParent,
    VersionView,
)
from marketplace.listing.rows import Row, parent_names, rows
from marketplace.names import did_you_mean
from marketplace.receipt import ReceiptRow, Recheck, last_recheck

MAX_BESIDE = 50
"""Names compared on either side of the one that was sought, in the order of the alphabet."""
MAX_OTHERS = 100
"""Names compared besides: enough to find any slip in a small market."""
_NAMES = {"account": col(Account.name), "listing": col(Listing.name)}

_OWNERS = Statement(select(Listing.name, Listing.owner).where(one_of(Listing.name, "names")))


def listing_views(
    session: Session, names: Sequence[str] | None = None, *, only_listed: bool = False
) -> list[ListingView]:
    """All listings by name, or those asked for, whatever their status unless told otherwise."""
    chosen = [row for row in rows(session, names) if row.status == LISTED or not only_listed]
    parents = parent_names(session, None if names is None else [row.digest for row in chosen])
    return [view_of(row, parents.get(row.digest, ()), _reputation(session, row)) for row in chosen]


def listing_view(session: Session, name: str) -> ListingView:
    """One listing at the running epoch's price, whatever its status.

    Raises:
        ListingNotFoundError: There is none.
    """
    views = listing_views(session, [name])
    if not views:
        raise no_listing(name)
    return views[0]


def no_listing(name: str) -> ListingNotFoundError:
    """The refusal of a name that no listing has."""
    problem = f"listing {name!r} does not exist: see the list of listings"
    return unknown(ListingNotFoundError(problem), "listing", name)


def refuse_unsold(name: str, status: str) -> None:
    """Let nobody pay for what is not for sale.

    Raises:
        NotForSaleError: The listing is withdrawn, quarantined or revoked.
    """
    if status != LISTED:
        raise NotForSaleError(f"listing {name!r} is {status} and not for sale: choose another one")


def version_of_digest(session: Session, digest: str) -> Version | None:
    """The version that is this layer."""
    return session.exec(select(Version).where(Version.digest == digest)).first()


def current_version(session: Session, listing: str) -> Version:
    """The newest version of a listing that exists."""
    query = (
        select(Version).where(Version.listing == listing).order_by(col(Version.number).desc())
    ).limit(1)
    return session.exec(query).one()


def last_event(session: Session, listing: str, number: int) -> StatusEvent | None:
    """What befell a version last; None = it is listed."""
    query = (
        select(StatusEvent)
        .where(StatusEvent.listing == listing, StatusEvent.number == number)
        .order_by(col(StatusEvent.id).desc())
        .limit(1)
    )
    return session.exec(query).first()


def status_of(session: Session, listing: str, number: int) -> str:
    """Status of one version."""
    event = last_event(session, listing, number)
    return LISTED if event is None else event.status


class Span(NamedTuple):
    """When a version that turned out bad was the one on sale; seconds since 1970."""

    start: float
    """Its publication."""
    end: float | None
    """That of the next version, which does not save the seller from paying back."""
    known_at: float
    """When everybody could know: who buys later does so in spite of it."""

    def sold(self, at: float) -> bool:
        """Whether a sale at this time was one of the version, to somebody who did not know."""
        return self.start <= at <= self.known_at and (self.end is None or at < self.end)


def refuted_spans(session: Session, listing: str) -> list[Span]:
    """Versions of a listing with a receipt that failed its last binding re-run, oldest first."""
    failed = (
        select(ReceiptRow.number, func.max(Recheck.at))
        .join(Recheck, col(Recheck.id) == last_recheck())
        .where(ReceiptRow.listing == listing, col(Recheck.passed).is_(False))
        .group_by(col(ReceiptRow.number))
    )
    return _spans(session, listing, dict(session.exec(failed).all()))


def taken_spans(session: Session, listing: str, *, before: float) -> list[Span]:
    """Versions of a listing that are revoked, or quarantined since before then, oldest first."""
    taken = {
        event.number: event.at
        for event in session.exec(_last_events().where(StatusEvent.listing == listing))
        if event.status == REVOKED or (event.status == QUARANTINED and event.at <= before)
    }
    return _spans(session, listing, taken)


def long_quarantined(session: Session, *, before: float) -> list[str]:
    """Listings with a version that is quarantined since before then, by name."""
    query = _last_events().where(StatusEvent.status == QUARANTINED, col(StatusEvent.at) <= before)
    return sorted({event.listing for event in session.exec(query)})


def _last_events() -> SelectOfScalar[StatusEvent]:
    newest = select(func.max(StatusEvent.id)).group_by(
        col(StatusEvent.listing), col(StatusEvent.number)
    )
    return select(StatusEvent).where(col(StatusEvent.id).in_(newest))


def _spans(session: Session, listing: str, known_at: Mapping[int, float]) -> list[Span]:
    versions = session.exec(
        select(Version.number, Version.published_at)
        .where(Version.listing == listing)
        .order_by(col(Version.number))
    ).all()
    ends = [*(at for _, at in versions[1:]), None]
    return [
        Span(at, end, known_at[number])
        for (number, at), end in zip(versions, ends, strict=True)
        if number in known_at
    ]


def version_views(session: Session, name: str) -> list[VersionView]:
    """Every version of a listing, newest first.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    listing_view(session, name)
    parents: dict[str, list[str]] = {}
    edges = (
        select(VersionParent)
        .join(Version, col(Version.digest) == col(VersionParent.child))
        .where(Version.listing == name)
        .order_by(col(VersionParent.parent))
    )
    for edge in session.exec(edges):
        parents.setdefault(edge.child, []).append(edge.parent)
    query = select(Version).where(Version.listing == name).order_by(col(Version.number).desc())
    return [
        alike(
            VersionView,
            v,
            tags=tuple(v.tags.split()),
            parents=tuple(parents.get(v.digest, ())),
            status=status_of(session, v.listing, v.number),
        )
        for v in session.exec(query)
    ]


def _reputation(session: Session, row: Row) -> float:
    """A row's reputation, below that of the elder listing it nearly repeats."""
    chain = [row]
    while (elder := chain[-1].near_of) is not None and not chain[-1].is_settled:
        if elder in {above.name for above in chain}:  # two listings whose versions were near
            break
        chain += rows(session, [elder])
    reputation = chain[-1].reputation
    for clone in reversed(chain[:-1]):
        reputation = clone_rank(clone.reputation, reputation)
    return reputation


def view_of(row: Row, parents: Sequence[str], reputation: float) -> ListingView:
    """A row as others see it; a refuted result as the re-run found it."""
    result = row.result
    return alike(
        ListingView,
        row,
        reputation=reputation,
        n_questions=result.n_questions,
        accuracy=result.n_correct / result.n_questions,
        base_accuracy=result.n_base_correct / result.n_questions,
        n_correct=result.n_correct,
        n_base_correct=result.n_base_correct,
        published_at=row.listed_at,
        version=row.number,
        tags=tuple(row.tags.split()),
        parents=tuple(parents),
    )


def first_listed(session: Session, limit: int) -> list[ListingView]:
    """The first so many that are for sale, by name.

    As many names at a time as are wanted, until that many of them are for sale.
    """
    found: list[ListingView] = []
    after = ""
    while len(found) < limit:
        rest = select(Listing.name).where(col(Listing.name) > after)
        names = session.exec(rest.order_by(col(Listing.name)).limit(limit)).all()
        if not names:
            break
        found += listing_views(session, names, only_listed=True)
        after = names[-1]
    return found[:limit]


def sellers_of(session: Session, listings: Collection[str]) -> dict[str, str]:
    """Who stands behind the owner of each of these listings."""
    rows = ask(session, _OWNERS, names=set(listings))
    return {listing: principal_of(owner) for listing, owner in rows}


def usable(session: Session, listing: str, number: int) -> bool:
    """Whether anybody may use this version."""
    return status_of(session, listing, number) not in UNUSABLE


def advised(session: Session, refusal: MarketError) -> MarketError:
    """A refusal of the same kind that names the closest names; itself if none is close."""
    if refusal.sought is None:
        return refusal
    table, name = refusal.sought
    names, close = _NAMES[table], name[:64]
    after = select(names).where(names >= close).order_by(names).limit(MAX_BESIDE)
    before = select(names).where(names < close).order_by(names.desc()).limit(MAX_BESIDE)
    known = {
        found
        for query in (after, before, select(names).limit(MAX_OTHERS))
        for found in session.exec(query)
    }
    hint = did_you_mean(close, known)
    return type(refusal)(f"{str(refusal).rpartition(': ')[0]}: {hint}") if hint else refusal
