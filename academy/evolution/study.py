"""Children that study: litters trained on questions of their niches, within the budget.

What a litter costs is known exactly before it is trained, so all litters of a generation can be
handed to the evaluator at once (a cluster trains them side by side) and the budget still holds.

Litters trained by an evaluator that may raise: the child to blame is lost, nobody else.

What raises is trained again in halves until one child stands alone. It is charged what its study
would have cost; what failed in company is not charged.

Children whose mixing weights are found by CMA-ES on questions of their niche.

The operator `cma` stacks what both parents have of their own and searches how much of each to
take: LoraHub's search (Huang et al. 2023, arXiv 2307.13269), begun at the mother's weights and
led by the likelihood of right answers, which says more per token than right and wrong. No
gradient is taken; every forward pass is charged. A child that ends no likelier than its mother
is no child.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from academy.challenge import Challenge
from academy.cluster.tasks import Litter, train_litters
from academy.errors import cause_of, ends_run
from academy.evaluator import Evaluator
from academy.evolution.ancestor import niche_questions
from academy.evolution.events import Discarded
from academy.evolution.state import Candidate, Evolution, Genes
from academy.evolution.workbench import Workbench, width
from academy.operators.memetic import Raised, checked, study_rows
from academy.operators.weights import HIGH, LOW, WeightSearch
from academy.training import StudyPlan, trained_positions
from genome.base_model import BaseModel
from genome.genome import Genome

MOST = 6
"""Most children trained in one backward pass."""


@dataclass
class Child:
    """A candidate on its way into the world."""

    candidate: Candidate
    operator: str
    tokens: int = 0
    """What making and scoring it has cost."""


@dataclass(frozen=True)
class _Class:
    """Children that study together, and what."""

    children: Sequence[Child]
    litter: Litter
    cost: int
    """In the unit of the budget, exactly."""


def study(run: Evolution, bench: Workbench, children: list[Child]) -> list[Child]:
    """Train all that study; lost are those whose study raised or left a number not finite."""
    classes, lost = _classes(run, bench, children)
    raised = raise_litters(bench.base, bench.evaluator, [one.litter for one in classes])
    for one, litter in zip(classes, raised, strict=True):
        for child, (layer, cause) in zip(one.children, litter, strict=True):
            child.tokens += one.cost // len(one.children)
            if layer is None:
                _discard(run, bench, child, cause)
                lost.add(child.candidate.id)
            else:
                child.candidate.genes = child.candidate.genes.topped(bench.pool.add(layer))
    return [child for child in children if child.candidate.id not in lost]


def _classes(
    run: Evolution, bench: Workbench, children: Sequence[Child]
) -> tuple[list[_Class], set[int]]:
    """Who studies with whom; ids of those with nothing to study or nothing left to pay it."""
    settings = run.config.operators
    left = bench.budget.left
    classes: list[_Class] = []
    lost: set[int] = set()
    for operator in dict.fromkeys(child.operator for child in children):
        if not operator.startswith("memetic-"):
            continue
        steps = int(operator.removeprefix("memetic-"))
        plan = StudyPlan(steps, settings.rows, settings.learning_rate, settings.pull)
        group = [child for child in children if child.operator == operator]
        group.sort(key=lambda child: _row_width(bench, child))  # alike rows together: less padding
        for start in range(0, len(group), MOST):
            part = group[start : start + MOST]
            one = _class(run, bench, part, plan, left)
            kept = {child.candidate.id for child in one.children} if one else set()
            lost |= {child.candidate.id for child in part} - kept
            if one:
                classes.append(one)
                left -= one.cost
    return classes, lost


def _class(
    run: Evolution, bench: Workbench, group: Sequence[Child], plan: StudyPlan, left: int
) -> _Class | None:
    """As many of the group as can study and can be paid for; None if that is nobody."""
    pairs = [(child, _questions(run, bench, child, plan.n_rows)) for child in group]
    for child, questions in pairs:
        if not questions:
            _discard(run, bench, child, "nothing written to study")
    pairs = [(child, questions) for child, questions in pairs if questions]
    if not pairs:
        return None
    widest = max(width(bench.base, questions) for _, questions in pairs)
    if each := bench.training_cost(plan.n_rows * widest):
        pairs = pairs[: max(0, left // each)]
    if not pairs:
        return None
    candidates = [child.candidate for child, _ in pairs]
    studies = [study_rows(bench.base, questions, plan) for _, questions in pairs]
    litter = Litter(
        [bench.pool.get(c.genes.layers[-1]) for c in candidates],
        studies,
        plan,
        below=[_below(c.genes.genome(bench.pool)) for c in candidates],
    )
    cost = bench.training_cost(trained_positions(bench.base, studies, plan))
    return _Class([child for child, _ in pairs], litter, cost)


def _questions(run: Evolution, bench: Workbench, child: Child, n: int) -> list[Challenge]:
    skill = bench.skills[child.candidate.niche]
    return niche_questions(run, bench, skill, n, run.rng("study", child.candidate.id))


def _below(genome: Genome) -> Genome:
    """The genome without its top layer."""
    return Genome(genome.base_model, genome.layers[:-1], genome.weights[:-1])


def _row_width(bench: Workbench, child: Child) -> tuple[int, int]:
    rng = np.random.default_rng(0)
    some = bench.study(bench.skills[child.candidate.niche], 16, rng)
    return width(bench.base, some) if some else 0, child.candidate.id


def _discard(run: Evolution, bench: Workbench, child: Child, cause: str) -> None:
    bench.observe(Discarded(run.generation, child.candidate.id, child.operator, cause))


def raise_litters(
    base: BaseModel, evaluator: Evaluator, litters: Sequence[Litter]
) -> list[list[Raised]]:
    """What became of every child of every litter, in the order given."""
    meter = evaluator.tokens
    spent = meter.forward, meter.backward
    try:
        trained = train_litters(evaluator, litters)
        return [[checked(layer) for layer in layers] for layers in trained]
    except Exception as error:
        if ends_run(error):
            raise
        cause = cause_of(error)
    meter.forward, meter.backward = spent
    if len(litters) > 1:
        return [raise_litters(base, evaluator, [litter])[0] for litter in litters]
    litter = litters[0]
    half = len(litter.layers) // 2
    if half:
        parts = [_part(litter, slice(None, half)), _part(litter, slice(half, None))]
        return [[one for part in parts for one in raise_litters(base, evaluator, [part])[0]]]
    meter.backward += trained_positions(base, litter.studies, litter.plan)
    return [[Raised(None, f"its study failed ({cause})")]]


def _part(litter: Litter, part: slice) -> Litter:
    return replace(
        litter,
        layers=litter.layers[part],
        studies=litter.studies[part],
        rates=None if litter.rates is None else litter.rates[part],
        below=None if litter.below is None else litter.below[part],
    )


OPERATOR = "cma"
POPULATION = 8
"""Weights tried at a time."""
ROUNDS = 5
QUESTIONS = 16
"""Train questions that the search listens to."""
SIGMA = 0.3
"""First standard deviation of a weight; 1.0 = a layer as trained."""


def tune(run: Evolution, bench: Workbench, children: list[Child]) -> list[Child]:
    """Search weights for all children of the operator; the others pass unchanged."""
    return [child for child in children if child.operator != OPERATOR or _tuned(run, bench, child)]


def _tuned(run: Evolution, bench: Workbench, child: Child) -> bool:
    """Give a child its weights; False where it is discarded."""
    candidate = child.candidate
    skill = bench.skills[candidate.niche]
    rng = run.rng("tune", candidate.id)
    questions = niche_questions(run, bench, skill, QUESTIONS, rng)
    cost = bench.scoring_cost(1 + ROUNDS * POPULATION, questions)
    cause = ""
    if not questions:
        cause = "nothing written to be tuned by"
    elif not bench.budget.affords(cost):
        cause = "no budget left to be tuned"
    else:
        before = bench.budget.spent
        found = search(run, bench, candidate.genes, questions, rng)
        child.tokens += bench.budget.spent - before
        if found is None:
            cause = "no mixture likelier than its mother"
        else:
            candidate.genes = found
    if cause:
        bench.observe(Discarded(run.generation, candidate.id, child.operator, cause))
    return not cause


def search(
    run: Evolution,
    bench: Workbench,
    genes: Genes,
    questions: Sequence[Challenge],
    rng: np.random.Generator,
) -> Genes | None:
    """The likeliest weights met, or None if none beats the ones it starts from.

    The common ancestor keeps its weight: all else was learned on top of it as it is.
    """
    fixed = int(bool(run.ancestor) and genes.layers[:1] == (run.ancestor,))
    start = np.clip(genes.weights[fixed:], LOW, HIGH).tolist()
    if not len(start):
        return None
    seed = int(rng.integers(2**31))
    walk = WeightSearch(len(start), SIGMA, seed, start=start, population=POPULATION)
    best, found = _fitness(bench, [genes], questions)[0], None
    for _ in range(ROUNDS):
        asked = [
            replace(genes, weights=(*genes.weights[:fixed], *tried))
            for tried in walk.ask().tolist()
        ]
        fitness = _fitness(bench, asked, questions)
        walk.tell(fitness)
        top = int(fitness.argmax())
        if fitness[top] > best:
            best, found = fitness[top], asked[top]
    return found


def _fitness(
    bench: Workbench, genes: Sequence[Genes], questions: Sequence[Challenge]
) -> np.ndarray:
    """Mean log-likelihood of the right answers in nats per token, (n_genes,)."""
    genomes = [one.genome(bench.pool) for one in genes]
    return np.asarray(-bench.evaluator.losses(genomes, questions).mean(1))
