"""What search knows of a layer: its ability vector, and from which likeness it counts as found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet, general_sheet
from academy.skills.curriculum import curriculum
from genome.embedding import Encoder, ability_vector, layer_vector
from genome.genome import Genome
from genome.search.finder import Calibration, calibrate

ADVICE_QUESTIONS = 20
"""Select questions per skill that the advice is calibrated on."""


def ability_vectors(
    evaluator: LocalEvaluator,
    encoder: Encoder,
    genomes: Sequence[Genome],
    texts: Sequence[str],
    n_per_skill: int,
) -> np.ndarray:
    """A search vector per genome, from all that its base is taught, (n_genomes, width).

    Args:
        texts: What every genome says of itself (`genome.embedding.searchable_text`).
    """
    sheet = general_sheet(curriculum(evaluator.base).names, n_per_skill, "select")
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


def calibrate_advice(
    encoder: Encoder,
    encoder_id: str,
    vectors: np.ndarray,
    niches: Sequence[str],
    skills: Sequence[str],
    n_seen: int,
) -> Calibration | None:
    """Thresholds for reuse, fork and mint from select questions that made none of the vectors.

    Args:
        niches: The skill each layer is known for, (n_layers,).
        skills: What is asked: all that the layers' base is made for.
        n_seen: Questions per skill that the vectors were made from; the next ones are asked.

    Returns:
        None with fewer than two different niches: then nothing tells near from far.
    """
    if len(set(niches)) < 2:
        return None
    sheets = [exam_sheet(name, n_seen + ADVICE_QUESTIONS, "select")[n_seen:] for name in skills]
    asked = [c for sheet in sheets for c in sheet]
    questions = encoder.encode([c.prompt for c in asked])
    return calibrate(encoder_id, vectors, niches, questions, [c.skill for c in asked])
