"""What an owner asks the market to put up for sale, before any rule of the market is applied.

A layer is sold for a base model on which it can run.

The market loads no model. What it knows of a base is a table of its linear maps, (out, in) by
module path: the one beside the embedded base, and those that whoever opens the market hands over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NotRequired, TypedDict

from genome.errors import LayerRejected
from genome.fit import Shapes, check_modules
from marketplace.errors import InvalidInputError, NameFormatError, ReceiptError, UnfitLayerError
from marketplace.formula.royalty import Parent
from marketplace.listing.licence import check_licence
from marketplace.listing.provenance import Attestation
from marketplace.money import check_amount
from marketplace.names import check_digest, check_name, check_text
from marketplace.receipt import ReceiptFacts, check_subject

if TYPE_CHECKING:
    from marketplace.listing.duplicates import Others
    from marketplace.listing.similarity import Weights


MAX_PARENTS = 64
MAX_RECEIPTS = 100
MAX_TAGS = 32
MAX_WEIGHT = 10**6
_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Publishing(TypedDict):
    """What `market.publish` is told of a layer.

    Weights, others and evidence follow from the files, in which a service finds them for itself.
    """

    owner: str
    name: str
    digest: str
    base_model: str
    niche: str
    ask_nanos: int
    receipt: ReceiptFacts
    """The headline exam."""
    receipts: NotRequired[Sequence[ReceiptFacts]]
    """Other exams."""
    description: NotRequired[str]
    licence: NotRequired[str]
    """SPDX expression; none = nothing stated, so that nobody else may build on it."""
    tags: NotRequired[Sequence[str]]
    parents: NotRequired[Sequence[str | Parent]]
    """Layers it was made from, by digest or listing; royalties go to their owners."""
    version_of: NotRequired[str | None]
    """The listing this is the next version of; must be `name`."""
    weights: NotRequired[Weights | None]
    """Its factors by module, from which the market finds out what it repeats; a layer for a base
    model whose modules the market knows is not listed without."""
    others: NotRequired[Others | None]
    """The weights of the layer of a digest, for who has the files."""
    evidence: NotRequired[Attestation | None]
    """Its signed manifest and the hashes of its files."""
    key: str


@dataclass(frozen=True, slots=True)
class Submission:
    """One layer, its terms and its evidence.

    Raises:
        InvalidInputError: A value that no listing may carry.
    """

    owner: str
    name: str
    digest: str
    base_model: str
    niche: str
    ask_nanos: int
    receipts: tuple[ReceiptFacts, ...]
    """At least one; the first is the headline."""
    description: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    parents: tuple[Parent, ...] = ()
    """Each named by its digest, or by its listing, meaning the newest version."""
    version_of: str | None = None
    """The listing that this is the next version of, which is `name`."""
    sketch: bytes = field(default=b"", repr=False)
    evidence: Attestation = field(default=Attestation(), repr=False)

    def __post_init__(self) -> None:
        check_name(self.name, "listing name")
        check_digest(self.digest)
        check_text(self.base_model, "base_model", min_chars=1)
        check_text(self.niche, "niche", min_chars=1)
        check_text(self.description, "description", max_chars=2000)
        check_amount(self.ask_nanos, "ask")
        object.__setattr__(self, "licence", check_licence(self.licence))
        self._check_tags()
        self._check_parents()
        if self.version_of not in (None, self.name):
            raise InvalidInputError(
                f"the next version of {self.version_of!r:.80} carries that name, got"
                f" {self.name!r}: leave version_of out, or use that name"
            )
        for receipt in self.receipts:
            check_subject(receipt, self.digest, self.base_model)
        exams = {(receipt.skill, receipt.exam) for receipt in self.receipts}
        if not 0 < len(self.receipts) <= MAX_RECEIPTS or len(exams) < len(self.receipts):
            raise ReceiptError(
                f"a layer is sold on 1-{MAX_RECEIPTS} receipts, one per exam, got"
                f" {len(self.receipts)} of {len(exams)} exams: examine it, and keep one of each"
            )

    def _check_tags(self) -> None:
        if any(not isinstance(tag, str) or not _TAG.fullmatch(tag) for tag in self.tags):
            raise NameFormatError(
                f"a tag must be 1-64 characters of a-z 0-9 . _ -, got {self.tags!r:.80}: respell it"
            )
        if len(self.tags) > MAX_TAGS or len(set(self.tags)) < len(self.tags):
            raise NameFormatError(
                f"there may be {MAX_TAGS} tags, each once, got {len(self.tags)}: choose fewer"
            )

    def _check_parents(self) -> None:
        names = {parent.name for parent in self.parents}
        if len(self.parents) > MAX_PARENTS or len(names) < len(self.parents):
            raise InvalidInputError(
                f"there may be {MAX_PARENTS} parents, each once, got {len(self.parents)}:"
                " add up their weights"
            )
        for parent in self.parents:
            check_digest(parent.name)
            if parent.weight > MAX_WEIGHT:
                raise InvalidInputError(
                    f"a parent's weight is 1 to {MAX_WEIGHT}, got {parent.weight}: scale them down"
                )

    @property
    def is_version(self) -> bool:
        """Whether it is the next version of a listing that exists."""
        return self.version_of is not None

    def body(self) -> dict[str, object]:
        """What identifies the request; the sketch follows from the layer."""
        return {
            "owner": self.owner,
            "name": self.name,
            "digest": self.digest,
            "base_model": self.base_model,
            "niche": self.niche,
            "ask_nanos": self.ask_nanos,
            "description": self.description,
            "licence": self.licence,
            "tags": sorted(self.tags),
            "parents": sorted((parent.name, parent.weight) for parent in self.parents),
            "version_of": self.version_of,
            "receipts": [receipt.body() for receipt in self.receipts],
            "manifest": _sha256(self.evidence.manifest),
        }


def as_parents(references: Iterable[str | Parent]) -> tuple[Parent, ...]:
    """Parents from names alone, which then contributed equally, or with weights."""
    return tuple(Parent(one) if isinstance(one, str) else one for one in references)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if data else ""


@cache
def shipped_bases() -> dict[str, Shapes]:
    """The maps of the base model that comes with Continuum, by its fingerprint."""
    text = files("seeds").joinpath("base", "linear_maps.json").read_text("utf-8")
    facts = json.loads(text)
    return {facts["fingerprint"]: {name: (out, n) for name, (out, n) in facts["maps"].items()}}


def check_fit(base: Shapes | None, weights: Weights | None) -> None:
    """Refuse a layer that changes what its base does not have.

    Args:
        base: None = nothing is known of it, so that everything passes.

    Raises:
        UnfitLayerError: A module or a size that the base has not, or weights that nobody can see.
    """
    if base is None:
        return
    if weights is None:
        raise UnfitLayerError(
            "a layer for a base model that this market knows is compared and checked before it is"
            " listed, and its files are not here: upload them, to a market that keeps layers"
        )
    try:
        check_modules({m: (b.shape[0], a.shape[1]) for m, (a, b) in weights.items()}, base)
    except LayerRejected as error:
        raise UnfitLayerError(str(error)) from None
