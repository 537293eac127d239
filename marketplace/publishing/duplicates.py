"""Near-duplicates: who sells nearly the same update already, and what follows (P4).

A copy with a little noise is another digest but no new layer. From a cosine of 0.98 on it must
name the elder layer as its parent, pays its owner royalties and ranks below it. What its seller
claims changes nothing about that; what evaluators measure may (`marketplace.publishing.gain`).

The sketches of all layers are kept in memory and grow by what was published since. They only name
candidates; whoever has the files computes the cosine itself and passes it as `exact`.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlmodel import Session, col, func, select

from marketplace import catalogue
from marketplace.errors import NearDuplicateError
from marketplace.listing import Listing, Version
from marketplace.publishing.line import Origin
from marketplace.publishing.offer import Exact, Offer
from marketplace.receipt import Receipt
from marketplace.similarity import CLONE_COSINE, SKETCH_COSINE, sketch_cosines, stacked


@dataclass(frozen=True, slots=True)
class Near:
    """An elder layer that a new one nearly repeats."""

    listing: str
    digest: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and up to where was looked."""

    near: tuple[Near, ...] = ()
    """Eldest first."""
    seen: int = 0
    """Number of the last receipt that was there."""


class SketchIndex:
    """Sketches of every layer in the market by base model; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = 0
        self._layers: dict[str, list[tuple[str, str]]] = {}
        self._sketches: dict[str, np.ndarray] = {}

    def find(self, session: Session, offer: Offer, exact: Exact | None) -> Finding:
        """Elder layers that the offer nearly repeats, among all that the session sees."""
        with self._lock:
            self._grow(session)
            layers = list(self._layers.get(offer.base_model, ()))
            sketches = self._sketches.get(offer.base_model)
            seen = self._seen
        if sketches is None or not offer.sketch:
            return Finding(seen=seen)
        return Finding(_judged(offer, layers, sketches[: len(layers)], exact), seen)

    def _grow(self, session: Session) -> None:
        fresh: dict[str, list[tuple[str, str, bytes]]] = {}
        for base_model, listing, digest, one in sketches_after(session, self._seen):
            fresh.setdefault(base_model, []).append((listing, digest, one))
        for base_model, layers in fresh.items():
            added = stacked(sketch for _, _, sketch in layers)
            known = self._sketches.get(base_model)
            self._sketches[base_model] = added if known is None else np.vstack([known, added])
            self._layers.setdefault(base_model, []).extend((n, d) for n, d, _ in layers)
        self._seen = max(self._seen, last_receipt(session))


def find_since(session: Session, offer: Offer, finding: Finding, exact: Exact | None) -> Finding:
    """The finding with what was published since; called under the write lock."""
    rows = [row for row in sketches_after(session, finding.seen) if row[0] == offer.base_model]
    if not rows or not offer.sketch:
        return finding
    layers = [(listing, digest) for _, listing, digest, _ in rows]
    later = _judged(offer, layers, stacked(row[3] for row in rows), exact)
    return Finding((*finding.near, *later), finding.seen)


def elder_of(
    session: Session, offer: Offer, parents: Sequence[Origin], finding: Finding
) -> str | None:
    """The listing the new layer ranks below; None for a layer that is new.

    A listing's next version may repeat its own layer, and is then what that layer is: who copied it
    in between is no elder, and the next version of a copy is a copy.

    Raises:
        NearDuplicateError: It repeats another listing's layer and does not name it as parent.
    """
    if not finding.near:
        return None
    eldest = finding.near[0]
    elder = eldest.listing
    if elder == offer.name:
        version = catalogue.version_of_digest(session, eldest.digest)
        assert version is not None, f"layer {eldest.digest} left the market"
        if version.near_of is None:
            return None
        elder = version.near_of
    near = {elder} | {one.listing for one in finding.near if one.listing != offer.name}
    if not near & {parent.listing for parent in parents}:
        raise NearDuplicateError(
            f"layer {offer.digest[:12]} repeats the update of listing {elder!r} (cosine"
            f" {eldest.cosine:.4f}, limit {CLONE_COSINE}): publish it as a fork, with {elder!r} as"
            " parent"
        )
    return elder


def sketches_after(session: Session, receipt_id: int) -> Iterable[tuple[str, str, str, bytes]]:
    """(base model, listing, digest, sketch) of versions published after a receipt, oldest first.

    Every version is published with at least one receipt; the first one's number orders them.
    """
    first = (
        select(Receipt.listing, Receipt.number, func.min(Receipt.id).label("id"))
        .where(col(Receipt.id) > receipt_id)
        .group_by(col(Receipt.listing), col(Receipt.number))
        .subquery()
    )
    elder = (
        select(Receipt.id)
        .where(
            Receipt.listing == Version.listing,
            Receipt.number == Version.number,
            col(Receipt.id) <= receipt_id,
        )
        .correlate(Version)
        .exists()
    )
    query = (
        select(Listing.base_model, Version.listing, Version.digest, Version.sketch)
        .join(Listing, col(Listing.name) == col(Version.listing))
        .join(
            first,
            (first.c.listing == Version.listing) & (first.c.number == Version.number),
        )
        .where(~elder)
        .order_by(first.c.id)
    )
    return session.exec(query).all()


def last_receipt(session: Session) -> int:
    """Number of the newest receipt; 0 in an empty market."""
    return session.exec(select(func.max(Receipt.id))).one() or 0


def _judged(
    offer: Offer, layers: Sequence[tuple[str, str]], sketches: np.ndarray, exact: Exact | None
) -> tuple[Near, ...]:
    guesses = sketch_cosines(offer.sketch, sketches)
    found = []
    for i in np.flatnonzero(guesses >= SKETCH_COSINE).tolist():
        listing, digest = layers[i]
        measured = None if exact is None or digest == offer.digest else exact(digest)
        cosine = float(guesses[i]) if measured is None else measured
        if cosine >= CLONE_COSINE:
            found.append(Near(listing, digest, cosine))
    return tuple(found)
