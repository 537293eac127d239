"""Children that study: litters trained on questions of their niches, within the budget.

What a litter costs is known exactly before it is trained, so all litters of a generation can be
handed to the evaluator at once (a cluster trains them side by side) and the budget still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.challenge import Challenge
from academy.distributed.tasks import Litter
from academy.evolution import schooling
from academy.evolution.budget import TRAINED, width
from academy.evolution.candidate import Candidate
from academy.evolution.events import Discarded
from academy.evolution.litters import raise_litters
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench
from academy.operators.memetic import study_rows
from academy.training import StudyPlan, trained_positions
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
    """Token-equivalents, exactly."""


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
    each = TRAINED * plan.n_rows * max(width(bench.base, questions) for _, questions in pairs)
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
    cost = TRAINED * trained_positions(bench.base, studies, plan)
    return _Class([child for child, _ in pairs], litter, cost)


def _questions(run: Evolution, bench: Workbench, child: Child, n: int) -> list[Challenge]:
    skill = bench.skills[child.candidate.niche]
    return schooling.niche_questions(run, bench, skill, n, run.rng("study", child.candidate.id))


def _below(genome: Genome) -> Genome:
    """The genome without its top layer."""
    return Genome(genome.base_model, genome.layers[:-1], genome.weights[:-1])


def _row_width(bench: Workbench, child: Child) -> tuple[int, int]:
    rng = np.random.default_rng(0)
    some = bench.study(bench.skills[child.candidate.niche], 16, rng)
    return width(bench.base, some) if some else 0, child.candidate.id


def _discard(run: Evolution, bench: Workbench, child: Child, cause: str) -> None:
    bench.observe(Discarded(run.generation, child.candidate.id, child.operator, cause))
