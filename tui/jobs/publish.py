"""Publishing a PEFT folder: read it, examine it on unseen questions, store it, list it."""

from __future__ import annotations

from pathlib import Path

from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet, sit_exam
from academy.routing import ability_vectors
from academy.skills import skill_named
from genome.base_model import BaseModel
from genome.embedding import searchable_text
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest, Receipt
from genome.shelf.manifest import check_name
from marketplace.market import ListingView, Market, ReceiptFacts
from seeds.load import embedded_base_path
from tui.jobs.market import market_url

EXAM_QUESTIONS = 400
VECTOR_QUESTIONS = 20


def publish_folder(
    home: Path, folder: Path, *, name: str, skill: str, ask_nanos: int, owner: str
) -> ListingView:
    """Measure a layer and put it up for sale; nothing is stored if the market refuses it.

    Raises:
        UnknownSkillError: There is no such skill.
        LayerRejected: The folder is no readable PEFT LoRA, or the library refuses the layer.
        BaseModelMismatchError: The layer belongs to another base model.
        MarketError: The market refuses the listing.
    """
    niche = skill_named(skill)
    check_name(name)
    layer = Layer.from_peft(folder)
    base = BaseModel.load(embedded_base_path())
    genome = Genome(base.fingerprint, (layer.bound_to(base.fingerprint),), (1.0,))
    evaluator = LocalEvaluator(base)
    sheet = exam_sheet(skill, EXAM_QUESTIONS)
    result, base_result = sit_exam(evaluator, [genome, Genome(base.fingerprint)], sheet)
    library = Library.open(home)
    text = searchable_text(name, skill, niche.description)
    vector = ability_vectors(evaluator, library.encoder(base), [genome], [text], VECTOR_QUESTIONS)[
        0
    ]
    receipt = Receipt(
        skill, result.n_questions, n_correct=result.n_correct,
        n_base_correct=base_result.n_correct,
    )  # fmt: skip
    manifest = Manifest(
        name=name, base_model=base.fingerprint, description=niche.description, receipts=(receipt,)
    )
    is_new = layer.digest not in library
    _store(library, layer, manifest, base.path)
    library.set_vector(layer.digest, vector, n_results=VECTOR_QUESTIONS)
    try:
        with Market.open(market_url(home), create=False) as market:
            market.open_account(owner)
            return market.publish(
                owner=owner, name=name, digest=layer.digest, base_model=base.fingerprint,
                niche=skill, ask_nanos=ask_nanos, description=niche.description,
                key=f"publish-{owner}-{name}-{layer.digest[:16]}",
                receipt=ReceiptFacts(
                    skill=skill, n_questions=result.n_questions, n_correct=result.n_correct,
                    n_base_correct=base_result.n_correct,
                ),
            )  # fmt: skip
    except BaseException:
        if is_new:
            library.remove(layer.digest)
        raise


def _store(library: Library, layer: Layer, manifest: Manifest, base_model_path: str) -> None:
    """Keep the layer, or, if the library has it under another name, what the exam showed.

    Stored before it is listed: a kill in between leaves a layer without a listing, which the same
    command completes, and never a listing without a layer.
    """
    if layer.digest not in library:
        library.add(layer, manifest, base_model_path=base_model_path)
    elif not library.manifest(layer.digest).signature:
        library.add_receipt(layer.digest, manifest.receipts[0])
