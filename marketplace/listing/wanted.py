"""What a search asks for and what it gives back: plain data, so that asking loads no numpy."""

from dataclasses import dataclass

from marketplace.listing.listing import ListingView

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions; all that are given must hold."""

    base_model: str | None = None
    niche: str | None = None
    owner: str | None = None
    licences: tuple[str, ...] = ()
    """Any of these, exactly as stated."""
    commercial: bool = False
    """Only where commercial use is not forbidden."""
    tags: tuple[str, ...] = ()
    """All of these."""
    max_price_nanos: int | None = None
    min_reputation: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Some of what was found."""

    listings: tuple[ListingView, ...]
    total: int
    """How many were found in all."""
    next: str | None
    """Cursor of the next page; None after the last."""
