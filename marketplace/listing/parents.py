"""The line a new layer comes from: parents that exist, fit and close no circle.

A parent must be in the market before its child, and a layer is published once; so a circle could
only be a layer that names itself, which is refused by name.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from marketplace.database.sql import Statement, ask, one_of, table_of
from marketplace.errors import LineageError, unknown
from marketplace.formula.royalty import Bred, Parent, Share, royalty_shares
from marketplace.ledger.account import principal_of
from marketplace.listing import catalogue
from marketplace.listing.licence import Ancestor, check_inheritance
from marketplace.listing.listing import UNUSABLE, Listing, Version, VersionParent
from marketplace.listing.rows import CHUNK
from marketplace.listing.submission import Submission

_PARENTS = Statement(
    select(VersionParent.child, VersionParent.parent, VersionParent.weight)
    .where(one_of(VersionParent.child, "digests"))
    .order_by(col(VersionParent.child), col(VersionParent.parent))
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A parent found in the market."""

    listing: str
    digest: str
    weight: int


def find_parents(session: Session, submission: Submission) -> tuple[Origin, ...]:
    """The versions an submission names as parents, each once, weights of one layer added up.

    Raises:
        LineageError: One is missing, for another base model, taken down, or the layer itself.
    """
    found: dict[str, Origin] = {}
    for parent in submission.line:
        version = _version(session, parent.name)
        _check_fit(session, submission, version)
        earlier = found[version.digest].weight if version.digest in found else 0
        found[version.digest] = Origin(version.listing, version.digest, parent.weight + earlier)
    return tuple(found[digest] for digest in sorted(found))


def check_licences(session: Session, submission: Submission, parents: Sequence[Origin]) -> None:
    """Refuse a licence that somebody in the line does not allow.

    Raises:
        LicenceConflictError: The message names the ancestor and its rule.
    """
    above = ancestors(session, [parent.digest for parent in parents])
    check_inheritance(submission.licence, principal_of(submission.owner), above)


def ancestors(session: Session, digests: Iterable[str]) -> list[Ancestor]:
    """These layers and all above them, generation by generation."""
    found: dict[str, Ancestor] = {}
    waiting = set(digests)
    while waiting:
        batch = sorted(waiting)[:CHUNK]
        makers = (
            select(Version.digest, Version.listing, Listing.owner, Version.licence)
            .join(Listing, col(Listing.name) == col(Version.listing))
            .where(col(Version.digest).in_(batch))
        )
        for digest, listing, owner, licence in session.exec(makers):
            found[digest] = Ancestor(listing, principal_of(owner), licence)
        above = session.exec(
            select(VersionParent.parent).where(col(VersionParent.child).in_(batch))
        )
        waiting = (waiting | set(above)) - set(batch) - found.keys()
    return list(found.values())


def _version(session: Session, reference: str) -> Version:
    version = catalogue.version_of_digest(session, reference)
    if version is not None:
        return version
    if session.get(Listing, reference) is not None:
        return catalogue.current_version(session, reference)
    problem = f"parent {reference[:64]!r} is not in the market: publish it first"
    raise unknown(LineageError(problem), "listing", reference)


def _check_fit(session: Session, submission: Submission, parent: Version) -> None:
    if parent.digest == submission.digest:
        raise LineageError(
            f"layer {submission.digest[:12]} cannot be its own ancestor: correct its parents"
        )
    listing = session.get(Listing, parent.listing)
    assert listing is not None, f"version of {parent.listing!r} without a listing"
    if listing.base_model != submission.base_model:
        raise LineageError(
            f"parent {parent.listing!r} is for base model {listing.base_model[:16]!r}, the layer"
            f" for {submission.base_model[:16]!r}: a layer and its parents share one"
        )
    status = catalogue.status_of(session, parent.listing, parent.number)
    if status in UNUSABLE:
        raise LineageError(
            f"parent {parent.listing!r} version {parent.number} is {status}: make the layer"
            " without it"
        )


def _line() -> Any:
    """Every layer above some, with its parents: one question, however long the line."""
    edges, versions, listings = table_of(VersionParent), table_of(Version), table_of(Listing)
    edge, version, listing = edges.c, versions.c, listings.c
    start = select_columns(edge.parent.label("digest")).where(one_of(edge.child, "digests"))
    line = start.cte("line", recursive=True)
    above = select_columns(edge.parent).join(line, edge.child == line.c.digest)
    line = line.union(above)  # each layer once
    return (
        select_columns(
            version.digest,
            listing.owner,
            version.near_of,
            version.is_repeat,
            edge.parent,
            edge.weight,
        )
        .select_from(line)
        .join(versions, version.digest == line.c.digest)
        .join(listings, listing.name == version.listing)
        .outerjoin(edges, edge.child == version.digest)
        .order_by(version.digest, edge.parent)
    )


def shares_of(session: Session, sellers: Mapping[str, str]) -> dict[str, tuple[Share, ...]]:
    """What each ancestor's owner takes of the royalty pool when these layers earn, by digest.

    Args:
        sellers: Owner of each layer, by digest.
    """
    if not sellers:
        return {}
    parents = _parents(session, sorted(sellers))
    line = _ancestors(session, sorted(parents))
    return {
        digest: royalty_shares(principal_of(seller), parents[digest], line)
        if digest in parents
        else ()
        for digest, seller in sellers.items()
    }


def _ancestors(session: Session, digests: list[str]) -> dict[str, Bred]:
    """Every layer above these, by digest."""
    found: dict[str, Bred] = {}
    for digest, owner, near_of, repeats, parent, weight in ask(session, _LINE, digests=digests):
        novel = near_of is None or not repeats
        known = found.get(digest) or Bred(principal_of(owner), novel=novel)
        own = () if parent is None else (Parent(parent, weight),)
        found[digest] = replace(known, parents=(*known.parents, *own))
    return found


def _parents(session: Session, digests: list[str]) -> dict[str, tuple[Parent, ...]]:
    found: dict[str, list[Parent]] = defaultdict(list)
    rows = ask(session, _PARENTS, digests=digests)
    for child, parent, weight in rows:
        found[child].append(Parent(parent, weight))
    return {child: tuple(parents) for child, parents in found.items()}


_LINE = Statement(_line())
