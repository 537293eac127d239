"""An exam as library and market keep it: exactly what was examined, how, and what came out.

The exams that receipts state, drawn again from what a receipt says about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from academy.challenge import Challenge, Split
from academy.evaluator import LocalEvaluator
from academy.exam import EXAM_SEED, ExamResult, exam_sheet, sheet_digest, sit_exam
from academy.scoring.rule import rules_text
from genome.genome import Genome
from genome.library import Receipt
from marketplace.errors import ReceiptError
from marketplace.receipt import STANDARD_EXAM, ReceiptFacts, ReceiptView


@dataclass(frozen=True, slots=True)
class Examined:
    """One genome's result on one sheet, beside its base's and its ancestor's."""

    genome: Genome
    skill: str
    result: ExamResult
    base: ExamResult
    prompt: str
    """`BaseModel.prompt_digest`."""
    rule: str
    ancestor: ExamResult | None = None
    """What it was stacked on, or made from; None = nothing, or not at hand."""
    questions_digest: str = ""

    @property
    def receipt(self) -> Receipt:
        """For the manifest of the genome's last layer."""
        return Receipt(
            self.skill,
            self.result.n_questions,
            n_correct=self.result.n_correct,
            n_base_correct=self.base.n_correct,
            prompt=self.prompt,
            rule=self.rule,
            layers=tuple(layer.digest for layer in self.genome.layers),
            weights=tuple(float(weight) for weight in self.genome.weights),
            base_model=self.genome.base_model,
            n_ancestor_correct=self.ancestor.n_correct if self.ancestor else None,
        )

    @property
    def facts(self) -> ReceiptFacts:
        """For the listing of the genome's only layer."""
        (layer,), (weight,) = self.genome.layers, self.genome.weights
        assert weight == 1.0, "what is sold is examined as it is sold"
        return ReceiptFacts(
            skill=self.skill,
            n_questions=self.result.n_questions,
            n_correct=self.result.n_correct,
            n_base_correct=self.base.n_correct,
            seed=EXAM_SEED,
            questions_digest=self.questions_digest,
            layer=layer.digest,
            base_model=self.genome.base_model,
            prompt=self.prompt,
            rule=self.rule,
            n_ancestor_correct=self.ancestor.n_correct if self.ancestor else None,
        )


def examine(
    evaluator: LocalEvaluator,
    genome: Genome,
    skill: str,
    sheet: Sequence[Challenge],
    *,
    ancestor: Genome | None = None,
) -> Examined:
    """Let a genome, its base alone and its ancestor sit the same questions.

    Args:
        ancestor: What it was made from; None = what it is stacked on, if it is a stack.
    """
    if ancestor is None and len(genome.layers) > 1:
        ancestor = Genome(genome.base_model, genome.layers[:-1], genome.weights[:-1])
    beside = [] if ancestor is None else [ancestor]
    genomes = [genome, Genome(genome.base_model), *beside]
    return stated(evaluator, genome, skill, sheet, sit_exam(evaluator, genomes, sheet))


def stated(
    evaluator: LocalEvaluator,
    genome: Genome,
    skill: str,
    sheet: Sequence[Challenge],
    results: Sequence[ExamResult],
) -> Examined:
    """What an exam showed, from the results of the genome, its base and perhaps its ancestor."""
    result, base, *others = results
    return Examined(
        genome,
        skill,
        result,
        base,
        prompt=evaluator.base.prompt_digest,
        rule=rules_text(sheet),
        ancestor=others[0] if others else None,
        questions_digest=sheet_digest(sheet),
    )


def sheet_of(receipt: ReceiptView, fresh_seed: int | None = None) -> list[Challenge]:
    """The very questions a receipt is about, or as many others of its exam.

    Args:
        fresh_seed: What the others are drawn with; few-questioned skills repeat some.

    Raises:
        UnknownSkillError: The skill is none of this program's.
        ReceiptError: The exam is none of this program's, or has fewer questions.
    """
    if receipt.exam != STANDARD_EXAM:
        raise ReceiptError(
            f"receipt {receipt.id} is about exam {receipt.exam!r}, this program has only"
            f" {STANDARD_EXAM!r}: ask whoever wrote it for the exam"
        )
    split: Split = "audit" if receipt.split == "audit" else "test"
    stated = EXAM_SEED if receipt.seed is None else receipt.seed
    seed = stated if fresh_seed is None else fresh_seed
    sheet = exam_sheet(receipt.skill, receipt.n_questions, split, seed=seed)
    if len(sheet) != receipt.n_questions:
        raise ReceiptError(
            f"receipt {receipt.id} is about {receipt.n_questions} questions of {receipt.skill!r},"
            f" which has {len(sheet)}: use the version of continuum that wrote it"
        )
    return sheet
