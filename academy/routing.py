"""A population as one helper: every question goes to the layer that search finds for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.apprenticeship.apprentice import Apprentice
from academy.apprenticeship.apprenticeship import Apprenticeship
from academy.apprenticeship.selection import profiles
from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.exam import SkillAccuracies, exam_sheet, general_sheet
from academy.skills import SKILL_NAMES
from genome.embedding import Encoder, ability_vector, layer_vector
from genome.genome import Genome
from genome.search.finder import Calibration, calibrate
from genome.search.index import Index

ADVICE_QUESTIONS = 20
"""Select questions per skill that the advice is calibrated on."""


@dataclass(frozen=True)
class RoutedResult:
    """How a routed population did on the general test exam."""

    accuracies: SkillAccuracies
    right_specialist: float | None
    """Share of questions, among skills some layer specialises in, sent to such a layer; None
    where no layer specialises in any."""


def skill_leaders(run: Apprenticeship) -> list[tuple[str, Apprentice]]:
    """The candidate with the best estimate for each skill, nobody twice, (skill, candidate)."""
    best = profiles(run.population).argmax(0)  # (n_skills,)
    leaders: dict[int, tuple[str, Apprentice]] = {}
    for name, i in zip(SKILL_NAMES, best, strict=True):
        leaders.setdefault(int(i), (name, run.population[i]))
    return list(leaders.values())


def ability_vectors(
    evaluator: LocalEvaluator,
    encoder: Encoder,
    genomes: Sequence[Genome],
    texts: Sequence[str],
    n_per_skill: int,
) -> np.ndarray:
    """A search vector per genome from general select questions, (n_genomes, width).

    Args:
        texts: What every genome says of itself (`genome.embedding.searchable_text`).
    """
    sheet = general_sheet(n_per_skill, "select")
    base = Genome(evaluator.base.fingerprint)
    scores = evaluator.scores([base, *genomes], sheet)
    evidence = encoder.evidence([c.prompt for c in sheet])
    exams = [c.skill for c in sheet]
    return np.stack(
        [
            layer_vector(ability_vector(evidence, row - scores[0], exams), words, n_per_skill)
            for row, words in zip(scores[1:], encoder.describe(texts), strict=True)
        ]
    )


def routed_accuracy(
    evaluator: LocalEvaluator,
    encoder: Encoder,
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
) -> float | None:
    covered = [name for name in SKILL_NAMES if name in niches]
    right = [
        niches[i] == challenge.skill
        for i, challenge in zip(chosen, sheet, strict=True)
        if challenge.skill in covered
    ]
    return float(np.mean(right)) if right else None


def calibrate_advice(
    encoder: Encoder, encoder_id: str, vectors: np.ndarray, niches: Sequence[str], n_seen: int
) -> Calibration | None:
    """Thresholds for reuse, fork and mint from select questions that made none of the vectors.

    Args:
        niches: The skill each layer is known for, (n_layers,).
        n_seen: Questions per skill that the vectors were made from; the next ones are asked.

    Returns:
        None with fewer than two different niches: then nothing tells near from far.
    """
    if len(set(niches)) < 2:
        return None
    sheets = [
        exam_sheet(name, n_seen + ADVICE_QUESTIONS, "select")[n_seen:] for name in SKILL_NAMES
    ]
    asked = [c for sheet in sheets for c in sheet]
    questions = encoder.encode([c.prompt for c in asked])
    return calibrate(encoder_id, vectors, niches, questions, [c.skill for c in asked])
