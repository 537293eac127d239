"""A population as one helper: every question goes to the layer that search finds for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.candidate import Candidate
from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.evolution import Evolution
from academy.exam import SkillAccuracies, general_sheet
from academy.selection import profiles
from academy.skills import SKILL_NAMES
from genome.embedding import QuestionEncoder, ability_vector
from genome.genome import Genome
from genome.index import Index


@dataclass(frozen=True)
class RoutedResult:
    """How a routed population did on the general test exam."""

    accuracies: SkillAccuracies
    right_specialist: float
    """Share of questions, among skills some layer specialises in, sent to such a layer."""


def skill_leaders(run: Evolution) -> list[tuple[str, Candidate]]:
    """The candidate with the best estimate for each skill, nobody twice, (skill, candidate)."""
    best = profiles(run.population).argmax(0)  # (n_skills,)
    leaders: dict[int, tuple[str, Candidate]] = {}
    for name, i in zip(SKILL_NAMES, best, strict=True):
        leaders.setdefault(int(i), (name, run.population[i]))
    return list(leaders.values())


def ability_vectors(
    evaluator: LocalEvaluator,
    encoder: QuestionEncoder,
    genomes: Sequence[Genome],
    n_per_skill: int,
) -> np.ndarray:
    """A search vector per genome from general select questions, (n_genomes, width)."""
    sheet = general_sheet(n_per_skill, "select")
    base = Genome(evaluator.base.fingerprint)
    scores = evaluator.scores([base, *genomes], sheet)
    questions = encoder.encode([c.prompt for c in sheet])
    return np.stack([ability_vector(questions, row - scores[0]) for row in scores[1:]])


def routed_accuracy(
    evaluator: LocalEvaluator,
    encoder: QuestionEncoder,
    genomes: Sequence[Genome],
    niches: Sequence[str],
    vectors: np.ndarray,
    n_per_skill: int,
) -> RoutedResult:
    """Answer the general test exam, each question by the genome nearest to it."""
    sheet = general_sheet(n_per_skill, "test")
    index = Index([str(i) for i in range(len(genomes))], vectors)
    nearest = index.nearest(encoder.encode([c.prompt for c in sheet]), 1)
    chosen = np.array([int(hits[0][0]) for hits in nearest])
    scores = np.zeros(len(sheet))
    for i, genome in enumerate(genomes):
        mine = np.flatnonzero(chosen == i)
        if len(mine):
            scores[mine] = evaluator.scores([genome], [sheet[j] for j in mine])[0]
    return RoutedResult(SkillAccuracies.of(scores), _right_specialist(sheet, chosen, niches))


def _right_specialist(
    sheet: Sequence[Challenge], chosen: np.ndarray, niches: Sequence[str]
) -> float:
    covered = [name for name in SKILL_NAMES if name in niches]
    right = [
        niches[i] == challenge.skill
        for i, challenge in zip(chosen, sheet, strict=True)
        if challenge.skill in covered
    ]
    return float(np.mean(right)) if right else 0.0
