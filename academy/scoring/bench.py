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
from academy.errors import RuleError, ScoringRefusedError
from academy.scoring.rule import (
    COMPARISONS,
    KINDS,
    LIKELIHOOD,
    Kind,
    Scorer,
    exact_score,
    found_score,
    rule_of,
)
from academy.scoring.scorer import (
    Failures,
    answer_losses,
    choice_hits,
    first_slips,
    guarded,
    option_losses,
    option_rows,
    room_for,
)
from academy.training import TokenMeter
from genome.base_model import BaseModel, Rows
from genome.opening import without_opening
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
    """Of written answers, where not those of `academy.scoring.rule`."""
    max_new_tokens: Mapping[Kind, int]

    def scores(self, asked: Sequence[Asked]) -> np.ndarray:
        """The worth in [0, 1] of every answer, (n_asked,) float; kinds may be mixed."""
        kinds = self._kinds(asked)
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

    def _kinds(self, asked: Sequence[Asked]) -> list[Kind | None]:
        """How each is measured; None, counted, where its rule is none."""
        kinds: list[Kind | None] = []
        for one in asked:
            try:
                kinds.append(rule_of(one.challenge).kind)
            except RuleError as error:
                self.failures.add(one.challenge, error)
                kinds.append(None)
        return kinds

    def _measure(self, kind: Kind) -> Measure:
        scorer = self.scorers.get(kind)
        if scorer is None and kind == "exact":
            return self._exact
        if scorer is None and kind in LIKELIHOOD:
            return lambda asked: self._choices(asked, kind)
        scorer = scorer or COMPARISONS.get(kind)
        if scorer is None:
            raise ScoringRefusedError(
                f"no scorer for {kind!r} questions: give the evaluator one, as `continuum academy "
                "exam PERSONA --judge NAME` does"
            )
        score = guarded(found_score(scorer), self.failures)
        return lambda asked: self._written(asked, kind, score)

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

    def _exact(self, asked: Sequence[Asked]) -> np.ndarray:
        """By teacher forcing; what that leaves open is written out and compared."""
        challenges = [one.challenge for one in asked]
        slips = self._forced(asked, first_slips)  # (n_asked, 2)
        hits = (slips[:, 0] < 0).astype(np.float64)
        if unsettled := self._unsettled(challenges, slips):
            room = room_for([challenges[i] for i in unsettled])
            answers = self._answers([asked[i] for i in unsettled], room, wanted=True)
            for i, answer in zip(unsettled, answers, strict=True):
                hits[i] = exact_score(challenges[i], answer)
        return hits

    def _unsettled(self, challenges: Sequence[Challenge], slips: np.ndarray) -> list[int]:
        """Places of answers whose text can be right or wrong for all that their slips show."""
        spelling = self.base.spelling
        manifold = [i for i, c in enumerate(challenges) if not spelling.once(c.answer)]
        if not manifold:
            return []
        spelt = self.base.answer_ids([challenges[i].answer for i in manifold])
        return [
            i
            for i, ids in zip(manifold, spelt, strict=True)
            if not spelling.settles(challenges[i].answer, ids[:-1], *slips[i].tolist())
        ]

    def _choices(self, asked: Sequence[Asked], kind: Kind) -> np.ndarray:
        """Every option's loss, then which is least."""
        challenges = [one.challenge for one in asked]
        prompts, options, counts = option_rows(challenges)
        slots = [one.slot for one, n in zip(asked, counts, strict=True) for _ in range(n)]
        measure = answer_losses if kind == "choice" else option_losses
        losses = self._in_passes(slots, prompts, options, measure, most=OPTION_ROWS)
        if kind == "acc_norm":
            losses = losses / [len(option) for option in options]
        return choice_hits(challenges, losses)

    def _written(self, asked: Sequence[Asked], kind: Kind, score: Scorer) -> np.ndarray:
        """Answers generated together; equal answers to one question are scored once."""
        answers = self._answers(asked, self.max_new_tokens[kind])
        worth: dict[tuple[str, str], float] = {}
        for one, answer in zip(asked, answers, strict=True):
            key = one.challenge.id, answer
            if key not in worth:
                worth[key] = score(one.challenge, answer)
        return np.array([worth[one.challenge.id, a] for one, a in zip(asked, answers, strict=True)])

    def _answers(self, asked: Sequence[Asked], room: int, *, wanted: bool = False) -> list[str]:
        """What is written; with `wanted`, only for as long as it can still become the answer."""
        slots = [one.slot for one in asked]
        prompts = [one.challenge.prompt for one in asked]
        only = [one.challenge.answer for one in asked] if wanted else None
        return greedy_answers(
            self.base, self.population, slots, prompts, room, self.tokens, wanted=only
        )

    def _in_passes(
        self,
        slots: Sequence[int],
        prompts: Sequence[str],
        answers: Sequence[str],
        measure: Callable[[BaseModel, Rows], np.ndarray],
        most: int | None = None,
    ) -> np.ndarray:
        values = np.zeros(0)
        for part in self.base.batches(prompts, answers, most=most):
            part.sort(key=lambda i: slots[i])  # a genome's rows side by side
            mine = [slots[i] for i in part]
            rows = self.base.rows([prompts[i] for i in part], [answers[i] for i in part])
            n = 0
            with torch.no_grad():
                if self.base.is_wide:  # else whole rows are as quick, and their last bits stay
                    rows, n = without_opening(self.population, mine, rows)
                with self.population.rows(mine):
                    found = measure(self.base, rows)
            if not len(values):
                values = np.zeros((len(slots), *found.shape[1:]), found.dtype)
            values[part] = found
            self.tokens.forward += rows.n_tokens + n * len(set(mine))
        return values
