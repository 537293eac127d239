"""Everything for sale in columns, in memory: what makes search fast.

A search over 100,000 listings must join conditions, order by rank and stop at a page. Databases
do one of these well at a time; a column of numbers per fact and a list of places per word do all
of them in a millisecond, the same on every database. The database stays the truth: the shelf
knows up to which row it has read (`Stamp`), reads what came since before every search, and only
ever names listings, which are then read from the database. Sales are as of that reading.

A clone ranks below its original (P4): rank(clone) = min(own, 0.95 rank(original)).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Select, func, select, union
from sqlmodel import Session, col

from marketplace.formula.ranking import Candidate, clone_rank
from marketplace.formula.reputation import Evidence
from marketplace.ledger.account import principal_of
from marketplace.ledger.epoch import Epoch
from marketplace.listing.licence import is_commercial
from marketplace.listing.listing import LISTED, StatusEvent
from marketplace.listing.rows import Row, rows
from marketplace.names import words
from marketplace.receipt import ReceiptRow, Recheck

MOST_MERGED = 256
"""Slots put in their place one by one; from there on everything is sorted again."""
ORDERS = ("rank", "price", "newest", "sales", "name")


class Stamp(NamedTuple):
    """Up to where a shelf has read; every change of the catalogue raises one of these."""

    receipt: int = 0
    event: int = 0
    recheck: int = 0
    epoch: int = -1


@dataclass(slots=True)
class Columns:
    """One number per slot and fact; a slot is used once and never again."""

    number: array[int] = field(default_factory=lambda: array("q"))
    """Of the headline receipt: rises with publication."""
    price: array[int] = field(default_factory=lambda: array("q"))
    sales: array[int] = field(default_factory=lambda: array("q"))
    published: array[float] = field(default_factory=lambda: array("d"))
    successes: array[float] = field(default_factory=lambda: array("d"))
    failures: array[float] = field(default_factory=lambda: array("d"))
    reputation: array[float] = field(default_factory=lambda: array("d"))
    alive: array[int] = field(default_factory=lambda: array("b"))


class ListingIndex:
    """All listings for sale; not for several threads at once."""

    def __init__(self) -> None:
        self.stamp = Stamp()
        self.names: list[str] = []
        self.owners: list[str] = []
        """Who stands behind each listing."""
        self._columns = Columns()
        self._terms: dict[str, array[int]] = {}
        self._slots: dict[str, int] = {}
        self._elders: dict[int, str] = {}
        self._frozen: dict[str, np.ndarray] = {}
        self._orders: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        """By name, what was last sorted: slots in order, and the keys by slot."""

    @property
    def is_loaded(self) -> bool:
        """Whether anything was read yet."""
        return self.stamp.epoch >= 0

    def is_of_epoch(self, session: Session) -> bool:
        """Whether prices and ranks are those of the running epoch."""
        return self.stamp.epoch >= read_stamp(session).epoch

    def load(self, session: Session) -> None:
        """Read everything; for a shelf that is new."""
        self.stamp = read_stamp(session)
        self._take(rows(session))

    def follow(self, session: Session) -> None:
        """Read the listings that something was added to since the last time."""
        now = read_stamp(session)
        if now[:-1] == self.stamp[:-1]:
            return
        self._take(rows(session, _changed(session, self.stamp)))
        # a session may be older than the shelf; what was read stays read
        old = self.stamp
        self.stamp = Stamp(
            max(now.receipt, old.receipt),
            max(now.event, old.event),
            max(now.recheck, old.recheck),
            old.epoch,
        )
        self._frozen.clear()

    def __len__(self) -> int:
        return len(self.names)

    # -- asking ----------------------------------------------------------------------------

    def slots_of(self, term: str) -> np.ndarray:
        """Slots a term applies to, rising; dead ones included, (n,) int32."""
        return np.array(self._terms.get(term, ()), np.int32)

    def terms_starting(self, start: str) -> list[str]:
        """Every term that begins so."""
        return [term for term in self._terms if term.startswith(start)]

    def column(self, name: str) -> np.ndarray:
        """A column of `Columns`, or `rank`, (n_slots,)."""
        make = self._ranks if name == "rank" else lambda: np.array(getattr(self._columns, name))
        return self._kept(name, make)

    def order(self, name: str) -> np.ndarray:
        """All slots in an order, best first; equals in order of publication, (n_slots,)."""
        return self._kept(f"order {name}", lambda: self._ordered(name))

    def key(self, name: str) -> np.ndarray:
        """What an order sorts by, smallest first, (n_slots,)."""
        if name == "name":
            return self._kept("names", self._name_keys)
        values = self.column({"newest": "published"}.get(name, name))
        return values if name == "price" else -values

    @property
    def number(self) -> np.ndarray:
        """Number of the headline receipt by slot, (n_slots,) int64."""
        return self.column("number")

    def candidate(self, slot: int) -> Candidate:
        """A slot for the ranking rules."""
        columns = self._columns
        evidence = Evidence(columns.successes[slot], columns.failures[slot])
        return Candidate(self.names[slot], self.owners[slot], evidence, self._elders.get(slot))

    # -- filling ---------------------------------------------------------------------------

    def _take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            old = self._slots.pop(row.name, None)
            if old is not None:
                self._columns.alive[old] = 0
                self._elders.pop(old, None)
            if row.status == LISTED:
                self._append(row)

    def _append(self, row: Row) -> None:
        slot, columns, evidence = len(self.names), self._columns, row.evidence
        self._slots[row.name] = slot
        self.names.append(row.name)
        self.owners.append(principal_of(row.owner))
        columns.number.append(row.receipt)
        columns.price.append(row.price_nanos)
        columns.sales.append(row.sales)
        columns.published.append(row.published_at)
        columns.successes.append(evidence.successes)
        columns.failures.append(evidence.failures)
        columns.reputation.append(row.reputation)
        columns.alive.append(1)
        if row.near_of is not None:
            self._elders[slot] = row.near_of
        for term in terms_of(row):
            self._terms.setdefault(term, array("i")).append(slot)

    def _ordered(self, name: str) -> np.ndarray:
        keys, number = self.key(name), self.number
        slots = None
        if name in self._orders:
            slots = merged(*self._orders[name], keys, number)
        if slots is None:
            slots = np.lexsort((number, keys))
        self._orders[name] = (slots, keys)
        return slots

    def _name_keys(self) -> np.ndarray:
        """Names as bytes; those that were there before are not converted again."""
        known = self._orders["name"][1] if "name" in self._orders else np.zeros(0, "S64")
        return np.concatenate([known, np.array(self.names[len(known) :], "S64")])

    def _ranks(self) -> np.ndarray:
        """Reputation under the clone rule; elders first, so that clones of clones follow."""
        ranks = np.array(self._columns.reputation)
        for slot in sorted(self._elders, key=self._columns.number.__getitem__):
            elder = self._slots.get(self._elders[slot])
            if elder is not None:
                ranks[slot] = clone_rank(float(ranks[slot]), float(ranks[elder]))
        return ranks

    def _kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        if name not in self._frozen:
            self._frozen[name] = make()
        return self._frozen[name]


def merged(
    slots: np.ndarray, old_keys: np.ndarray, keys: np.ndarray, number: np.ndarray
) -> np.ndarray | None:
    """Slots in order after a few were added or moved; None if they are too many.

    Sorting 100,000 slots again takes longer than a search; putting a few in their place does not.

    Args:
        slots: In order by the old keys, equals by number, (n_old,).
        old_keys: By slot, (n_old,).
        keys: By slot, (n,).
        number: By slot, (n,).
    """
    n_old = len(old_keys)
    moved = np.flatnonzero(keys[:n_old] != old_keys)
    inserted = np.concatenate([moved, np.arange(n_old, len(keys))])
    if len(inserted) > MOST_MERGED:
        return None
    kept = slots[~np.isin(slots, moved)] if len(moved) else slots
    inserted = inserted[np.lexsort((number[inserted], keys[inserted]))]
    kept_keys = keys[kept]
    starts = np.searchsorted(kept_keys, keys[inserted], "left")
    ends = np.searchsorted(kept_keys, keys[inserted], "right")
    places = [
        start + int(np.searchsorted(number[kept[start:end]], number[slot]))
        for start, end, slot in zip(starts.tolist(), ends.tolist(), inserted, strict=True)
    ]
    return np.insert(kept, places, inserted)


def read_stamp(session: Session) -> Stamp:
    """Up to where the session sees the catalogue."""
    return Stamp(*session.connection().execute(_stamp()).one())


@lru_cache
def _stamp() -> Select[Any]:
    columns = (
        (col(ReceiptRow.id), 0),
        (col(StatusEvent.id), 0),
        (col(Recheck.id), 0),
        (col(Epoch.number), -1),
    )
    return select(
        *(select(func.coalesce(func.max(of), low)).scalar_subquery() for of, low in columns)
    )


def terms_of(row: Row) -> set[str]:
    """What a listing is found by: words of its texts, and facts that can be asked for."""
    text = f"{row.name} {row.niche} {row.description} {row.tags}"
    terms = {f"word {word}" for word in words(text)}
    terms |= {f"tag {tag}" for tag in row.tags.split()}
    terms |= {
        f"base {row.base_model}",
        f"niche {row.niche}",
        f"owner {row.owner}",
        f"licence {row.licence}",
    }
    return terms | {"commercial"} if is_commercial(row.licence) else terms


def _changed(session: Session, since: Stamp) -> Sequence[str]:
    """Names of listings that something was added to."""
    parts: list[Any] = [
        select(col(ReceiptRow.listing)).where(col(ReceiptRow.id) > since.receipt),
        select(col(StatusEvent.listing)).where(col(StatusEvent.id) > since.event),
        select(col(ReceiptRow.listing))
        .join(Recheck, col(Recheck.receipt) == col(ReceiptRow.id))
        .where(col(Recheck.id) > since.recheck),
    ]
    return list(session.execute(union(*parts)).scalars())
