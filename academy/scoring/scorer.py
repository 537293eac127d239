"""Which way a challenge is scored, and scorers of written answers that cannot stop a run.

What scoring may cost at most, known before it is done: forward tokens, padding included.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from academy.challenge import Challenge, prompts_and_answers
from academy.errors import ExamFailedError, ScoringRefusedError, cause_of
from academy.scoring.answers import exact_score, option_rows
from academy.scoring.numeric import numeric_score
from genome.base_model import BaseModel

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
