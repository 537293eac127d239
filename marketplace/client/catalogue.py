"""What is for sale on a service: the methods of `marketplace.facade.catalogue`, asked from afar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from marketplace.client.base import ClientBase, path
from marketplace.formula.royalty import Parent
from marketplace.listing.listing import ListingView, VersionView
from marketplace.listing.provenance import Evidence
from marketplace.listing.submission import as_parents
from marketplace.listing.wanted import MAX_PAGE_SIZE, PAGE_SIZE, SearchPage, Wanted
from marketplace.receipt.receipt import ReceiptFacts

if TYPE_CHECKING:  # they load numpy
    from marketplace.listing.duplicates import Others
    from marketplace.listing.similarity import Weights


class CatalogueClient(ClientBase):
    """Listings, and putting layers among them."""

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
        key: str,
    ) -> ListingView:
        """Put a layer up for sale whose files the service has.

        What follows from the files (`weights`, `others`, `evidence`) the service finds for itself.
        """
        body = {
            "owner": owner, "name": name, "digest": digest, "base_model": base_model,
            "niche": niche, "ask_nanos": ask_nanos, "receipt": receipt.body(),
            "receipts": [one.body() for one in receipts], "description": description,
            "licence": licence, "tags": list(tags), "version_of": version_of,
            "parents": [asdict(parent) for parent in as_parents(parents)],
        }  # fmt: skip
        return self._transport.send(ListingView, "POST", path("listings"), body, key=key)

    def listings(
        self, wanted: Wanted | None = None, *, limit: int | None = None
    ) -> Iterator[ListingView]:
        """Everything for sale, or what is wanted of it, by name; pages come as they are needed."""
        at_once = MAX_PAGE_SIZE if limit is None else min(limit, MAX_PAGE_SIZE)
        query = {"order": "name", "limit": at_once, **_query(wanted)}
        return islice(self._transport.pages(ListingView, path("listings"), **query), limit)

    def search(
        self,
        text: str = "",
        wanted: Wanted | None = None,
        *,
        order: str = "rank",
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> SearchPage:
        """One page of what is for sale and fits."""
        query = {"query": text or None, "order": order, "limit": limit, "cursor": cursor}
        found = self._transport.page(ListingView, path("listings"), **query, **_query(wanted))
        return SearchPage(tuple(found.items), found.total or len(found.items), found.next)

    def listing(self, name: str) -> ListingView:
        """The listing of this name, whatever its status."""
        return self._transport.get(ListingView, path("listings", name))

    def versions(self, name: str) -> list[VersionView]:
        """Every version of a listing, newest first."""
        return list(self._transport.pages(VersionView, path("listings", name, "versions")))


def _query(wanted: Wanted | None) -> dict[str, Any]:
    """The conditions that are set."""
    if wanted is None:
        return {}
    plain = {
        "base_model": wanted.base_model, "niche": wanted.niche, "owner": wanted.owner,
        "licence": list(wanted.licences), "tag": list(wanted.tags),
        "max_price_nanos": wanted.max_price_nanos,
        "commercial": "true" if wanted.commercial else None,
        "min_reputation": wanted.min_reputation or None,
    }  # fmt: skip
    return {name: value for name, value in plain.items() if value not in (None, [])}
