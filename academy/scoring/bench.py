"""A batch of questions of mixed kinds, asked of loaded genomes and scored kind by kind.

An item that cannot be scored costs itself and nothing else: a batch that raises is halved until
the item that is to blame stands alone, which then scores 0 and is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from academy.answering import greedy_answers
from academy.challenge import Challenge, prompts_and_answers
from academy.errors import ScoringRefusedError
from academy.scoring.scorer import (
    KINDS,
    Failures,
    Kind,
    Scorer,
    answer_losses,
    choice_hits,
    exact_hits,
    guarded,
    kind_of,
    option_rows,
)
from academy.training import TokenMeter
from genome.base_model import BaseModel, Rows
from genome.population import PopulationModel

OPTION_ROWS = 512
"""Rows per forward pass at most over the options of multiple-choice questions."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the genome in one slot."""

    slot: int
    challenge: Challenge


Measure = Callable[[Sequence[Asked]], np.ndarray]
"""n questions -> (n,) float64."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What scoring needs at hand; the genomes asked are loaded in `population`."""

    base: BaseModel
    population: PopulationModel
    tokens: TokenMeter
    failures: Failures
    scorers: Mapping[Kind, Scorer]
    """Kinds that are answered in writing, with the scorer of the answer."""
    max_new_tokens: Mapping[Kind, int]

    def scores(self, asked: Sequence[Asked]) -> np.ndarray:
        """The worth in [0, 1] of every answer, (n_asked,) float; kinds may be mixed."""
        kinds = [kind_of(one.challenge) for one in asked]
        scores = np.zeros(len(asked))
        for kind in KINDS:
            places = [i for i, found in enumerate(kinds) if found == kind]
            if places:
                measure = self._measure(kind)
                scores[places] = self._halving([asked[i] for i in places], measure, 0.0)
        return scores

    def losses(self, asked: Sequence[Asked]) -> np.ndarray:
        """Mean negative log-likelihood per token of every right answer, in nats, (n_asked,).

        What cannot be measured counts as the loss of one who knows nothing, log(vocabulary).
        """
        ignorance = math.log(len(self.base.tokenizer))
        return self._halving(asked, lambda part: self._forced(part, answer_losses), ignorance)

    def _measure(self, kind: Kind) -> Measure:
        if (scorer := self.scorers.get(kind)) is not None:
            return lambda asked: self._written(asked, kind, guarded(scorer, self.failures))
        if kind == "choice":
            return self._choices
        if kind == "exact":
            return lambda asked: self._forced(asked, exact_hits)
        raise ScoringRefusedError(f"no scorer for {kind!r} questions: give the evaluator one")

    def _halving(self, asked: Sequence[Asked], measure: Measure, failed: float) -> np.ndarray:
        try:
            return measure(asked)
        except ScoringRefusedError:
            raise
        except Exception as error:
            if len(asked) == 1:
                self.failures.add(asked[0].challenge, error)
                return np.array([failed])
        half = len(asked) // 2
        parts = [self._halving(part, measure, failed) for part in (asked[:half], asked[half:])]
        return np.concatenate(parts)

    def _forced(
        self, asked: Sequence[Asked], measure: Callable[[BaseModel, Rows], np.ndarray]
    ) -> np.ndarray:
        """Right answers under teacher forcing, in one pass where they fit together."""
        prompts, answers = prompts_and_answers([one.challenge for one in asked])
        return self._in_passes([one.slot for one in asked], prompts, answers, measure)

    def _choices(self, asked: Sequence[Asked]) -> np.ndarray:
        """Every option's loss, then which is least."""
        challenges = [one.challenge for one in asked]
        prompts, options, counts = option_rows(challenges)
        slots = [one.slot for one, n in zip(asked, counts, strict=True) for _ in range(n)]
        losses = self._in_passes(slots, prompts, options, answer_losses, most=OPTION_ROWS)
        return choice_hits(challenges, losses)

    def _written(self, asked: Sequence[Asked], kind: Kind, score: Scorer) -> np.ndarray:
        """Answers generated together; equal answers to one question are scored once."""
        answers = greedy_answers(
            self.base,
            self.population,
            [one.slot for one in asked],
            [one.challenge.prompt for one in asked],
            self.max_new_tokens[kind],
            self.tokens,
        )
        worth: dict[tuple[str, str], float] = {}
        for one, answer in zip(asked, answers, strict=True):
            key = one.challenge.id, answer
            if key not in worth:
                worth[key] = score(one.challenge, answer)
        return np.array([worth[one.challenge.id, a] for one, a in zip(asked, answers, strict=True)])

    def _in_passes(
        self,
        slots: Sequence[int],
        prompts: Sequence[str],
        answers: Sequence[str],
        measure: Callable[[BaseModel, Rows], np.ndarray],
        most: int | None = None,
    ) -> np.ndarray:
        values = np.zeros(len(slots))
        for part in self.base.batches(prompts, answers, most=most):
            rows = self.base.rows([prompts[i] for i in part], [answers[i] for i in part])
            with torch.no_grad(), self.population.rows([slots[i] for i in part]):
                values[part] = measure(self.base, rows)
            self.tokens.forward += rows.n_tokens
        return values
