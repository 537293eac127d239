"""Two genomes answer the same questions: which one is better, by how much, and how sure is that?

Offline, all questions are answered first: McNemar's test (mid-p) and Tango's interval for right
and wrong, a sign-flip permutation test and a bootstrap interval for partial credit.
Online, questions come a few at a time and the mixture SPRT is looked at after each lot; it may
stop as soon as it is sure, and its p-value and interval hold all the same.
Several trials are judged together by Holm's correction.

Verdict and interval always agree. The test decides: it is the one that keeps to alpha (mid-p did
in all scenarios of Fagerland et al. 2013), and Holm corrects it. Where it does not reject, 0 is
not ruled out, so the interval is stretched to 0 if it had left it out: Tango's interval inverts
the approximate form of McNemar's test, which rejects a little sooner (4 to 0 has p .0625, and
+0.5 to +29.7 points of 30). Widening can only raise an interval's coverage.

The questions of a trial: different ones, as many of every skill, in random order.

Two wordings of one question are answered alike more often than two questions, so that counting
both would make a trial look surer than it is: only the first is kept.
Trials that guide choices take select questions. The test split is for exams alone
(`academy.exam`), after everything has been chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import SameGenomeError, TrialItemsError, TrialScoresError, UnknownSkillError
from academy.statistics.aggregate import check_share, stratified_bootstrap
from academy.statistics.paired import compare_paired
from academy.statistics.permutation import holm, sign_flip_test
from academy.statistics.sequential import BoundedMixture

if TYPE_CHECKING:
    from genome.genome import Genome


Verdict = Literal["A better", "B better", "no difference shown"]
ALPHA = 0.05
BLOCK = 8
"""Questions between two looks of an online trial: a batch costs little more than one question."""


class Scorer(Protocol):
    """What a trial needs of an evaluator (`academy.evaluator.Evaluator`)."""

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """(n_genomes, n_challenges) float in [0, 1]."""
        ...


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a trial showed."""

    verdict: Verdict
    effect: float
    """Mean score of A less that of B."""
    low: float
    high: float
    """1 - alpha interval of the effect, 0 in it just where the verdict is that no difference was
    shown; always valid after an online trial."""
    p_value: float
    n_items: int
    """Questions both have answered."""
    ahead_a: int
    """Questions on which A scored higher."""
    ahead_b: int
    mean_a: float
    mean_b: float
    method: str
    stopped_early: bool = False
    p_adjusted: float | None = None
    """After Holm, where several trials were judged together."""


def offline_trial(
    scorer: Scorer,
    a: Genome,
    b: Genome,
    items: Sequence[Challenge],
    *,
    rng: np.random.Generator,
    alpha: float = ALPHA,
) -> TrialResult:
    """Both answer all `items`, then they are compared.

    Args:
        rng: Only used where scores are partial credit.

    Raises:
        SameGenomeError: A and B are one genome.
        TrialItemsError: There are no questions, or one comes twice.
        TrialScoresError: The scorer's scores are not numbers from 0 to 1.
    """
    _check_sides(a, b, alpha)
    check_items(items)
    return compare_scores(_score_both(scorer, a, b, items), rng=rng, alpha=alpha)


def compare_scores(
    scores: np.ndarray, *, rng: np.random.Generator, alpha: float = ALPHA
) -> TrialResult:
    """An offline trial of answers that are already scored.

    Args:
        scores: (2, n_items) in [0, 1]: A's scores, then B's on the same questions.
        rng: Only used where scores are partial credit.
    """
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    found = _binary(scores, alpha) if binary else _partial(scores, alpha, rng)
    return _judged(found, found.p_value, alpha)


def online_trial(
    scorer: Scorer,
    a: Genome,
    b: Genome,
    items: Iterable[Challenge],
    *,
    max_items: int,
    block: int = BLOCK,
    alpha: float = ALPHA,
    stop_at: float | None = None,
) -> TrialResult:
    """Both answer `block` questions at a time, until it is clear who is better.

    Args:
        items: In random order; only as many are taken as are needed.
        max_items: Where to give up; the verdict is then that no difference was shown.
        stop_at: p-value to stop at, if stricter than `alpha` (for several trials together).

    Raises:
        SameGenomeError: A and B are one genome.
        TrialItemsError: There are no questions, one comes twice, or a number is not positive.
        TrialScoresError: The scorer's scores are not numbers from 0 to 1.
    """
    _check_sides(a, b, alpha)
    if max_items < 1 or block < 1:
        raise TrialItemsError(
            f"max_items {max_items} and block {block}: both must be at least one question"
        )
    state = BoundedMixture(alpha)
    seen: list[Challenge] = []
    parts: list[np.ndarray] = []
    stop = alpha if stop_at is None else min(stop_at, alpha)
    for lot in _lots(items, max_items, block):
        seen += lot
        check_items(seen)
        parts.append(_score_both(scorer, a, b, lot))
        state = state.seen(parts[-1][0] - parts[-1][1])
        if state.p_value <= stop:
            break
    check_items(seen)
    found = _result(
        np.concatenate(parts, axis=1), state.p_value, (state.low, state.high), "mixture SPRT"
    )
    early = state.p_value <= stop and len(seen) < max_items
    return replace(_judged(found, found.p_value, alpha), stopped_early=early)


def judge_together(trials: Sequence[TrialResult], *, alpha: float = ALPHA) -> list[TrialResult]:
    """The same trials with verdicts that hold for all of them at once (Holm)."""
    adjusted = holm([trial.p_value for trial in trials])
    return [
        replace(_judged(trial, p, alpha), p_adjusted=p)
        for trial, p in zip(trials, adjusted, strict=True)
    ]


def _lots(items: Iterable[Challenge], max_items: int, block: int) -> Iterator[list[Challenge]]:
    limited = islice(items, max_items)
    while lot := list(islice(limited, block)):
        yield lot


def _check_sides(a: Genome, b: Genome, alpha: float) -> None:
    check_share("alpha", alpha)
    if a.digest == b.digest:
        raise SameGenomeError


def _score_both(scorer: Scorer, a: Genome, b: Genome, items: Sequence[Challenge]) -> np.ndarray:
    """(2, n_items) float: A's scores, then B's."""
    scores = np.asarray(scorer.scores([a, b], items), dtype=np.float64)
    if scores.shape != (2, len(items)) or not ((scores >= 0) & (scores <= 1)).all():
        raise TrialScoresError(
            f"the evaluator gave scores of shape {scores.shape} with values outside 0 to 1 for "
            f"2 genomes on {len(items)} questions: repair its scorer"
        )
    return scores


def _binary(scores: np.ndarray, alpha: float) -> TrialResult:
    z = NormalDist().inv_cdf(1 - alpha / 2)
    paired = compare_paired(*scores, z=z)
    return _result(scores, paired.p_mid, (paired.low, paired.high), "McNemar mid-p")


def _partial(scores: np.ndarray, alpha: float, rng: np.random.Generator) -> TrialResult:
    differences = scores[0] - scores[1]
    p = sign_flip_test(differences, rng=rng).p_value
    interval = stratified_bootstrap(
        differences[:, None], rng, statistic=lambda x: float(x.mean()), confidence=1 - alpha
    )
    return _result(scores, p, (interval.low, interval.high), "sign-flip permutation")


def _result(
    scores: np.ndarray, p_value: float, interval: tuple[float, float], method: str
) -> TrialResult:
    """Everything but the verdict."""
    mean_a, mean_b = (float(mean) for mean in scores.mean(1))
    return TrialResult(
        "no difference shown",
        mean_a - mean_b,
        *interval,
        p_value,
        scores.shape[1],
        int((scores[0] > scores[1]).sum()),
        int((scores[1] > scores[0]).sum()),
        mean_a,
        mean_b,
        method,
    )


def _judged(found: TrialResult, p_value: float, alpha: float) -> TrialResult:
    """With its verdict; an interval that leaves out 0 where the test does not is stretched to it.

    A difference is shown where the test rejects and the interval leaves out 0. At alpha .05
    McNemar's mid-p never rejects alone; at .001 it may (10 to 0), and then nothing is shown.
    """
    if p_value <= alpha and (found.low > 0 or found.high < 0):
        return replace(found, verdict="A better" if found.low > 0 else "B better")
    return replace(
        found, verdict="no difference shown", low=min(found.low, 0.0), high=max(found.high, 0.0)
    )


class Drawer(Protocol):
    """What a trial needs of a challenge source (`academy.sources.source.ChallengeSource`)."""

    name: str
    skills: tuple[str, ...]

    def draw(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        *,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Challenge]:
        """Up to `n` different questions."""
        ...


def draw_items(
    source: Drawer,
    n: int,
    rng: np.random.Generator,
    *,
    skills: Sequence[str] = (),
    split: Split = "select",
) -> list[Challenge]:
    """Up to `n` questions in random order; fewer only if a skill of the source has too few.

    The first skills give one more each where `n` cannot be shared evenly.

    Args:
        skills: Of the source; all if empty.

    Raises:
        TrialItemsError: `n` is not positive, or the source has no such question at all.
        UnknownSkillError: The source has no such skill.
    """
    if n < 1:
        raise TrialItemsError(f"a trial of {n} questions shows nothing: ask at least one")
    chosen = tuple(dict.fromkeys(skills)) or source.skills
    for skill in chosen:
        if skill not in source.skills:
            raise UnknownSkillError(skill, source.skills)
    drawn: list[Challenge] = []
    for i, skill in enumerate(chosen):
        share = n // len(chosen) + (i < n % len(chosen))
        drawn += _different_questions(source, skill, split, share, rng)
    if not drawn:
        raise TrialItemsError(
            f"{source.name} has no {split} question of {', '.join(chosen)}: choose another source"
        )
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _different_questions(
    source: Drawer, skill: str, split: Split, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """Up to `n` challenges, no two of which are wordings of the same question."""
    kept: dict[str, Challenge] = {}
    seen: set[str] = set()
    while len(kept) < n:
        fresh = source.draw(skill, split, n - len(kept), rng, exclude=seen)
        if not fresh:
            break
        for item in fresh:
            seen.add(item.id)
            kept.setdefault(item.question, item)
    return list(kept.values())


def check_items(items: Sequence[Challenge]) -> None:
    """Refuse questions that would count twice.

    Raises:
        TrialItemsError: There are none, or one comes twice.
    """
    if not items:
        raise TrialItemsError("a trial needs questions, none came: draw at least one")
    n_different = len({item.id for item in items})
    if n_different < len(items):
        raise TrialItemsError(
            f"{len(items) - n_different} of {len(items)} questions come twice: ask each only once"
        )
