"""Memetic mutation: a child studies its niche for a few gradient steps.

k in {4, 16, 64} steps of AdamW on one niche with the loss L + pull * ||delta - delta_parent||^2;
what is learned is inherited (Lamarckian, as in memetic algorithms: Moscato 1989), and every
token is charged to the evaluator's meter. Whole litters study in one pass
(`academy.training.train_litter`, put together by `academy.evolution.study`). Here is what one
child needs: its rows, and whether what came out can live.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.training import StudyPlan
from genome.base_model import BaseModel, Rows
from genome.layer import Layer


class Raised(NamedTuple):
    """What became of a child."""

    layer: Layer | None
    """Trained; None if it has to be discarded."""
    cause: str = ""
    """Why it has to be."""


def checked(layer: Layer) -> Raised:
    """The layer, or why it cannot live: a number in it is NaN or infinite."""
    for module in sorted(layer.factors):
        for name, factor in zip("AB", layer.factors[module], strict=True):
            if not torch.isfinite(factor).all():
                bad = int((~torch.isfinite(factor)).sum())
                return Raised(
                    None,
                    f"{bad} of {factor.numel()} numbers of {name} at {module!r} "
                    "are not finite after study",
                )
    return Raised(layer)


def study_rows(base: BaseModel, challenges: Sequence[Challenge], plan: StudyPlan) -> Rows:
    """Exactly `plan.n_rows` rows to study, the challenges over and over."""
    studied = challenges[: plan.n_rows]
    rows = base.rows(*prompts_and_answers(studied))
    again = torch.arange(plan.n_rows) % len(studied)
    return Rows(rows.input_ids[again], rows.labels[again])
