"""Which way a challenge is scored, and scorers of written answers that cannot stop a run.

What scoring may cost at most, known before it is done: forward tokens, padding included.

The strict headline: an answer is right or it is not, character by character.

Multiple choice without generation: the option the model finds likeliest, per token.

Options are compared by their mean log-likelihood per token, end of sequence included; sums
would favour short options (the `acc_norm` of the LM Evaluation Harness, Gao et al. 2021, which
divides by bytes).

What a model makes of given answers in one forward pass (teacher forcing).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.errors import ExamFailedError, ScoringRefusedError, cause_of
from academy.scoring.numeric import numeric_score
from genome.base_model import IGNORED, BaseModel, Rows

Kind = Literal["exact", "choice", "numeric", "tests"]
KINDS: tuple[Kind, ...] = ("exact", "choice", "numeric", "tests")
Scorer = Callable[[Challenge, str], float]
"""(challenge, response) -> worth in [0, 1]."""
KEPT_CAUSES = 20


def kind_of(challenge: Challenge) -> Kind:
    """How a challenge is scored: by what it gives besides question and answer."""
    if challenge.tests:
        return "tests"
    if challenge.choices:
        return "choice"
    return "exact" if challenge.tolerance is None else "numeric"


@dataclass(slots=True)
class Failures:
    """Scorings that went wrong: how many, and what the first of them said."""

    count: int = 0
    causes: list[str] = field(default_factory=list)
    """At most KEPT_CAUSES, each one line."""
    last: str = ""
    """The cause of the newest failure here, without its question; else what others say."""

    def add(self, challenge: Challenge, error: BaseException) -> None:
        """Count one challenge that could not be scored."""
        self.last = cause_of(error)
        self.merge(1, [f"{challenge.skill} {challenge.prompt[:60]!r}: {self.last}"])

    def refuse_most(self, n_failed: int, n_asked: int) -> None:
        """Let a result stand only if at most half of its answers could not be scored.

        Raises:
            ExamFailedError: With the last cause; what fails most of an exam fails all alike.
        """
        if n_failed * 2 > n_asked:
            raise ExamFailedError(
                f"{n_failed} of {n_asked} answers could not be scored ({self.last}), so that "
                "there is no result: remove the cause and ask again"
            )

    def merge(self, count: int, causes: list[str]) -> None:
        """Take over what another process counted."""
        self.count += count
        self.causes += causes[: KEPT_CAUSES - len(self.causes)]
        self.last = self.last or "".join(causes[-1:])


def guarded(scorer: Scorer, failures: Failures) -> Scorer:
    """A scorer that gives 0.0, and counts it, where the one given raises or leaves [0, 1].

    What refuses to score at all, such as code questions without a sandbox, still raises.
    """

    def score(challenge: Challenge, response: str) -> float:
        try:
            worth = float(scorer(challenge, response))
            if not 0.0 <= worth <= 1.0:  # also true for nan
                raise ValueError(f"a score of {worth} is outside [0, 1]")
        except ScoringRefusedError:
            raise
        except Exception as error:
            failures.add(challenge, error)
            return 0.0
        return worth

    return score


def response_scorers(tests: Scorer) -> Mapping[Kind, Scorer]:
    """Scorers of written answers by kind; a choice is scored without writing anything.

    Args:
        tests: For code questions (`academy.scoring.code.CodeScorer`).
    """
    return {"exact": exact_score, "numeric": numeric_score, "tests": tests}


def most_tokens(
    base: BaseModel,
    challenges: Sequence[Challenge],
    max_new_tokens: Mapping[Kind, int],
    written: Collection[Kind] = ("numeric", "tests"),
) -> int:
    """Forward tokens of one genome on these challenges, unless scoring one of them fails.

    Args:
        written: Kinds that are answered in writing (`LocalEvaluator.scorers`).
    """
    total = 0
    for kind in KINDS:
        some = [challenge for challenge in challenges if kind_of(challenge) == kind]
        if not some:
            continue
        if kind in written:
            width = max(map(len, base.prompt_ids([c.prompt for c in some])))
            total += len(some) * (width + max_new_tokens[kind] - 1)
        elif kind == "choice":
            total += base.rows(*option_rows(some)[:2]).n_tokens
        else:
            total += base.rows(*prompts_and_answers(some)).n_tokens
    return total


def exact_score(challenge: Challenge, response: str) -> float:
    """1.0 if the response is the answer, nothing before and nothing after it, else 0.0."""
    return float(response == challenge.answer)


def option_rows(challenges: Sequence[Challenge]) -> tuple[list[str], list[str], list[int]]:
    """Every option as a question-and-answer row.

    Returns:
        Prompts, options, and for each challenge its number of options.
    """
    prompts = [c.prompt for c in challenges for _ in c.choices]
    options = [option for c in challenges for option in c.choices]
    return prompts, options, [len(c.choices) for c in challenges]


def choice_hits(challenges: Sequence[Challenge], losses: np.ndarray) -> np.ndarray:
    """1.0 where the right option is strictly the likeliest, (n_challenges,) float.

    A tie is no answer, so that a model to which all options are alike scores 0 and not 1.

    Args:
        losses: Mean negative log-likelihood per token of every option in turn, (n_options,).
            NaN is taken as impossible.
    """
    finite = np.where(np.isnan(losses), np.inf, losses)
    starts = np.cumsum([0] + [len(c.choices) for c in challenges])
    return np.array(
        [
            _likeliest_is_right(challenge, finite[start : start + len(challenge.choices)])
            for challenge, start in zip(challenges, starts, strict=False)
        ],
        dtype=np.float64,
    )


def _likeliest_is_right(challenge: Challenge, losses: np.ndarray) -> float:
    right = challenge.choices.index(challenge.answer)
    others = np.delete(losses, right)
    return float(losses[right] < others.min())


def exact_hits(base: BaseModel, rows: Rows) -> np.ndarray:
    """1.0 for every row whose answer greedy decoding would give exactly, (n_rows,) float."""
    logits, labels = _at_answers(base, rows)
    right = ((logits.argmax(-1) == labels) | (labels == IGNORED)).all(-1)
    return np.asarray(right.numpy(), dtype=np.float64)


def answer_losses(base: BaseModel, rows: Rows) -> np.ndarray:
    """Mean negative log-likelihood per answer token of every row, in nats, (n_rows,) float."""
    logits, labels = _at_answers(base, rows)
    losses = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)
    n_tokens = (labels != IGNORED).sum(1)
    return np.asarray((losses.sum(1) / n_tokens).numpy(), dtype=np.float64)


def without_end(rows: Rows) -> Rows:
    """The same rows with the end-of-sequence token after each answer left unscored."""
    labels = rows.labels.clone()
    places = torch.arange(labels.shape[1]).expand_as(labels)
    last = places.masked_fill(labels == IGNORED, -1).amax(1)
    labels[torch.arange(len(labels)), last] = IGNORED
    return Rows(rows.input_ids, labels)


def _at_answers(base: BaseModel, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels at the answer positions (see `BaseModel.scored_places`)."""
    places, labels = base.scored_places(rows.labels)
    output = base.model(input_ids=rows.input_ids, use_cache=False, logits_to_keep=places)
    return output.logits, labels
