"""Finding layers: words, conditions, an order, and pages that stand still.

All words must be found; a word that nothing holds stands for those that begin with it. The order
"rank" is P5's: its first page is made by `marketplace.formula.ranking.page_of`, with one slot in
ten drawn by chance and no owner above 30 % while others have something to show. Chance is seeded
by query and epoch, so that everybody sees the same page until prices move. The next pages go on in
plain rank order, without what the first page showed.

A cursor says after which key to go on, not how many to skip: what is published or withdrawn
meanwhile neither repeats nor hides a listing.
"""

import base64
import binascii
import hashlib
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from sqlmodel import Session

from marketplace.errors import PageError
from marketplace.formula.ranking import OWNER_CAP, page_of
from marketplace.listing import catalogue
from marketplace.listing.listing import MAX_PAGE_SIZE, SearchPage, Wanted
from marketplace.listing.shelf import ORDERS, ListingIndex
from marketplace.names import check_text, words

POOL_PAGES = 3
"""Candidates for the first page, in pages, each owner within its cap."""
LOOKED_AT = 5_000
"""How far down the pool is looked for where one owner holds all places."""
NEWCOMERS = 32
"""Candidates from anywhere in the results, so that chance can reach them."""
MAX_WORDS = 16
MAX_CURSOR = 4096


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page ends: the last key in the order, and what was shown out of order."""

    key: Any = None
    number: int = 0
    shown: tuple[int, ...] = ()


class Searcher:
    """A market's search; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._shelf = ListingIndex()

    def page(
        self,
        session: Session,
        text: str,
        wanted: Wanted,
        *,
        order: str,
        limit: int,
        cursor: str | None,
    ) -> SearchPage:
        """One page of what fits.

        Raises:
            PageError: An order, a limit or a cursor that there is not.
            NameFormatError: A text that is no text.
        """
        _check_page(order, limit)
        check_text(text, "search text", max_chars=200)
        place = None if cursor is None else _read_cursor(cursor, order)
        self._load(session)
        with self._lock:
            self._shelf.follow(session)
            hits = self._hits(text, wanted)
            if order == "rank" and place is None:
                slots, end = self._first_page(hits, limit, _seed(text, wanted, self._shelf))
            else:
                slots, end = self._next_page(hits, order, limit, place or _Place())
            names = [self._shelf.names[slot] for slot in slots]
        views = {view.name: view for view in catalogue.listing_views(session, names)}
        found = tuple(views[name] for name in names if name in views)
        return SearchPage(found, len(hits), None if end is None else _write_cursor(order, end))

    def names(self, session: Session, wanted: Wanted) -> list[str]:
        """Names of everything that fits."""
        self._load(session)
        with self._lock:
            self._shelf.follow(session)
            return sorted(self._shelf.names[slot] for slot in self._hits("", wanted).tolist())

    def _load(self, session: Session) -> None:
        """Read everything when there is nothing yet, or when an epoch was closed.

        One search pays for that. The others go on with the old shelf, whose prices and ranks are
        those of the epoch before; what they show is read from the database and is right.
        """
        if self._shelf.is_of_epoch(session):
            return
        if self._loading.acquire(blocking=not self._shelf.is_loaded):
            try:
                if not self._shelf.is_of_epoch(session):
                    fresh = ListingIndex()
                    fresh.load(session)
                    with self._lock:
                        self._shelf = fresh
            finally:
                self._loading.release()

    # -- choosing --------------------------------------------------------------------------

    def _hits(self, text: str, wanted: Wanted) -> np.ndarray:
        """Slots of what fits, rising."""
        shelf = self._shelf
        groups = [shelf.slots_of(term) for term in _terms(wanted)]
        groups += [self._word(word) for word in sorted(words(text))[:MAX_WORDS]]
        if wanted.licences:
            groups.append(_any_of(shelf.slots_of(f"licence {one}") for one in wanted.licences))
        fits = shelf.column("alive").astype(bool)
        for group in groups:
            mask = np.zeros(len(shelf), bool)
            mask[group] = True
            fits &= mask
        if wanted.max_price_nanos is not None:
            fits &= shelf.column("price") <= wanted.max_price_nanos
        if wanted.min_reputation > 0.0:
            fits &= shelf.column("rank") >= wanted.min_reputation
        return np.flatnonzero(fits)

    def _word(self, word: str) -> np.ndarray:
        exact = self._shelf.slots_of(f"word {word}")
        if len(exact):
            return exact
        longer = self._shelf.terms_starting(f"word {word}")
        return _any_of(self._shelf.slots_of(term) for term in longer)

    def _sorted(self, hits: np.ndarray, order: str) -> np.ndarray:
        """Hits in an order, best first."""
        shelf = self._shelf
        if len(hits) * 16 < len(shelf):
            return hits[np.lexsort((shelf.number[hits], shelf.key(order)[hits]))]
        fits = np.zeros(len(shelf), bool)
        fits[hits] = True
        every = shelf.order(order)
        return np.asarray(every[fits[every]])

    # -- pages -----------------------------------------------------------------------------

    def _first_page(
        self, hits: np.ndarray, limit: int, rng: Random
    ) -> tuple[list[int], _Place | None]:
        ranked = self._sorted(hits, "rank")
        pool = self._pool(ranked, limit, rng)
        by_name = {self._shelf.names[slot]: slot for slot in pool}
        chosen = page_of([self._shelf.candidate(slot) for slot in pool], size=limit, rng=rng)
        slots = [by_name[candidate.name] for candidate in chosen]
        if len(hits) <= len(slots):
            return slots, None
        return slots, _Place(shown=tuple(self._shelf.number[slots].tolist()))

    def _pool(self, ranked: np.ndarray, limit: int, rng: Random) -> list[int]:
        """The best, no owner beyond its cap while there are others, and some from anywhere."""
        most, size = max(1, int(limit * OWNER_CAP)), POOL_PAGES * limit
        pool: dict[int, None] = {}
        held: dict[str, int] = {}
        for slot in ranked[:LOOKED_AT].tolist():
            owner = self._shelf.owners[slot]
            held[owner] = held.get(owner, 0) + 1
            if held[owner] <= most:
                pool[slot] = None
            if len(pool) >= size:
                break
        for slot in ranked[:limit].tolist():  # a page is filled, if need be by one owner
            pool[slot] = None
        if len(ranked) > len(pool):
            for place in rng.sample(range(len(ranked)), min(NEWCOMERS, len(ranked))):
                pool[int(ranked[place])] = None
        return list(pool)

    def _next_page(
        self, hits: np.ndarray, order: str, limit: int, place: _Place
    ) -> tuple[list[int], _Place | None]:
        shelf = self._shelf
        slots = self._sorted(hits, order)
        if place.shown:
            slots = slots[~np.isin(shelf.number[slots], place.shown)]
        if place.key is not None:
            keys, numbers = shelf.key(order)[slots], shelf.number[slots]
            slots = slots[(keys > place.key) | ((keys == place.key) & (numbers > place.number))]
        page = slots[:limit].tolist()
        if len(slots) <= limit:
            return page, None
        last = page[-1]
        key = shelf.key(order)[last]
        return page, _Place(key, int(shelf.number[last]), place.shown)


def _terms(wanted: Wanted) -> list[str]:
    named = (("base", wanted.base_model), ("niche", wanted.niche), ("owner", wanted.owner))
    terms = [f"{kind} {value}" for kind, value in named if value is not None]
    terms += [f"tag {tag}" for tag in wanted.tags]
    return [*terms, "commercial"] if wanted.commercial else terms


def _any_of(groups: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int32), *groups])


def _seed(text: str, wanted: Wanted, shelf: ListingIndex) -> Random:
    asked = f"{sorted(words(text))} {wanted} {shelf.stamp.epoch}"
    return Random(int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8], "big"))


def _check_page(order: str, limit: object) -> None:
    if order not in ORDERS:
        raise PageError(f"listings are ordered by {', '.join(ORDERS)}, not {order!r:.60}: choose")
    if type(limit) is not int or not 1 <= limit <= MAX_PAGE_SIZE:
        raise PageError(f"a page holds 1 to {MAX_PAGE_SIZE} listings, not {limit!r:.60}: choose")


def _write_cursor(order: str, place: _Place) -> str:
    key = place.key
    if isinstance(key, bytes):
        key = key.decode()
    elif key is not None:
        key = key.item()
    data = json.dumps([order, key, place.number, place.shown], separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, order: str) -> _Place:
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        said, key, number, shown = json.loads(data)
        if said != order or not _is_key(key, order) or type(number) is not int:
            raise ValueError
        if len(shown) > MAX_PAGE_SIZE or any(type(one) is not int for one in shown):
            raise ValueError
        if not all(abs(one) < 2**63 for one in (number, *shown)):
            raise ValueError
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise PageError(
            "the cursor is not one of this search: take `next` of the page before, or start again"
        ) from None
    return _Place(key.encode() if isinstance(key, str) else key, number, tuple(shown))


def _is_key(key: object, order: str) -> bool:
    """Whether a key could have come from this order; None begins it."""
    if key is None:
        return True
    if order == "name":
        return isinstance(key, str)
    return isinstance(key, int | float) and -(2**63) < key < 2**63
