"""The breeding line of a layer, as far as royalties care: who made what from what.

Rows of the line never change, so neither do the shares of a layer that is once published.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlmodel import Session, col, select

from marketplace.listing import Listing, Version, VersionParent
from marketplace.question import Question, ask, one_of
from marketplace.royalty import Bred, Parent, Share, royalty_shares

_PARENTS = Question(
    select(VersionParent.child, VersionParent.parent, VersionParent.weight)
    .where(one_of(VersionParent.child, "digests"))
    .order_by(col(VersionParent.child), col(VersionParent.parent))
)
_MAKERS = Question(
    select(Version.digest, Listing.owner, Version.near_of)
    .join(Listing, col(Listing.name) == col(Version.listing))
    .where(one_of(Version.digest, "digests"))
)


def shares_of(session: Session, sellers: Mapping[str, str]) -> dict[str, tuple[Share, ...]]:
    """What each ancestor's owner takes of the royalty pool when these layers earn, by digest.

    Args:
        sellers: Owner of each layer, by digest.
    """
    if not sellers:
        return {}
    parents = _parents(session, sorted(sellers))
    line = _ancestors(session, {parent for own in parents.values() for parent in own})
    return {
        digest: royalty_shares(seller, parents[digest], line) if digest in parents else ()
        for digest, seller in sellers.items()
    }


def _ancestors(session: Session, parents: Iterable[Parent]) -> dict[str, Bred]:
    """Every layer above, by digest; generation by generation, so few queries."""
    found: dict[str, Bred] = {}
    waiting = {parent.name for parent in parents}
    while waiting:
        names = sorted(waiting)
        above = _parents(session, names)
        for digest, owner, near_of in _makers(session, names):
            found[digest] = Bred(owner, above.get(digest, ()), novel=near_of is None)
        waiting = {parent.name for line in above.values() for parent in line} - found.keys()
    return found


def _parents(session: Session, digests: list[str]) -> dict[str, tuple[Parent, ...]]:
    found: dict[str, list[Parent]] = defaultdict(list)
    rows = ask(session, _PARENTS, digests=digests)
    for child, parent, weight in rows:
        found[child].append(Parent(parent, weight))
    return {child: tuple(parents) for child, parents in found.items()}


def _makers(session: Session, digests: list[str]) -> list[tuple[str, str, str | None]]:
    """(digest, owner, the elder listing it nearly repeats) of each layer."""
    rows = ask(session, _MAKERS, digests=digests)
    return [(digest, owner, near_of) for digest, owner, near_of in rows]
