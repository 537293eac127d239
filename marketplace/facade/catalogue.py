"""What is for sale, finding it, and putting it there.

Searching and publishing compare vectors; they load numpy when first used, because buying or
looking at a statement should not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from marketplace.errors import MarketBusyError
from marketplace.facade.evidence import EvidenceFacade
from marketplace.formula.royalty import Parent
from marketplace.listing import catalogue
from marketplace.listing.listing import Listing, ListingView, VersionView
from marketplace.listing.provenance import Evidence
from marketplace.listing.submission import Offer, as_parents
from marketplace.listing.wanted import PAGE_SIZE, SearchPage, Wanted
from marketplace.names import check_key
from marketplace.receipt.receipt import ReceiptFacts

if TYPE_CHECKING:
    from marketplace.listing.duplicates import Finding, Newcomer, Others, SketchIndex
    from marketplace.listing.search import Searcher
    from marketplace.listing.similarity import Weights

SEARCHES = 5
"""How often a search for near-duplicates may be overtaken by what it should have found."""


class CatalogueFacade(EvidenceFacade):
    """The part of the market that shows layers."""

    @cached_property
    def _sketches(self) -> SketchIndex:
        from marketplace.listing.duplicates import SketchIndex

        return SketchIndex()

    @cached_property
    def _searcher(self) -> Searcher:
        from marketplace.listing.search import Searcher

        return Searcher()

    def publish(
        self,
        *,
        owner: str,
        name: str,
        digest: str,
        base_model: str,
        niche: str,
        ask_nanos: int,
        receipt: ReceiptFacts,
        receipts: Sequence[ReceiptFacts] = (),
        description: str = "",
        licence: str = "",
        tags: Sequence[str] = (),
        parents: Sequence[str | Parent] = (),
        version_of: str | None = None,
        weights: Weights | None = None,
        others: Others | None = None,
        evidence: Evidence | None = None,
        must_be_signed: bool = False,
        key: str,
    ) -> ListingView:
        """Put a layer up for sale at a price made of the ask and its exam result.

        Args:
            receipt: The headline exam.
            receipts: Other exams.
            licence: SPDX expression; empty = none stated, so that nobody else may build on it.
            parents: Layers it was made from, by digest or listing; royalties go to their owners.
            version_of: The listing this is the next version of; must be `name`.
            weights: Its factors by module, from which the market finds out what it repeats; a layer
                for a base model whose modules the market knows is not listed without.
            others: The weights of the layer of a digest, for who has the files.
            evidence: Its signed manifest and the hashes of its files.
            must_be_signed: Refuse it without a signature.

        Raises:
            InvalidInputError: A value that no listing may carry.
            UnfitLayerError: The layer cannot run on its base model, or nobody can tell.
            RefusedError: Name or layer taken, parents or licence that do not fit, a near-duplicate
                that is not linked, a manifest that does not vouch for it.
            IdempotencyKeyReusedError: The key belongs to another request.
        """
        from marketplace.listing.duplicates import Newcomer

        check_key(key)
        newcomer = None
        if weights is not None:
            newcomer = Newcomer(weights, others) if others else Newcomer(weights)
        offer = Offer(
            owner=owner,
            name=name,
            digest=digest,
            base_model=base_model,
            niche=niche,
            ask_nanos=ask_nanos,
            receipts=(receipt, *receipts),
            description=description,
            licence=licence,
            tags=tuple(tags),
            parents=as_parents(parents),
            version_of=version_of,
            sketch=newcomer.sketch if newcomer else b"",
            evidence=evidence or Evidence(),
        )
        return self._put_up(offer, newcomer, key, must_be_signed or self._must_be_signed)

    def _put_up(
        self, offer: Offer, newcomer: Newcomer | None, key: str, must_be_signed: bool
    ) -> ListingView:
        """Search outside the write lock, then publish; once more while others overtake."""
        from marketplace.listing.duplicates import OvertakenError
        from marketplace.listing.publish import publish

        for tries_left in reversed(range(SEARCHES)):
            with self._read() as session:
                finding = self._sketches.find(session, offer, newcomer)

            def work(session: Session, finding: Finding = finding) -> ListingView:
                return publish(
                    session, offer, finding=finding, newcomer=newcomer, key=key, at=self._now(),
                    must_be_signed=must_be_signed, maps=self._bases.get(offer.base_model),
                )  # fmt: skip

            try:
                return self._change(work, key=key)
            except OvertakenError:
                if not tries_left:
                    raise MarketBusyError(
                        f"others published layers like {offer.digest[:12]} again and again while it"
                        " was compared: try again"
                    ) from None
        raise AssertionError("the last try returns or raises")

    def listings(
        self, wanted: Wanted | None = None, *, limit: int | None = None
    ) -> list[ListingView]:
        """Everything for sale, or what is wanted of it, by name, at the running epoch's prices.

        Args:
            limit: Only the first so many, without reading the others.
        """
        with self._read() as session:
            if wanted is not None:
                names = self._searcher.names(session, wanted)[:limit]
                return catalogue.listing_views(session, names, only_listed=True)
            if limit is None:
                return catalogue.listing_views(session, only_listed=True)
            return _first_listed(session, limit)

    def listing(self, name: str) -> ListingView:
        """The listing of this name, whatever its status.

        Raises:
            ListingNotFoundError: There is none; the message names the closest ones.
        """
        with self._read() as session:
            return catalogue.listing_view(session, name)

    def versions(self, name: str) -> list[VersionView]:
        """Every version of a listing, newest first.

        Raises:
            ListingNotFoundError: There is none of this name.
        """
        with self._read() as session:
            catalogue.listing_view(session, name)
            return catalogue.version_views(session, name)

    def search(
        self,
        text: str = "",
        wanted: Wanted | None = None,
        *,
        order: str = "rank",
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> SearchPage:
        """One page of what is for sale and fits.

        Args:
            text: Words that name, niche, description or tags must hold, all of them.
            wanted: Further conditions.
            order: rank, price, newest, sales or name.
            cursor: `SearchPage.next` of the page before.

        Raises:
            PageError: An order, a limit or a cursor that there is not.
        """
        with self._read() as session:
            return self._searcher.page(
                session, text, wanted or Wanted(), order=order, limit=limit, cursor=cursor
            )


def _first_listed(session: Session, limit: int) -> list[ListingView]:
    """As many names at a time as are wanted, until that many of them are for sale."""
    found: list[ListingView] = []
    after = ""
    while len(found) < limit:
        rest = select(Listing.name).where(col(Listing.name) > after)
        names = session.exec(rest.order_by(col(Listing.name)).limit(limit)).all()
        if not names:
            break
        found += catalogue.listing_views(session, names, only_listed=True)
        after = names[-1]
    return found[:limit]
