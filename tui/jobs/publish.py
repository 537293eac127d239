"""Publishing a PEFT folder: examine it on unseen questions, look for copies, store it, list it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from academy.evaluator import LocalEvaluator
from academy.exam import EXAM_SEED, ExamResult, sit_exam
from academy.routing import ability_vectors
from academy.skills import skill_named
from genome.base_model import BaseModel
from genome.embedding import searchable_text
from genome.errors import LayerNotFoundError
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest, Parent, Receipt, TrustPolicy
from genome.shelf.manifest import check_name, version_order
from marketplace.client.remote import RemoteMarket
from marketplace.market import ListingView, Market, ReceiptFacts
from marketplace.protocol import MarketLike
from marketplace.provenance import MANIFEST_FILE, Evidence
from marketplace.similarity import Pair, sketch, update_cosine
from seeds.load import embedded_base_path
from tui.jobs.buyer_trial import sheet_digest
from tui.jobs.delivery import deliver
from tui.jobs.market import market_url
from tui.jobs.standard_exam import standard_sheet

EXAM_QUESTIONS = 400
VECTOR_QUESTIONS = 20


@dataclass(frozen=True, slots=True)
class Terms:
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


@dataclass(frozen=True, slots=True)
class Measured:
    """What the layer showed."""

    base: BaseModel
    layer: Layer
    result: ExamResult
    base_result: ExamResult
    questions_digest: str

    def facts(self, skill: str) -> ReceiptFacts:
        """The receipt as the market wants it."""
        return ReceiptFacts(
            skill=skill, n_questions=self.result.n_questions, n_correct=self.result.n_correct,
            n_base_correct=self.base_result.n_correct, seed=EXAM_SEED,
            questions_digest=self.questions_digest,
        )  # fmt: skip


def publish_folder(
    home: Path, folder: Path, *, name: str, skill: str, ask_nanos: int, owner: str,
    market: MarketLike | None = None, licence: str = "", tags: Sequence[str] = (),
    parents: Sequence[str] = (), version_of: str | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> ListingView:  # fmt: skip
    """Measure a layer and put it up for sale; nothing is stored if the market refuses it.

    Args:
        market: Where; None = the home's own, in which the owner's account is opened if it is new.
        say: Is told what of the folder was left out or read otherwise than written.

    Raises:
        UnknownSkillError: There is no such skill.
        LayerRejected: The folder is no readable PEFT LoRA, or the library refuses the layer.
        BaseModelMismatchError: The layer belongs to another base model.
        MarketError: The market refuses the listing.
    """
    terms = Terms(name, skill, ask_nanos, owner, licence, tuple(tags), tuple(parents), version_of)
    check_name(name)
    skill_named(skill)
    with ExitStack() as open_until_listed:
        if market is None:
            own = Market.open(market_url(home), create=False)
            market = open_until_listed.enter_context(own)
            own.open_account(owner)
        return _publish(home, Layer.from_peft(folder, say=say), terms, market)


def _publish(home: Path, unbound: Layer, terms: Terms, market: MarketLike) -> ListingView:
    library = Library.open(home)
    base = BaseModel.load(embedded_base_path())
    layer = unbound.bound_to(base.fingerprint)
    evaluator = LocalEvaluator(base)
    measured = _examine(evaluator, base, layer, terms.skill)
    digests = tuple(_digest(market, reference) for reference in terms.parents)
    is_new = layer.digest not in library
    _store(library, measured, terms, digests, remote=isinstance(market, RemoteMarket))
    try:
        _index(library, evaluator, measured, terms)
        deliver(market, library, layer.digest)
        return _list(market, library, measured, terms, digests)
    except BaseException:
        if is_new:
            library.remove(layer.digest)
        raise


def _examine(evaluator: LocalEvaluator, base: BaseModel, layer: Layer, skill: str) -> Measured:
    sheet = standard_sheet(skill, EXAM_QUESTIONS)
    genome = Genome(base.fingerprint, (layer,), (1.0,))
    result, alone = sit_exam(evaluator, [genome, Genome(base.fingerprint)], sheet)
    return Measured(base, layer, result, alone, sheet_digest(sheet))


def _digest(market: MarketLike, reference: str) -> str:
    """A parent's digest; 64 hex digits are one already, anything else is a listing."""
    is_digest = len(reference) == 64 and set(reference) <= set("0123456789abcdef")
    return reference if is_digest else market.listing(reference).digest


def _store(
    library: Library, measured: Measured, terms: Terms, parents: Sequence[str], *, remote: bool
) -> None:
    """Keep the layer, or, if the library has it under another name, what the exam showed.

    Stored before it is listed: a kill in between leaves a layer without a listing, which the same
    command completes, and never a listing without a layer.
    """
    layer, base, result = measured.layer, measured.base, measured.result
    receipt = Receipt(
        terms.skill, result.n_questions, n_correct=result.n_correct,
        n_base_correct=measured.base_result.n_correct,
    )  # fmt: skip
    if layer.digest not in library:
        manifest = Manifest(
            name=terms.name, base_model=base.fingerprint, licence=terms.licence, tags=terms.tags,
            description=skill_named(terms.skill).description, receipts=(receipt,),
            parents=tuple(Parent(digest) for digest in sorted(set(parents))),
            version=_next_release(library, terms),
        )  # fmt: skip
        policy = TrustPolicy(allow_missing_parents=True) if remote else None
        library.add(layer, manifest, base_model_path=base.path, policy=policy)
    elif not library.manifest(layer.digest).signature:
        library.add_receipt(layer.digest, receipt)


def _next_release(library: Library, terms: Terms) -> str:
    """1.0.0, or for a next version the one above the newest of its name in the library."""
    known = [row.version for row in library.versions(terms.name)] if terms.version_of else []
    if not known:
        return "1.0.0"
    major, minor, _ = max(known, key=version_order).split(".")
    return f"{major}.{int(minor) + 1}.0"


def _index(library: Library, evaluator: LocalEvaluator, measured: Measured, terms: Terms) -> None:
    """Let the library find the layer by what it can do, if it has been indexed at all."""
    if not library.encoder_id:  # a home of `academy run`, or a buyer's: `layer reindex` makes one
        return
    genome = Genome(measured.base.fingerprint, (measured.layer,), (1.0,))
    text = searchable_text(terms.name, terms.skill, skill_named(terms.skill).description)
    encoder = library.encoder(measured.base)
    vector = ability_vectors(evaluator, encoder, [genome], [text], VECTOR_QUESTIONS)[0]
    library.set_vector(measured.layer.digest, vector, n_results=VECTOR_QUESTIONS)


def _list(
    market: MarketLike, library: Library, measured: Measured, terms: Terms, parents: Sequence[str]
) -> ListingView:
    layer = measured.layer
    factors = numbers_of(layer)
    return market.publish(
        owner=terms.owner, name=terms.name, digest=layer.digest,
        base_model=measured.base.fingerprint, niche=terms.skill, ask_nanos=terms.ask_nanos,
        description=skill_named(terms.skill).description, receipt=measured.facts(terms.skill),
        licence=terms.licence, tags=terms.tags, parents=parents, version_of=terms.version_of,
        sketch=sketch(factors), exact=cosine_with(library, factors),
        evidence=_signed(library, layer.digest),
        key=f"publish-{terms.owner}-{terms.name}-{layer.digest[:16]}",
    )  # fmt: skip


def _signed(library: Library, digest: str) -> Evidence | None:
    """The layer's manifest, if somebody signed it; an unsigned one vouches for nothing."""
    manifest = library.manifest(digest)
    if not manifest.signature:
        return None
    return Evidence((library.path(digest) / MANIFEST_FILE).read_bytes(), manifest.files)


def cosine_with(library: Library, factors: dict[str, Pair]) -> Callable[[str], float | None]:
    """Cosine of an update with any layer that the library has; None for another."""

    def cosine(digest: str) -> float | None:
        try:
            return update_cosine(factors, numbers_of(library.get(digest)))
        except LayerNotFoundError:
            return None

    return cosine


def numbers_of(layer: Layer) -> dict[str, Pair]:
    """A layer's factors as arrays."""
    return {module: (a.numpy(), b.numpy()) for module, (a, b) in layer.factors.items()}
