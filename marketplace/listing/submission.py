"""What an owner asks the market to put up for sale, before any rule of the market is applied.

A layer is sold for a base model on which it can run.

The market loads no model. What it knows of a base is a table of its linear maps, (out, in) by
module path: the one beside the embedded base, and those that whoever opens the market hands over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, GetPydanticSchema
from sqlmodel import Session

from genome.errors import LayerRejected
from genome.fit import Shapes, check_modules
from marketplace.errors import InvalidInputError, NameFormatError, ReceiptError, UnfitLayerError
from marketplace.fields import Actor, Credits, Digest, Name, Text
from marketplace.formula.royalty import Parent
from marketplace.ledger.account import refuse_house
from marketplace.ledger.operation import HERE, Operation
from marketplace.listing.licence import check_licence
from marketplace.listing.listing import ListingView
from marketplace.listing.provenance import Attestation
from marketplace.money import check_amount
from marketplace.names import check_digest, check_name, check_text
from marketplace.receipt import ReceiptFacts, check_subject

if TYPE_CHECKING:
    from marketplace.listing.duplicates import Others
    from marketplace.listing.similarity import Weights
else:  # whoever has weights has loaded numpy; who buys has not
    Others = Weights = Any


MAX_PARENTS = 64
MAX_RECEIPTS = 100
MAX_TAGS = 32
MAX_WEIGHT = 10**6
_WEIGHED = GetPydanticSchema(lambda _, made_of: made_of.generate_schema(Sequence[Parent]))
"""On the wire, where a weight may be left out, each parent is an object."""
_TAG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class OvertakenError(Exception):
    """Something like it was published between the search and the write lock: search again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(Operation[ListingView]):
    """One layer, its terms and its evidence.

    Raises:
        LicenceError: Its licence is none.
    """

    OPERATION: ClassVar[str] = "publish"

    owner: Actor
    name: Name
    digest: Digest
    base_model: Text
    niche: Text
    ask_nanos: Credits
    receipt: ReceiptFacts
    """The headline exam."""
    receipts: Annotated[Sequence[ReceiptFacts], Field(max_length=32)] = ()
    """Other exams."""
    description: Annotated[str, Field(max_length=2000)] = ""
    licence: Annotated[str, Field(max_length=200)] = ""
    """SPDX expression; none = nothing stated, so that nobody else may build on it."""
    tags: Annotated[Sequence[Name], Field(max_length=32)] = ()
    parents: Annotated[Sequence[str | Parent], _WEIGHED, Field(max_length=32)] = ()
    """Layers it was made from, by digest or listing; royalties go to their owners."""
    version_of: Name | None = None
    """The listing that this is the next version of, which is `name`."""
    weights: Weights | None = field(default=None, repr=False, metadata=HERE)
    """Its factors by module, from which the market finds out what it repeats; a layer for a base
    model whose modules the market knows is not listed without."""
    others: Others | None = field(default=None, repr=False, metadata=HERE)
    """The weights of the layer of a digest, for who has the files."""
    evidence: Attestation | None = field(default=None, repr=False, metadata=HERE)
    """Its signed manifest and the hashes of its files."""
    must_be_signed: bool = field(default=False, metadata=HERE)
    """Refuse it without a signature."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "licence", check_licence(self.licence))
        object.__setattr__(self, "parents", self.line)  # a name alone is none on the wire

    def check(self) -> None:
        """Refuse the house, and what no listing may carry."""
        refuse_house(self.owner, "publish")
        check_name(self.name, "listing name")
        check_digest(self.digest)
        check_text(self.base_model, "base_model", min_chars=1)
        check_text(self.niche, "niche", min_chars=1)
        check_text(self.description, "description", max_chars=2000)
        check_amount(self.ask_nanos, "ask")
        self._check_tags()
        self._check_parents()
        if self.version_of not in (None, self.name):
            raise InvalidInputError(
                f"the next version of {self.version_of!r:.80} carries that name, got"
                f" {self.name!r}: leave version_of out, or use that name"
            )
        stated = self.stated
        for receipt in stated:
            check_subject(receipt, self.digest, self.base_model)
        exams = {(receipt.skill, receipt.exam) for receipt in stated}
        if len(stated) > MAX_RECEIPTS or len(exams) < len(stated):
            raise ReceiptError(
                f"a layer is sold on 1-{MAX_RECEIPTS} receipts, one per exam, got"
                f" {len(stated)} of {len(exams)} exams: examine it, and keep one of each"
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
        names = {parent.name for parent in self.line}
        if len(self.parents) > MAX_PARENTS or len(names) < len(self.parents):
            raise InvalidInputError(
                f"there may be {MAX_PARENTS} parents, each once, got {len(self.parents)}:"
                " add up their weights"
            )
        for parent in self.line:
            check_digest(parent.name)
            if parent.weight > MAX_WEIGHT:
                raise InvalidInputError(
                    f"a parent's weight is 1 to {MAX_WEIGHT}, got {parent.weight}: scale them down"
                )

    @property
    def is_version(self) -> bool:
        """Whether it is the next version of a listing that exists."""
        return self.version_of is not None

    @property
    def stated(self) -> tuple[ReceiptFacts, ...]:
        """Every exam, the headline first."""
        return (self.receipt, *self.receipts)

    @property
    def line(self) -> tuple[Parent, ...]:
        """The parents; those that are named without a weight contributed equally."""
        return tuple(Parent(one) if isinstance(one, str) else one for one in self.parents)

    def identity(self, session: Session) -> dict[str, object]:
        """Whatever order tags and parents came in; of the manifest its digest."""
        manifest = self.evidence.manifest if self.evidence else b""
        asked = Operation.identity(self, session)
        del asked["receipt"]
        return asked | {
            "tags": sorted(self.tags),
            "parents": sorted((parent.name, parent.weight) for parent in self.line),
            "receipts": [receipt.body() for receipt in self.stated],
            "manifest": hashlib.sha256(manifest).hexdigest() if manifest else "",
        }


Bases = Callable[[str], Shapes | None]
"""The maps of the base model of this fingerprint; None = it is not known."""


def no_bases(_fingerprint: str) -> None:
    """Of a market that knows the embedded base alone."""


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
