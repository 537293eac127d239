"""Any evaluator behind a guard: what raises costs its items, not the run.

A call that raises is tried again in halves until the item to blame stands alone; that one counts
as failed and is charged what it might have cost, so that a run whose every item fails still
comes to its budget. What failed in company is not charged. A refusal, a damaged run and a full
disk still end the run, and so does a person.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from academy.challenge import Challenge
from academy.errors import RunError, cause_of, ends_run
from academy.evaluator import Evaluator
from academy.evolution.workbench import scoring_cost
from academy.scoring.scorer import Failures
from academy.training import Moments, StudyPlan, TokenMeter
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer

Result = TypeVar("Result")
Measure = Callable[[Sequence[Genome], Sequence[Challenge]], np.ndarray]


class Guarded:
    """An evaluator that scores whatever happens, and knows how long its model was busy."""

    def __init__(self, inner: Evaluator, base: BaseModel) -> None:
        self.inner = inner
        self.base = base
        self.tokens: TokenMeter = inner.tokens
        self._own = Failures()
        self._began = time.perf_counter()
        self._model = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def failures(self) -> int:
        """Items that could not be scored, here or inside."""
        return int(getattr(self.inner, "failures", 0)) + self._own.count

    @property
    def failed(self) -> Failures:
        """The same with their causes, the last of them last."""
        inside = getattr(getattr(self.inner, "failed", None), "causes", ())
        return Failures(self.failures, [*inside, *self._own.causes])

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """As the evaluator's; 0 where it raised."""
        return self._measured(self.inner.scores, genomes, challenges, 0.0)

    def losses(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """As the evaluator's; the loss of one who knows nothing where it raised."""
        ignorance = math.log(len(self.base.tokenizer))
        return self._measured(self.inner.losses, genomes, challenges, ignorance)

    def train(
        self,
        layers: Sequence[Layer],
        studies: Sequence[Rows],
        plan: StudyPlan,
        *,
        rates: Sequence[float] | None = None,
        below: Sequence[Genome] | None = None,
    ) -> list[Layer]:
        """As the evaluator's; what raises is for `academy.evolution.study`, which knows whom."""
        return self._timed(self.inner.train, layers, studies, plan, rates=rates, below=below)

    def train_on(
        self, layer: Layer, study: Rows, plan: StudyPlan, moments: Moments | None = None
    ) -> tuple[Layer, Moments]:
        """As the evaluator's.

        Raises:
            RunError: It raised; there is no ancestor to go on with, and the run can be resumed.
        """
        try:
            return self._timed(self.inner.train_on, layer, study, plan, moments)
        except Exception as error:
            if ends_run(error):
                raise
            raise RunError(
                f"the evaluator failed to train the ancestor ({cause_of(error)}): repair it, then "
                "resume the run"
            ) from error

    def seconds(self) -> dict[str, float]:
        """Wall time by phase: `model` (inside the evaluator) and `other`."""
        whole = time.perf_counter() - self._began
        return {"model": self._model, "other": whole - self._model}

    def _timed(self, call: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            self._model += time.perf_counter() - began

    def _measured(
        self,
        measure: Measure,
        genomes: Sequence[Genome],
        challenges: Sequence[Challenge],
        failed: float,
    ) -> np.ndarray:
        shape = len(genomes), len(challenges)
        spent = self.tokens.forward, self.tokens.backward
        try:
            values = np.asarray(self._timed(measure, genomes, challenges), dtype=float)
            if values.shape != shape or np.isnan(values).any():
                raise ValueError(f"the evaluator gave {values.shape} numbers for {shape}, or NaN")
            return values
        except Exception as error:
            if ends_run(error):
                raise
            cause = error
        self.tokens.forward, self.tokens.backward = spent
        if 0 in shape:
            return np.zeros(shape)
        if shape == (1, 1):
            self._own.add(challenges[0], cause)
            self.tokens.forward += scoring_cost(self.base, 1, challenges)
            return np.full(shape, failed)
        if len(genomes) > 1:
            parts = [self._measured(measure, g, challenges, failed) for g in _halves(genomes)]
            return np.concatenate(parts, axis=0)
        parts = [self._measured(measure, genomes, c, failed) for c in _halves(challenges)]
        return np.concatenate(parts, axis=1)


def _halves(whole: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    half = len(whole) // 2
    return whole[:half], whole[half:]
