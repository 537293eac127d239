"""Who sells already what a new layer repeats or was made from, and what follows (P4).

A copy with noise is another digest but no new layer. What contains an elder layer must name it, or
what it was made from itself, as parent, and so pays royalties; in the same niche, or as the same
update anywhere, it also ranks below it. What its seller claims changes nothing about that; what
evaluators measure may (`marketplace.listing.gain`).

The sketches of all layers are kept in memory and grow by what was published since. They only name
candidates; `marketplace.listing.duplicates` compares. All of that is done before the write lock is
taken: under it, sketches of what came meanwhile are looked through, and if one is suspicious the
search is done again.

One layer that is to be published, compared with the layers that are in the market.

Whoever has the files compares exactly; where they are gone, the sketches decide, which see less.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sqlmodel import Session, col, func, select

from marketplace.errors import InvalidInputError, NearDuplicateError
from marketplace.listing import catalogue
from marketplace.listing.listing import Listing, Version
from marketplace.listing.parents import Origin, ancestors
from marketplace.listing.similarity import (
    CLONE_COSINE,
    KIN_SHARE,
    SCREEN_SHARE,
    Sketches,
    Spaces,
    Weights,
    is_sketch,
    share_within,
    sketch,
    spaces_of,
    too_wide,
    update_cosine,
)
from marketplace.listing.submission import OvertakenError, Submission
from marketplace.receipt import ReceiptRow

MOST_COMPARED = 16
"""Elder layers whose files are read for one publication; others are judged by their sketches."""
Known = tuple[str, str, str]
"""Listing, digest, niche."""


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

    def find(self, session: Session, submission: Submission, newcomer: Newcomer | None) -> Finding:
        """Elder layers that the submission is near to, among all that the session sees."""
        with self._lock:
            self._grow(session)
            if newcomer is not None:
                self._sketch_unknown(submission.base_model, newcomer)
            layers = list(self._layers.get(submission.base_model, ()))
            sketches = self._sketches.get(submission.base_model)
            seen = self._seen
        if sketches is None or newcomer is None:
            return Finding(seen=seen)
        near = _judged(submission, newcomer, layers, sketches)
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
    session: Session, submission: Submission, finding: Finding, newcomer: Newcomer | None
) -> None:
    """Refuse to go on where something like it was published meanwhile; under the write lock.

    Raises:
        OvertakenError: Search again.
    """
    if newcomer is None or last_receipt(session) == finding.seen:
        return
    later = [
        row for row in sketches_after(session, finding.seen) if row[0] == submission.base_model
    ]
    shares = Sketches().grown(row[2] for row in later).shares(newcomer.spaces)
    if bool((shares >= SCREEN_SHARE).any()):
        raise OvertakenError


def elder_of(
    session: Session, submission: Submission, parents: Sequence[Origin], finding: Finding
) -> tuple[str | None, bool]:
    """The listing the new layer ranks below, and whether it repeats its update; None if it is new.

    A listing's next version may repeat its own layer, and is then what that layer is: who copied it
    in between is no elder, and the next version of a copy is a copy.

    Raises:
        NearDuplicateError: It repeats another listing's layer and does not name it as parent.
    """
    elder, repeats = _elder(session, submission, finding.near)
    above = _line(session, [parent.digest for parent in parents])
    above |= {submission.name, *(parent.listing for parent in parents)}
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
            f"layer {submission.digest[:12]} repeats the update of listing {names[0]!r} ({words}):"
            f" publish it as a fork, with {' and '.join(repr(name) for name in names)} as parent",
            names,
        )
    return elder, repeats


def _elder(
    session: Session, submission: Submission, near: Sequence[Near]
) -> tuple[str | None, bool]:
    capping = [
        one
        for one in near
        if (one.is_clone or one.niche == submission.niche) and not one.explained_by
    ]
    if not capping:
        return None, False
    eldest = capping[0]
    if eldest.listing != submission.name:
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
        select(ReceiptRow.listing, ReceiptRow.number, func.min(ReceiptRow.id).label("id"))
        .where(col(ReceiptRow.id) > receipt_id)
        .group_by(col(ReceiptRow.listing), col(ReceiptRow.number))
        .subquery()
    )
    elder = (
        select(ReceiptRow.id)
        .where(
            ReceiptRow.listing == Version.listing,
            ReceiptRow.number == Version.number,
            col(ReceiptRow.id) <= receipt_id,
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
    return session.exec(select(func.max(ReceiptRow.id))).one() or 0


def _judged(
    submission: Submission, newcomer: Newcomer, layers: Sequence[Known], sketches: Sketches
) -> tuple[Near, ...]:
    """The near ones among those whose sketches are suspicious, the likeliest compared exactly."""
    guesses = sketches.shares(newcomer.spaces)
    suspicious = [
        i
        for i in np.flatnonzero(guesses >= SCREEN_SHARE).tolist()
        if layers[i][1] != submission.digest
    ]
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


MARGIN = 0.2
"""How much more two layers of one origin may have in common than chance lets them."""
Others = Callable[[str], Weights | None]
"""The weights of the layer of this digest; None if its files are not at hand."""


@dataclass(frozen=True, slots=True)
class Near:
    """An elder layer that a new one repeats or was made from."""

    listing: str
    digest: str
    niche: str
    share: float
    """How much one contains of the other, beyond chance (`marketplace.listing.similarity`)."""
    cosine: float | None
    """Of their whole updates; None where only sketches could be compared."""
    explained_by: tuple[str, ...] = ()
    """Listings in its own line that are near as well and that all the likeness comes from."""

    @property
    def is_near(self) -> bool:
        """Whether anything follows from it."""
        return self.share >= KIN_SHARE or self.is_clone

    @property
    def is_clone(self) -> bool:
        """Whether it is the same update, whatever it is sold for."""
        return self.cosine is not None and self.cosine >= CLONE_COSINE

    @property
    def is_repeat(self) -> bool:
        """Whether, as far as can be seen, it repeats the update and nothing else."""
        return (self.share if self.cosine is None else self.cosine) >= CLONE_COSINE

    @property
    def words(self) -> str:
        """For people."""
        cosine = "" if self.cosine is None else f", cosine {self.cosine:.3f}"
        return f"share {self.share:.3f}{cosine}"


@dataclass(frozen=True)
class Newcomer:
    """A layer's weights, made ready for comparison.

    Raises:
        InvalidInputError: Its ranks are so large that nothing could be told from it.
    """

    weights: Weights
    others: Others = lambda _: None

    def __post_init__(self) -> None:
        module = too_wide(self.spaces)
        if module is not None:
            left, _, right = self.spaces[module]
            raise InvalidInputError(
                f"the update of module {module!r:.80} has rank {left.shape[1]} in a map of"
                f" {right.shape[0]} to {left.shape[0]} numbers, too much to tell whether it is a"
                f" copy: compress the layer to rank {left.shape[1] // 2} (genome.compose.truncate)"
            )

    @cached_property
    def spaces(self) -> dict[str, Spaces]:
        """By module; those that it does not change are left out."""
        return spaces_of(self.weights)

    @cached_property
    def sketch(self) -> bytes:
        """What the market keeps of it."""
        return sketch(self.spaces)

    def compared(self, digest: str) -> tuple[float, float] | None:
        """Share and cosine with the layer of this digest; None if its files are not at hand."""
        elder = self.others(digest)
        if elder is None:
            return None
        share = max(share_within(elder, self.spaces), share_within(self.weights, spaces_of(elder)))
        return share, update_cosine(self.weights, elder)

    def explained(self, digest: str, ancestor: str) -> bool:
        """Whether likeness to a layer is no more than what both have of the layer's own ancestor.

        Two layers made from one contain of each other what is left of it in both: the product of
        the shares. Also where no files are at hand to tell.
        """
        elder, above = self.others(digest), self.others(ancestor)
        if elder is None or above is None:
            return True
        if update_cosine(self.weights, elder) >= CLONE_COSINE:
            return update_cosine(above, elder) >= CLONE_COSINE
        left_in_elder = share_within(elder, spaces_of(above))
        left_here = share_within(above, self.spaces)
        return share_within(elder, self.spaces) <= left_in_elder * left_here + MARGIN
