"""Publishing a PEFT folder: examine it on unseen questions, look for copies, store it, list it.

`put_up` is the one way onto a market, of commands, demo and demand cycle alike: every layer is
compared with what is for sale before it is listed.

What a layer or persona was made from, as far as a market sells it: whom royalties go to.

Breeding writes parents into the manifest; a purchase brings layers under their listings' names. So
what somebody publishes names its parents by itself, and nobody has to remember them.

A persona's layers as one: the Academy often breeds a stack, the market sells a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet
from academy.routing import ability_vectors
from academy.skills.curriculum import curriculum, skill_named
from economy.delivery import deliver, market_url, weights_at
from economy.examined import Examined, examine
from genome import compose
from genome.base_model import BaseModel
from genome.embedding import searchable_text
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest, Parent, TrustPolicy
from genome.shelf.manifest import check_name, version_order
from marketplace.client import is_remote
from marketplace.errors import ListingNotFoundError, ListingTakenError, NearDuplicateError
from marketplace.front import MarketLike
from marketplace.ledger.account import principal_of
from marketplace.listing.duplicates import Others
from marketplace.listing.provenance import MANIFEST_FILE, Attestation
from marketplace.listing.similarity import Pair
from marketplace.market import ListingView, Market, ReceiptFacts
from persona.persona import PersonaStore
from seeds.bases import load_base_for

EXAM_QUESTIONS = 400


@dataclass(frozen=True, slots=True)
class SaleTerms:
    """What the owner decides."""

    name: str
    skill: str
    ask_nanos: int
    owner: str
    licence: str = ""
    tags: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    """Names of listings, or digests of layers, that are in the market."""
    version_of: str | None = None


def publish_folder(
    home: Path,
    folder: Path,
    *,
    name: str,
    skill: str,
    ask_nanos: int,
    owner: str,
    market: MarketLike | None = None,
    licence: str = "",
    tags: Sequence[str] = (),
    parents: Sequence[str] = (),
    version_of: str | None = None,
    base: str | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> ListingView:
    """Measure a layer and put it up for sale; nothing is stored if the market refuses it.

    Args:
        market: Where; None = the home's own, in which the owner's account is opened if it is new.
        base: Name, folder or hub id of the base to run it on; default the one that it states, or
            the first known one that it fits.
        say: Is told what of the folder was left out or read otherwise than written.

    Raises:
        UnknownSkillError: There is no such skill.
        LayerRejected: The folder is no readable PEFT LoRA, or the library refuses the layer.
        UnboundLayerError, UnknownBaseError: It runs on no base model that is known here.
        MarketError: The market refuses the listing.
    """
    terms = SaleTerms(
        name, skill, ask_nanos, owner, licence, tuple(tags), tuple(parents), version_of
    )
    check_name(name)
    skill_named(skill)
    with ExitStack() as open_until_listed:
        if market is None:
            own = Market.open(market_url(home), create=False)
            market = open_until_listed.enter_context(own)
            own.open_account(owner)
        layer = Layer.from_peft(folder, say=say)
        model = load_base_for(home, layer, base)
        return _publish(home, layer.bound_to(model.fingerprint), model, terms, market)


def _publish(
    home: Path, layer: Layer, base: BaseModel, terms: SaleTerms, market: MarketLike
) -> ListingView:
    library = Library.open(home)
    evaluator = LocalEvaluator(base)
    digests = tuple(_digest(market, reference) for reference in terms.parents)
    exam = examine(
        evaluator,
        Genome.of(layer),
        terms.skill,
        exam_sheet(terms.skill, EXAM_QUESTIONS),
        ancestor=_ancestor(library, digests),
    )
    is_new = layer.digest not in library
    _store(library, base, exam, terms, digests, remote=is_remote(market))
    try:
        _index(library, evaluator, layer, terms)
        deliver(market, library, layer.digest)
        return put_up(
            market,
            layer,
            exam.facts,
            replace(terms, parents=digests),
            weights_at(home),
            evidence=_signed(library, layer.digest),
            key=f"publish-{terms.owner}-{terms.name}-{layer.digest[:16]}",
        )
    except BaseException:
        if is_new:
            library.remove(layer.digest)
        raise


def _digest(market: MarketLike, reference: str) -> str:
    """A parent's digest; 64 hex digits are one already, anything else is a listing."""
    is_digest = len(reference) == 64 and set(reference) <= set("0123456789abcdef")
    return reference if is_digest else market.listing(reference).digest


def _ancestor(library: Library, parents: Sequence[str]) -> Genome | None:
    """What the exam shows the layer beside: its first parent, if that is here."""
    return Genome.of(library.get(parents[0])) if parents and parents[0] in library else None


def _store(
    library: Library,
    base: BaseModel,
    exam: Examined,
    terms: SaleTerms,
    parents: Sequence[str],
    *,
    remote: bool,
) -> None:
    """Keep the layer, or, if the library has it under another name, what the exam showed.

    Stored before it is listed: a kill in between leaves a layer without a listing, which the same
    command completes, and never a listing without a layer.
    """
    (layer,) = exam.genome.layers
    if layer.digest not in library:
        manifest = Manifest(
            name=terms.name,
            base_model=base.fingerprint,
            licence=terms.licence,
            tags=terms.tags,
            description=skill_named(terms.skill).description,
            receipts=(exam.receipt,),
            parents=tuple(Parent(digest) for digest in sorted(set(parents))),
            version=_next_release(library, terms),
        )
        policy = TrustPolicy(allow_missing_parents=True) if remote else None
        library.add(layer, manifest, base_model_path=base.path, policy=policy)
    elif not library.manifest(layer.digest).signature:
        library.add_receipt(layer.digest, exam.receipt)


def _next_release(library: Library, terms: SaleTerms) -> str:
    """1.0.0, or for a next version the one above the newest of its name in the library."""
    known = [row.version for row in library.versions(terms.name)] if terms.version_of else []
    if not known:
        return "1.0.0"
    major, minor, _ = max(known, key=version_order).split(".")
    return f"{major}.{int(minor) + 1}.0"


def _index(library: Library, evaluator: LocalEvaluator, layer: Layer, terms: SaleTerms) -> None:
    """Let the library find the layer by what it can do, if it has been indexed at all."""
    if not library.encoder_id(
        evaluator.base.fingerprint
    ):  # a home of `academy run`, or a buyer's: `layer reindex` makes one
        return
    genome = Genome.of(layer)
    text = searchable_text(terms.name, terms.skill, skill_named(terms.skill).description)
    encoder = library.encoder(evaluator.base)
    n = curriculum(evaluator.base).ability_questions
    vector = ability_vectors(evaluator, encoder, [genome], [text], n)[0]
    library.set_vector(layer.digest, vector, n_results=n)


def put_up(
    market: MarketLike,
    layer: Layer,
    receipt: ReceiptFacts,
    terms: SaleTerms,
    others: Others,
    *,
    key: str,
    evidence: Attestation | None = None,
) -> ListingView:
    """List an examined layer, as a child of what its owner has listed already and it contains.

    What it contains of somebody else's has to be named in the terms.

    Args:
        others: The weights of layers at hand, to compare with.

    Raises:
        MarketError: The market refuses the listing.
    """

    def listed(parents: Sequence[str], key: str) -> ListingView:
        return market.publish(
            owner=terms.owner,
            name=terms.name,
            digest=layer.digest,
            base_model=layer.base_model,
            niche=terms.skill,
            ask_nanos=terms.ask_nanos,
            receipt=receipt,
            parents=parents,
            description=skill_named(terms.skill).description,
            licence=terms.licence,
            tags=terms.tags,
            version_of=terms.version_of,
            weights=numbers_of(layer),
            others=others,
            evidence=evidence,
            key=key,
        )

    try:
        return listed(terms.parents, key)
    except NearDuplicateError as error:
        mine = principal_of(terms.owner)
        own = [one for one in error.listings if principal_of(market.listing(one).owner) == mine]
        if not own:
            raise
        return listed((*terms.parents, *own), f"{key}-kin")  # others' may be explained by these
    except ListingTakenError as taken:
        try:
            there = market.listing(terms.name)
        except ListingNotFoundError:  # it is the layer that is listed, under another name
            raise taken from None
        if (there.digest, there.owner) != (layer.digest, terms.owner) or not there.parents:
            raise
        return there  # listed with parents of its own, by this very command


def _signed(library: Library, digest: str) -> Attestation | None:
    """The layer's manifest, if somebody signed it; an unsigned one vouches for nothing."""
    manifest = library.manifest(digest)
    if not manifest.signature:
        return None
    return Attestation((library.path(digest) / MANIFEST_FILE).read_bytes(), manifest.files)


def numbers_of(layer: Layer) -> dict[str, Pair]:
    """A layer's factors as arrays."""
    return {module: (a.numpy(), b.numpy()) for module, (a, b) in layer.factors.items()}


MAX_LISTINGS = 2_000
"""So many are looked through for a layer that is not listed under its own name."""


def listed_parents(
    market: MarketLike, library: Library, digests: Sequence[str], *, but: Collection[str] = ()
) -> dict[str, str]:
    """The nearest layers that are listed, among these and their ancestors: digest -> listing.

    Where a layer is listed its own ancestors are left to it: the market knows them.

    Args:
        digests: Layers that something consists of.
        but: Listings that are no parents: the one that is being made.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = list(digests)
    known: dict[str, str] | None = None
    while waiting:
        digest = waiting.pop(0)
        if digest in seen:
            continue
        seen.add(digest)
        listing = _under_its_name(market, library, digest)
        if listing is None:
            known = known or {x.digest: x.name for x in market.listings(limit=MAX_LISTINGS)}
            listing = known.get(digest)
        if listing is not None and listing not in but:
            found[digest] = listing
        elif digest in library:
            waiting += [parent.digest for parent in library.manifest(digest).parents]
    return found


def _under_its_name(market: MarketLike, library: Library, digest: str) -> str | None:
    """The listing that a layer is named after, if one of its versions is this very layer."""
    if digest not in library:
        return None
    name = library.manifest(digest).name
    try:
        is_there = any(version.digest == digest for version in market.versions(name))
    except ListingNotFoundError:
        return None
    return name if is_there else None


def persona_layer(home: Path, name: str) -> Layer:
    """The exact sum of a persona's layers, each at its weight.

    Raises:
        PersonaNotFoundError: There is no such persona.
        GenomeError: A layer is missing or damaged, or the sum is too wide.
    """
    genome = PersonaStore(home).load(name).genome(Library.open(home))
    if len(genome.layers) == 1 and genome.weights[0] == 1.0:
        return genome.layers[0]
    return compose.stack(list(genome.layers), list(genome.weights))
