"""What is known about a layer besides its weights, in a form that can be signed.

manifest.json stands beside the weights. It lists the sha256 of every other file of the folder
and the digest of the weights, so that one signature over it covers the whole folder. The bytes
that are signed are its canonical JSON (sorted keys, no spaces, ASCII, without the signature);
exam results are counts, not ratios, so that nothing depends on how a fraction is printed.

What a layer may be called, made of a file's name or of what somebody typed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genome.adapter.layer_files import MANIFEST_FILE, WEIGHTS_FILE
from genome.adapter.strict_json import strict_json
from genome.licence import looks_like_one, remedy
from genome.refusals import refused, shown
from genome.shelf.receipt import MAX_PARENTS, NAME, SHA256, Receipt, check_text, matches

FORMAT = 1
"""Number of the manifest's format; another one is refused, never guessed at."""
KINDS = ("domain", "project", "personality", "learning")
MAX_RECEIPTS = 100
MAX_TAGS = 32
MAX_RECIPE_BYTES = 1 << 16

_VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", re.ASCII)
_KEY = SHA256
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Parent:
    """A layer this one was made from, and how much of it went in.

    Raises:
        LayerRejected: manifest_parent.
    """

    digest: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not matches(SHA256, self.digest):
            raise refused(
                "manifest_parent",
                f"a parent is named by 64 hex digits, not {shown(self.digest)}: "
                "give its layer.digest",
            )
        weight = self.weight
        if type(weight) not in (int, float) or not abs(weight) <= sys.float_info.max:
            raise refused(
                "manifest_parent",
                f"a parent's weight must be a finite number, not "
                f"{shown(weight)}: correct the recipe",
            )
        object.__setattr__(self, "weight", float(weight))


@dataclass(frozen=True)
class Manifest:
    """Everything about a layer but its numbers.

    Raises:
        LayerRejected: A value is not allowed; the codes are in `LIBRARY_REFUSALS`.
    """

    name: str
    base_model: str = ""
    """Fingerprint of the base model (`BaseModel.fingerprint`); empty = unknown."""
    description: str = ""
    version: str = "1.0.0"
    kind: str = "domain"
    parents: tuple[Parent, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """How it was made; any JSON."""
    receipts: tuple[Receipt, ...] = ()
    """Exam results; the first one of the layer alone is the headline."""
    licence: str = ""
    """SPDX expression; empty = none was stated, so nobody may assume one."""
    licence_link: str = ""
    """Where its text stands, if it is one of its author's own; an https address."""
    tags: tuple[str, ...] = ()
    created: str = ""
    """Such as 2026-01-31T12:00:00Z; may be empty."""
    expires: str = ""
    """From then on the manifest is refused; empty = never."""
    creator: str = ""
    """Ed25519 public key, 64 hex digits; empty = unsigned."""
    digest: str = ""
    """`Layer.digest` of the weights; empty until the layer is stored."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """sha256 of every file of the folder but this one, by name."""
    signature: str = field(default="", repr=False)
    """Ed25519 signature over `signed_bytes`, 128 hex digits; empty = unsigned."""

    def __post_init__(self) -> None:
        check_name(self.name)
        version_order(self.version)
        check_text("base_model", self.base_model, 128)
        check_text("description", self.description, 2000)
        if self.kind not in KINDS:
            raise refused(
                "manifest_kind",
                f"kind must be one of {', '.join(KINDS)}, not {shown(self.kind)}: choose one",
            )
        self._check_licence_and_tags()
        self._check_lists()
        for what in ("created", "expires"):
            if getattr(self, what) != "":
                parse_time(getattr(self, what))
        self._check_binding()

    def _check_licence_and_tags(self) -> None:
        if not looks_like_one(self.licence):
            raise refused(
                "manifest_licence",
                f"licence must be an SPDX expression such as Apache-2.0, not "
                f"{shown(self.licence)}: {remedy(str(self.licence))}",
            )
        check_text("licence_link", self.licence_link, 300)
        if self.licence_link and not self.licence_link.startswith("https://"):
            raise refused(
                "manifest_licence",
                f"licence_link must begin with https://, not "
                f"{shown(self.licence_link)}: give the address of the licence's text",
            )
        for tag in self.tags:
            if not matches(NAME, tag):
                raise refused(
                    "manifest_text",
                    f"a tag must be 1-64 characters of a-z 0-9 . _ -, not "
                    f"{shown(tag)}: spell it so",
                )
        if len(self.tags) > MAX_TAGS or len(set(self.tags)) != len(self.tags):
            raise refused(
                "manifest_text",
                f"tags must be at most {MAX_TAGS} different words, not "
                f"{shown(list(self.tags))}: choose fewer",
            )

    def _check_lists(self) -> None:
        digests = {parent.digest for parent in self.parents}
        if len(self.parents) > MAX_PARENTS or len(digests) != len(self.parents):
            raise refused(
                "manifest_parent",
                f"there may be at most {MAX_PARENTS} parents, each once, not "
                f"{len(self.parents)} of {len(digests)} digests: add up their weights",
            )
        if len(self.receipts) > MAX_RECEIPTS:
            raise refused(
                "manifest_receipt",
                f"there may be at most {MAX_RECEIPTS} receipts, not "
                f"{len(self.receipts)}: keep the newest of each exam",
            )
        try:
            recipe = json.dumps(self.recipe, allow_nan=False)
            plain = json.loads(recipe) == self.recipe
        except (TypeError, ValueError, RecursionError):
            recipe, plain = "", False
        if not plain or not isinstance(self.recipe, dict) or len(recipe) > MAX_RECIPE_BYTES:
            raise refused(
                "manifest_recipe",
                f"recipe must be a dict of plain JSON of at most "
                f"{MAX_RECIPE_BYTES} bytes, not {shown(self.recipe)}: use str, int, finite float, "
                "bool, None, list and dict only",
            )

    def _check_binding(self) -> None:
        hashes = [self.digest or "0" * 64, *self.files.values()]
        if not all(matches(SHA256, value) for value in hashes):
            raise refused("manifest_unreadable", "digests are 64 hex digits: write the file again")
        if MANIFEST_FILE in self.files:
            raise refused(
                "manifest_unreadable", f"{MANIFEST_FILE} cannot list itself: leave it out"
            )
        for receipt in self.receipts:
            if self.digest and receipt.layers and self.digest not in receipt.layers:
                raise refused(
                    "manifest_receipt",
                    f"a receipt is about layers {shown(receipt.layers)}, none "
                    f"of them this one ({self.digest[:12]}): examine this layer",
                )
        well_formed = matches(_KEY, self.creator) and matches(_SIGNATURE, self.signature)
        if (self.creator or self.signature) and not well_formed:
            raise refused(
                "manifest_key",
                f"creator must be 64 and signature 128 hex digits, or both empty, "
                f"not {shown(self.creator)} and {shown(self.signature)}: sign it again",
            )
        if self.signature and not (self.digest and self.files):
            raise refused(
                "manifest_key",
                "a signed manifest must name its weights and files: sign it with "
                "`continuum layer sign LAYER --key-file FILE`",
            )

    # -- the headline ----------------------------------------------------------------------

    @property
    def headline(self) -> Receipt | None:
        """The first receipt of the layer alone, if it ever sat an exam so."""
        return next((receipt for receipt in self.receipts if receipt.is_alone), None)

    @property
    def niche(self) -> str:
        """Skill of the headline receipt; empty if there is none."""
        return self.headline.skill if self.headline else ""

    @property
    def accuracy(self) -> float | None:
        """Of the headline receipt, in [0, 1]; None if the layer never sat an exam."""
        return self.headline.accuracy if self.headline else None

    @property
    def base_accuracy(self) -> float | None:
        """Of the base model on the headline exam, in [0, 1]; None if there is none."""
        return self.headline.base_accuracy if self.headline else None

    @property
    def n_questions(self) -> int:
        """Of the headline exam; 0 if there is none."""
        return self.headline.n_questions if self.headline else 0

    # -- as bytes --------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        facts = {"format": FORMAT, **asdict(self)}
        facts["receipts"] = [receipt.facts() for receipt in self.receipts]
        if not self.licence_link:  # a later field: what was signed without it stays signed
            del facts["licence_link"]
        return facts

    def signed_bytes(self) -> bytes:
        """The canonical JSON that a signature covers: everything but the signature."""
        facts = self.facts()
        del facts["signature"]
        return canonical_json(facts)

    def to_json(self) -> bytes:
        """manifest.json, readable by people; `from_json` gives this manifest back."""
        return (json.dumps(self.facts(), indent=1, sort_keys=True) + "\n").encode("ascii")

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read manifest.json.

        Raises:
            LayerRejected: manifest_unreadable, manifest_field, or as the class.
        """
        facts = strict_json(
            data, code="manifest_unreadable", what=MANIFEST_FILE, max_brackets=MAX_BRACKETS
        )
        if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
            raise refused(
                "manifest_unreadable",
                f"{MANIFEST_FILE} must be an object of format {FORMAT}: use "
                "the version of continuum that wrote it, or delete it and import the folder again",
            )
        _check_types(facts)
        facts["parents"] = tuple(_built(Parent, item) for item in facts.get("parents", []))
        facts["receipts"] = tuple(_built(Receipt, item) for item in facts.get("receipts", []))
        facts["tags"] = tuple(facts.get("tags", []))
        return cls(**facts)


MAX_BRACKETS = 2 * (MAX_PARENTS + MAX_RECEIPTS) + 2000
"""Opening brackets in manifest.json, those of the recipe included."""


def canonical_json(value: Any) -> bytes:
    """One spelling per value: sorted keys, no spaces, ASCII, shortest float that reads back."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def check_name(name: object) -> str:
    """The name itself, if it is one.

    Raises:
        LayerRejected: manifest_name.
    """
    if isinstance(name, str) and matches(NAME, name):
        return name
    raise refused(
        "manifest_name",
        f"a layer's name must be 1-64 characters of a-z 0-9 . _ - and begin with "
        f"a letter or digit, not {shown(name)}: use {plain_name(str(name)[:200])!r}",
    )


def version_order(version: object) -> int:
    """A whole number that orders versions: 1.2.3 is 1_000002_000003.

    Raises:
        LayerRejected: manifest_version.
    """
    if not isinstance(version, str) or not matches(_VERSION, version):
        raise refused(
            "manifest_version",
            f"a version must be three whole numbers below 1000000 such as "
            f"1.0.0, not {shown(version)}: number it so",
        )
    major, minor, patch = (int(part) for part in version.split("."))
    return (major * 10**6 + minor) * 10**6 + patch


def parse_time(text: object) -> datetime:
    """A time of the manifest, in UTC.

    Raises:
        LayerRejected: manifest_date.
    """
    try:
        if isinstance(text, str) and len(text) == 20:
            return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        pass
    raise refused(
        "manifest_date",
        f"a time must look like 2026-01-31T12:00:00Z, not {shown(text)}: write it in UTC",
    )


def _check_types(facts: dict[str, Any]) -> None:
    """JSON types before anything is built from them."""
    known = {f.name for f in fields(Manifest)}
    if not facts.keys() <= known or "name" not in facts:
        odd: Iterable[str] = sorted(facts.keys() - known) or ["name"]
        raise refused(
            "manifest_field",
            f"{MANIFEST_FILE} must have a name and no field but "
            f"{', '.join(sorted(known))}; wrong: {shown(list(odd))}: correct it",
        )
    wanted = {"parents": list, "receipts": list, "tags": list, "recipe": dict, "files": dict}
    for key, value in facts.items():
        if not isinstance(value, wanted.get(key, str)):
            raise refused(
                "manifest_field",
                f"{key} must be a {wanted.get(key, str).__name__}, not "
                f"{shown(value)}: correct {MANIFEST_FILE}",
            )


def _built(kind: type[Any], item: object) -> Any:
    """A Parent or Receipt from a JSON object."""
    try:
        return kind(**item)  # type: ignore[arg-type]
    except TypeError:
        names = ", ".join(f.name for f in fields(kind))
        raise refused(
            "manifest_field",
            f"a {kind.__name__.lower()} is an object of {names}, not "
            f"{shown(item)}: correct {MANIFEST_FILE}",
        ) from None


def plain_name(text: str) -> str:
    """The nearest text that `genome.shelf.manifest.check_name` accepts."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64] or "layer"


def suggested_name(source: Path) -> str:
    """A layer's name from a file's."""
    path = source.resolve()
    stem = (path.parent if path.name == WEIGHTS_FILE else path).name.lower()
    for ending in (".zip", ".tar.gz", ".tgz", ".tar", ".safetensors"):
        stem = stem.removesuffix(ending)
    return plain_name(stem)
