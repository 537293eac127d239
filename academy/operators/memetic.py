"""Memetic mutation: a child studies, for a few gradient steps, where it is weakest.

k in {4, 16, 64} steps of AdamW on one niche with the loss L + pull * ||delta - delta_parent||^2;
what is learned is inherited (Lamarckian, as in memetic algorithms: Moscato 1989), and every
token is charged to the evaluator's meter. A whole litter studies in one pass
(`academy.training.train_litter`). Children that come out with NaN or infinities are no children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.operators.errors import OperatorError, check_between
from academy.training import StudyPlan
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer

STEPS = (4, 16, 64)


class Teacher(Protocol):
    """What of an evaluator a litter needs."""

    base: BaseModel

    def train(
        self,
        layers: Sequence[Layer],
        studies: Sequence[Rows],
        plan: StudyPlan,
        *,
        rates: Sequence[float] | None = None,
        below: Sequence[Genome] | None = None,
    ) -> list[Layer]:
        """As `academy.evaluator.Evaluator.train`."""
        ...


@dataclass(frozen=True, slots=True)
class MemeticPlan:
    """How children study.

    Raises:
        OperatorError: There are no steps to choose from, or a number is out of bounds.
    """

    steps: tuple[int, ...] = STEPS
    """How many steps a child may take; drawn evenly."""
    rows_per_step: int = 16
    learning_rate: float = 0.005
    pull: float = 0.0
    """Weight of the squared distance to the parent."""

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 1:
            raise OperatorError(f"steps {self.steps} are no study: choose one or more of 1 and up")
        check_between("rows_per_step", self.rows_per_step, 1, 1_000_000)
        check_between("learning_rate", self.learning_rate, 1e-12, 10.0)
        check_between("pull", self.pull, 0.0, 1e9)

    def draw(self, rng: np.random.Generator) -> StudyPlan:
        """One child's plan."""
        return self.study(self.steps[int(rng.integers(len(self.steps)))])

    def study(self, steps: int) -> StudyPlan:
        """The plan of a child that takes this many steps."""
        return StudyPlan(steps, self.rows_per_step, self.learning_rate, self.pull)


class Raised(NamedTuple):
    """What became of a child."""

    layer: Layer | None
    """Trained; None if it has to be discarded."""
    cause: str = ""
    """Why it has to be."""


def weakest_niche(
    profile: Sequence[float] | np.ndarray,
    reference: Sequence[float] | np.ndarray,
    weights: Sequence[float] | np.ndarray,
    rng: np.random.Generator,
) -> int:
    """Index of the niche with the largest weighted shortfall; chance decides between equals.

    Args:
        profile: The child's estimated accuracies, (n_niches,).
        reference: What is known to be possible there, for instance the best living persona's;
            where the child is above it, nothing is missing.
        weights: What a niche is worth, for instance its demand; 0 = never study it unless all
            are 0.

    Raises:
        OperatorError: The three differ in size, or are empty.
    """
    own, best, worth = (np.asarray(x, dtype=np.float64) for x in (profile, reference, weights))
    if not own.size or own.ndim != 1 or own.shape != best.shape or own.shape != worth.shape:
        raise OperatorError(
            f"profile, reference and weights have sizes {own.shape}, {best.shape} and "
            f"{worth.shape}: give one number per niche in each"
        )
    short = worth * np.maximum(best - own, 0.0)
    if not short.any():  # nowhere behind: what is left to learn at all
        short = worth * (1.0 - own)
    candidates = np.flatnonzero(short >= short.max() - 1e-12)
    return int(candidates[rng.integers(len(candidates))])


def litter(
    teacher: Teacher,
    layers: Sequence[Layer],
    below: Sequence[Genome] | None,
    challenges: Sequence[Sequence[Challenge]],
    plan: StudyPlan | Sequence[StudyPlan],
    *,
    rates: Sequence[float] | None = None,
) -> list[Raised]:
    """Train every layer on its own challenges; those with one plan in one pass.

    Args:
        below: The frozen genome under each layer; None = the base alone.
        challenges: What each child studies, in order; begun again when they run out.
        plan: One for all, or one for each.
        rates: A learning rate for each child instead of its plan's.

    Returns:
        What became of each child, in the order given.

    Raises:
        OperatorError: The lists differ in length, or a child has nothing to study.
    """
    plans = [plan] * len(layers) if isinstance(plan, StudyPlan) else list(plan)
    _check_lengths(len(layers), below, challenges, plans, rates)
    raised: list[Raised] = [Raised(None)] * len(layers)
    for one in dict.fromkeys(plans):
        group = [i for i, own in enumerate(plans) if own == one]
        trained = teacher.train(
            [layers[i] for i in group],
            [study_rows(teacher.base, challenges[i], one) for i in group],
            one,
            rates=None if rates is None else [rates[i] for i in group],
            below=None if below is None else [below[i] for i in group],
        )
        for i, layer in zip(group, trained, strict=True):
            raised[i] = checked(layer)
    return raised


def checked(layer: Layer) -> Raised:
    """The layer, or why it cannot live: a number in it is NaN or infinite."""
    for module in sorted(layer.factors):
        for name, factor in zip("AB", layer.factors[module], strict=True):
            if not torch.isfinite(factor).all():
                bad = int((~torch.isfinite(factor)).sum())
                return Raised(None, f"{bad} of {factor.numel()} numbers of {name} at {module!r} "
                              "are not finite after study")  # fmt: skip
    return Raised(layer)


def study_rows(base: BaseModel, challenges: Sequence[Challenge], plan: StudyPlan) -> Rows:
    """Exactly `plan.n_rows` rows to study, the challenges over and over."""
    studied = challenges[: plan.n_rows]
    rows = base.rows(*prompts_and_answers(studied))
    again = torch.arange(plan.n_rows) % len(studied)
    return Rows(rows.input_ids[again], rows.labels[again])


def _check_lengths(
    n: int,
    below: Sequence[Genome] | None,
    challenges: Sequence[Sequence[Challenge]],
    plans: Sequence[StudyPlan],
    rates: Sequence[float] | None,
) -> None:
    lengths = {
        "genomes below": n if below is None else len(below), "lists of challenges": len(challenges),
        "plans": len(plans), "rates": n if rates is None else len(rates),
    }  # fmt: skip
    for what, length in lengths.items():
        if length != n:
            raise OperatorError(f"{length} {what} for {n} layers: give one for each")
    for i, own in enumerate(challenges):
        if not own:
            raise OperatorError(f"child {i} has no challenges to study: draw some, or leave it out")
