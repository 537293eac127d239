"""Who sells already what a new layer repeats or was made from, and what follows (P4).

A copy with noise is another digest but no new layer. What contains an elder layer must name it, or
what it was made from itself, as parent, and so pays royalties; in the same niche, or as the same
update anywhere, it also ranks below it. What its seller claims changes nothing about that; what
evaluators measure may (`marketplace.publishing.gain`).

The sketches of all layers are kept in memory and grow by what was published since. They only name
candidates; `marketplace.publishing.kin` compares. All of that is done before the write lock is
taken: under it, sketches of what came meanwhile are looked through, and if one is suspicious the
search is done again.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlmodel import Session, col, func, select

from marketplace import catalogue
from marketplace.errors import NearDuplicateError
from marketplace.listing import Listing, Version
from marketplace.publishing.kin import Near, Newcomer
from marketplace.publishing.line import Origin, ancestors
from marketplace.publishing.offer import Offer
from marketplace.receipt import Receipt
from marketplace.similarity import SCREEN_SHARE, Sketches, is_sketch, sketch, spaces_of

MOST_COMPARED = 16
"""Elder layers whose files are read for one publication; others are judged by their sketches."""
Known = tuple[str, str, str]
"""Listing, digest, niche."""


class OvertakenError(Exception):
    """Something like it was published between the search and the write lock: search again."""


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
        self._layers: dict[str, list[Known]] = {}
        self._sketches: dict[str, Sketches] = {}
        self._unknown: dict[str, set[int]] = {}

    def find(self, session: Session, offer: Offer, newcomer: Newcomer | None) -> Finding:
        """Elder layers that the offer is near to, among all that the session sees."""
        with self._lock:
            self._grow(session)
            if newcomer is not None:
                self._sketch_unknown(offer.base_model, newcomer)
            layers = list(self._layers.get(offer.base_model, ()))
            sketches = self._sketches.get(offer.base_model)
            seen = self._seen
        if sketches is None or newcomer is None:
            return Finding(seen=seen)
        near = _judged(offer, newcomer, layers, sketches)
        return Finding(tuple(_explained(session, newcomer, one, near) for one in near), seen)

    def _grow(self, session: Session) -> None:
        fresh: dict[str, list[tuple[Known, bytes]]] = {}
        for base_model, known, one in sketches_after(session, self._seen):
            fresh.setdefault(base_model, []).append((known, one))
        for base_model, layers in fresh.items():
            known_before = self._layers.setdefault(base_model, [])
            unknown = self._unknown.setdefault(base_model, set())
            unknown |= {
                len(known_before) + i for i, (_, x) in enumerate(layers) if not is_sketch(x)
            }
            before = self._sketches.get(base_model, Sketches())
            self._sketches[base_model] = before.grown(x for _, x in layers)
            known_before.extend(known for known, _ in layers)
        self._seen = max(self._seen, last_receipt(session))

    def _sketch_unknown(self, base_model: str, newcomer: Newcomer) -> None:
        """Layers of markets that had other sketches, or none: from their files, where there are."""
        unknown = self._unknown.get(base_model, set())
        for place in sorted(unknown):
            weights = newcomer.others(self._layers[base_model][place][1])
            if weights is not None:
                one = sketch(spaces_of(weights))
                self._sketches[base_model] = self._sketches[base_model].with_one(place, one)
                unknown.discard(place)


def refuse_overtaken(
    session: Session, offer: Offer, finding: Finding, newcomer: Newcomer | None
) -> None:
    """Refuse to go on where something like it was published meanwhile; under the write lock.

    Raises:
        OvertakenError: Search again.
    """
    if newcomer is None or last_receipt(session) == finding.seen:
        return
    later = [row for row in sketches_after(session, finding.seen) if row[0] == offer.base_model]
    shares = Sketches().grown(row[2] for row in later).shares(newcomer.spaces)
    if bool((shares >= SCREEN_SHARE).any()):
        raise OvertakenError


def elder_of(
    session: Session, offer: Offer, parents: Sequence[Origin], finding: Finding
) -> tuple[str | None, bool]:
    """The listing the new layer ranks below, and whether it repeats its update; None if it is new.

    A listing's next version may repeat its own layer, and is then what that layer is: who copied it
    in between is no elder, and the next version of a copy is a copy.

    Raises:
        NearDuplicateError: It repeats another listing's layer and does not name it as parent.
    """
    elder, repeats = _elder(session, offer, finding.near)
    above = _line(session, [parent.digest for parent in parents])
    above |= {offer.name, *(parent.listing for parent in parents)}
    unnamed = [
        one.listing
        for one in finding.near
        if one.listing not in above and not above.intersection(one.explained_by)
    ]
    if elder is not None and elder not in above:
        unnamed.append(elder)
    if unnamed:
        names = tuple(dict.fromkeys(unnamed))
        words = next((one.words for one in finding.near if one.listing == names[0]), "by its line")
        raise NearDuplicateError(
            f"layer {offer.digest[:12]} repeats the update of listing {names[0]!r} ({words}):"
            f" publish it as a fork, with {' and '.join(repr(name) for name in names)} as parent",
            names,
        )
    return elder, repeats


def _elder(session: Session, offer: Offer, near: Sequence[Near]) -> tuple[str | None, bool]:
    capping = [one for one in near
               if (one.is_clone or one.niche == offer.niche) and not one.explained_by]  # fmt: skip
    if not capping:
        return None, False
    eldest = capping[0]
    if eldest.listing != offer.name:
        return eldest.listing, eldest.is_repeat
    version = catalogue.version_of_digest(session, eldest.digest)
    assert version is not None, f"layer {eldest.digest} left the market"
    return version.near_of, version.is_repeat


def _explained(session: Session, newcomer: Newcomer, one: Near, near: Sequence[Near]) -> Near:
    line = _line(session, [one.digest]) - {one.listing}
    above = [other for other in near if other.listing in line and other.digest != one.digest]
    names = (o.listing for o in above if newcomer.explained(one.digest, o.digest))
    return replace(one, explained_by=tuple(dict.fromkeys(names)))


def _line(session: Session, digests: Sequence[str]) -> set[str]:
    return {one.listing for one in ancestors(session, digests)}


def sketches_after(session: Session, receipt_id: int) -> Iterable[tuple[str, Known, bytes]]:
    """(base model, layer, sketch) of versions published after a receipt, oldest first.

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
    columns = (Listing.base_model, Version.listing, Version.digest, Listing.niche, Version.sketch)
    query = (
        select(*columns)  # type: ignore[call-overload]
        .join(Listing, col(Listing.name) == col(Version.listing))
        .join(
            first,
            (first.c.listing == Version.listing) & (first.c.number == Version.number),
        )
        .where(~elder)
        .order_by(first.c.id)
    )
    return [
        (base, (name, digest, niche), one) for base, name, digest, niche, one in session.exec(query)
    ]


def last_receipt(session: Session) -> int:
    """Number of the newest receipt; 0 in an empty market."""
    return session.exec(select(func.max(Receipt.id))).one() or 0


def _judged(
    offer: Offer, newcomer: Newcomer, layers: Sequence[Known], sketches: Sketches
) -> tuple[Near, ...]:
    """The near ones among those whose sketches are suspicious, the likeliest compared exactly."""
    guesses = sketches.shares(newcomer.spaces)
    suspicious = [i for i in np.flatnonzero(guesses >= SCREEN_SHARE).tolist()
                  if layers[i][1] != offer.digest]  # fmt: skip
    compared = set(sorted(suspicious, key=lambda i: (-guesses[i], i))[:MOST_COMPARED])
    found = []
    for i in suspicious:
        listing, digest, niche = layers[i]
        exact = newcomer.compared(digest) if i in compared else None
        share, cosine = exact or (float(guesses[i]), None)
        near = Near(listing, digest, niche, share, cosine)
        if near.is_near:
            found.append(near)
    return tuple(found)
