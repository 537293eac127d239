"""Children that study: trained litter by litter on questions of their niche, within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.evolution import schooling
from academy.evolution.budget import TRAINED, width
from academy.evolution.candidate import Candidate
from academy.evolution.events import Discarded
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench
from academy.operators.memetic import litter
from academy.training import StudyPlan

LITTER = 6
"""Most children trained in one backward pass."""


@dataclass
class Child:
    """A candidate on its way into the world."""

    candidate: Candidate
    operator: str
    tokens: int = 0
    """What making and scoring it has cost."""


def study(run: Evolution, bench: Workbench, children: list[Child]) -> list[Child]:
    """Train all that study, litter by litter; those with numbers that are not finite are lost."""
    settings = run.config.operators
    lost = set()
    for operator in dict.fromkeys(c.operator for c in children):
        if not operator.startswith("memetic-"):
            continue
        steps = int(operator.removeprefix("memetic-"))
        plan = StudyPlan(steps, settings.rows, settings.learning_rate, settings.pull)
        group = [c for c in children if c.operator == operator]
        group.sort(key=lambda c: _row_width(bench, c))  # alike rows together: less padding
        for start in range(0, len(group), LITTER):
            lost |= _study_together(run, bench, group[start : start + LITTER], plan)
    return [c for c in children if c.candidate.id not in lost]


def _row_width(bench: Workbench, child: Child) -> tuple[int, int]:
    rng = np.random.default_rng(0)
    some = bench.study(bench.skills[child.candidate.niche], 16, rng)
    return width(bench.base, some), child.candidate.id


def _study_together(
    run: Evolution, bench: Workbench, group: Sequence[Child], plan: StudyPlan
) -> set[int]:
    """Train a litter; the ids of those that did not survive it or that nothing was left for."""
    studies = [
        schooling.niche_questions(
            run,
            bench,
            bench.skills[c.candidate.niche],
            plan.n_rows,
            run.rng("study", c.candidate.id),
        )
        for c in group
    ]
    lost = {c.candidate.id for c, study in zip(group, studies, strict=True) if not study}
    for child in group:
        if child.candidate.id in lost:
            cause = "nothing written to study"
            bench.observe(Discarded(run.generation, child.candidate.id, child.operator, cause))
    group = [c for c in group if c.candidate.id not in lost]
    studies = [study for study in studies if study]
    if not group:
        return lost
    widest = max(width(bench.base, study) for study in studies)
    each = TRAINED * plan.n_rows * widest
    able = max(0, bench.budget.left // each)
    lost |= {c.candidate.id for c in group[able:]}
    group, studies = group[:able], studies[:able]
    if not group:
        return lost
    layers = [bench.pool.get(c.candidate.genes.layers[-1]) for c in group]
    below = [c.candidate.genes.genome(bench.pool) for c in group]
    below = [type(g)(g.base_model, g.layers[:-1], g.weights[:-1]) for g in below]
    before = bench.budget.spent
    raised = litter(_Teacher(bench), layers, below, studies, plan)
    cost = (bench.budget.spent - before) // len(group)
    for child, one in zip(group, raised, strict=True):
        child.tokens += cost
        if one.layer is None:
            bench.observe(Discarded(run.generation, child.candidate.id, child.operator, one.cause))
            lost.add(child.candidate.id)
        else:
            genes = child.candidate.genes
            child.candidate.genes = genes.topped(bench.pool.add(one.layer))
    return lost


class _Teacher:
    """An evaluator with its base, as `litter` wants it."""

    def __init__(self, bench: Workbench) -> None:
        self.base = bench.base
        self.train = bench.evaluator.train
