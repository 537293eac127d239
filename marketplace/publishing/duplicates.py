"""Near-duplicates: who sells nearly the same update already, and what follows (P4).

A copy with a little noise is another digest but no new layer. From a cosine of 0.98 on it must
name the elder layer as its parent, pays its owner royalties and ranks below it, unless it is
significantly better on the elder's own exam.

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
from marketplace.publishing.significance import Counts, is_better
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
    """The listing the new layer ranks below; None for a layer that is new, or better.

    Raises:
        NearDuplicateError: It repeats another listing's layer and does not name it as parent.
    """
    others = [near for near in finding.near if near.listing != offer.name]
    repeated = [near for near in others if not _is_gain(session, offer, near)]
    if not repeated:
        return None
    near_digests = {near.digest for near in finding.near}
    if not near_digests & {parent.digest for parent in parents}:
        elder = repeated[0]
        raise NearDuplicateError(
            f"layer {offer.digest[:12]} repeats the update of listing {elder.listing!r} (cosine"
            f" {elder.cosine:.4f}, limit {CLONE_COSINE}): publish it as a fork, with"
            f" {elder.listing!r} as parent"
        )
    return repeated[0].listing


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


def _is_gain(session: Session, offer: Offer, near: Near) -> bool:
    """Whether the offer is significantly better than the elder on an exam both sat."""
    version = catalogue.version_of_digest(session, near.digest)
    assert version is not None, f"layer {near.digest} left the market"
    query = select(Receipt).where(
        Receipt.listing == version.listing, Receipt.number == version.number
    )
    elder = {(r.skill, r.exam, r.split): r for r in session.exec(query)}
    return any(
        (old := elder.get((new.skill, new.exam, new.split))) is not None
        and is_better(
            Counts(new.n_questions, new.n_correct, new.n_base_correct),
            Counts(old.n_questions, old.n_correct, old.n_base_correct),
        )
        for new in offer.receipts
    )
