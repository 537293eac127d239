"""Another persona as judge of two answers, asked twice with the answers in either order.

A language model prefers a position as readily as an answer (Zheng et al. 2023, "Judging
LLM-as-a-judge", section 3.4), so a verdict counts only if it survives the swap; else it is a
tie. The judge writes nothing: its verdict is which of `A` and `B` it finds likelier. How often
it agrees with exact scores says what it is worth where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from academy.challenge import Challenge
from academy.errors import ScoringError
from academy.scoring.scorer import answer_losses, without_end
from academy.statistics.intervals import wilson_interval
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel

PROMPT = "{question}\nA: {first}\nB: {second}\nWhich answer is right, A or B?"
LABELS = ("A", "B")
ROWS = 256


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with two answers to compare."""

    question: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judge thought of a list of pairs."""

    lean: np.ndarray
    """(n_pairs, 2): log-odds for the pair's first answer, shown as A and shown as B."""

    @property
    def worth(self) -> np.ndarray:
        """(n_pairs,): 1 = the first answer won, 0 = the second, 0.5 = a tie."""
        both = self.lean[:, 0], self.lean[:, 1]
        won = (both[0] > 0) & (both[1] > 0)
        lost = (both[0] < 0) & (both[1] < 0)
        return np.where(won, 1.0, np.where(lost, 0.0, 0.5))

    @property
    def consistency(self) -> float:
        """Share of pairs whose verdict survived the swap; 0.0 where there are no pairs."""
        return float((self.worth != 0.5).mean()) if len(self.lean) else 0.0

    @property
    def position_bias(self) -> float:
        """Share of verdicts for whatever stood at A: 0.5 = none."""
        if not len(self.lean):
            return 0.5
        return float(np.mean([(self.lean[:, 0] > 0).mean(), (self.lean[:, 1] < 0).mean()]))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a judge did on pairs of which exactly one answer is right."""

    n_pairs: int
    n_agreed: int
    n_ties: int

    @property
    def rate(self) -> float:
        """Share of decided verdicts that are right; 0.5, as by chance, where none is decided."""
        decided = self.n_pairs - self.n_ties
        return self.n_agreed / decided if decided else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of `rate`."""
        return wilson_interval(self.n_agreed, self.n_pairs - self.n_ties)


def agreement(verdicts: Verdicts, first: np.ndarray, second: np.ndarray) -> Agreement:
    """Compare verdicts with exact scores of both answers of each pair, (n_pairs,) each.

    Raises:
        ScoringError: There is not one score per pair.
    """
    worth, difference = verdicts.worth, np.asarray(first) - np.asarray(second)
    if difference.shape != worth.shape:
        raise ScoringError(
            f"{len(worth)} verdicts cannot be compared with {difference.size} pairs of scores: "
            "give one score per answer"
        )
    told = difference != 0
    right = worth[told] == (difference[told] > 0)
    return Agreement(int(told.sum()), int(right.sum()), int((worth[told] == 0.5).sum()))


class Judge:
    """A genome that compares answers."""

    def __init__(self, base: BaseModel, genome: Genome, tokens: TokenMeter | None = None) -> None:
        """Load the judge.

        Args:
            tokens: Is charged with every position read.
        """
        self.base = base
        self.tokens = tokens or TokenMeter()
        self._population = PopulationModel(base.model)
        self._slot = self._population.load([genome.on(base.fingerprint)])[0]

    def reads(self, pair: Pair) -> bool:
        """Whether the base has positions and memory for the question with both answers."""
        prompt = self._prompt(pair.question, pair.first, pair.second)
        return self.base.refusal(prompt, len(self.base.prompt_ids([prompt])[0]) + 1, 1) is None

    def verdicts(self, pairs: Sequence[Pair]) -> Verdicts:
        """Compare both answers of every pair, in both orders."""
        if not pairs:
            return Verdicts(np.zeros((0, 2)))
        prompts = [self._prompt(p.question, p.first, p.second) for p in pairs]
        prompts += [self._prompt(p.question, p.second, p.first) for p in pairs]
        for_a = self._losses(prompts, LABELS[1]) - self._losses(prompts, LABELS[0])
        as_a, as_b = np.split(for_a, 2)
        lean = np.stack([as_a, -as_b], 1)
        for i, pair in enumerate(pairs):
            if pair.first == pair.second:
                lean[i] = 0.0
        return Verdicts(np.nan_to_num(lean, nan=0.0))

    def score(self, challenge: Challenge, response: str) -> float:
        """A response's worth against the stored answer: better 1, as good 1, tied 0.5, worse 0.

        Usable as a scorer of written answers (`academy.scoring.scorer.Scorer`).
        """
        if response == challenge.answer:
            return 1.0
        pair = Pair(challenge.prompt, response, challenge.answer)
        return float(self.verdicts([pair]).worth[0])

    def _prompt(self, question: str, a: str, b: str) -> str:
        return PROMPT.format(question=question, first=a, second=b)

    def _losses(self, prompts: Sequence[str], label: str) -> np.ndarray:
        """Negative log-likelihood of a label as the answer's beginning, (n_prompts,)."""
        losses = np.zeros(len(prompts))
        labels = [label] * len(prompts)
        for part in self.base.batches(prompts, labels, most=ROWS):
            rows = without_end(self.base.rows([prompts[i] for i in part], labels[: len(part)]))
            with torch.no_grad(), self._population.rows([self._slot] * len(part)):
                losses[part] = answer_losses(self.base, rows)
            self.tokens.forward += rows.n_tokens
        return losses
