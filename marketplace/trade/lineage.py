"""The breeding line of a layer, as far as royalties care: who made what from what.

Rows of the line never change, so neither do the shares of a layer that is once published. Makers
are whoever stands behind a listing's owner, royalties are theirs: a mandate is no ancestor of its
owner's, nor are two mandates two makers.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from marketplace.database.statement import Question, ask, one_of
from marketplace.database.tables import table_of
from marketplace.formula.royalty import Bred, Parent, Share, royalty_shares
from marketplace.ledger.account import principal_of
from marketplace.listing.listing import Listing, Version, VersionParent

_PARENTS = Question(
    select(VersionParent.child, VersionParent.parent, VersionParent.weight)
    .where(one_of(VersionParent.child, "digests"))
    .order_by(col(VersionParent.child), col(VersionParent.parent))
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


_LINE = Question(_line())


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
