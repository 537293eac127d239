"""What a layer or persona was made from, as far as a market sells it: whom royalties go to.

Breeding writes parents into the manifest; a purchase brings layers under their listings' names. So
what somebody publishes names its parents by itself, and nobody has to remember them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from genome.library import Library
from marketplace.errors import ListingNotFoundError
from marketplace.protocol import MarketLike

MAX_LISTINGS = 2_000
"""So many are looked through for a layer that is not listed under its own name."""


def listed_parents(
    market: MarketLike, library: Library, digests: Sequence[str], *, but: Collection[str] = ()
) -> dict[str, str]:
    """The nearest layers that are listed, among these and their ancestors: digest -> listing.

    Where a layer is listed its own ancestors are left to it: the market knows them.

    Args:
        digests: Layers that something consists of.
        but: Listings that are no parents: the one that is being made.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(digests)
    known: dict[str, str] | None = None
    while waiting:
        digest = waiting.pop(0)
        if digest in seen:
            continue
        seen.add(digest)
        listing = _under_its_name(market, library, digest)
        if listing is None:
            known = known or {x.digest: x.name for x in market.listings(limit=MAX_LISTINGS)}
            listing = known.get(digest)
        if listing is not None and listing not in but:
            found[digest] = listing
        elif digest in library:
            waiting += [parent.digest for parent in library.manifest(digest).parents]
    return found


def _under_its_name(market: MarketLike, library: Library, digest: str) -> str | None:
    """The listing that a layer is named after, if one of its versions is this very layer."""
    if digest not in library:
        return None
    name = library.manifest(digest).name
    try:
        is_there = any(version.digest == digest for version in market.versions(name))
    except ListingNotFoundError:
        return None
    return name if is_there else None
