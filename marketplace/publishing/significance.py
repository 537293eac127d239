"""When a re-run contradicts a claim: an exact one-sided binomial test at 1 %.

A claim of c right out of n puts the success rate at p = (c + 1) / (n + 2), Laplace's rule, so
that not even a perfect claim says that no question can ever be missed. A re-run of m questions
with k right contradicts it when so few would be rarer than the level:

    P(X <= k) < level,  X ~ Binomial(m, p)

The re-run sits the same questions, so that an honest claim comes back almost unchanged and the
test is on the safe side: it forgives rounding on other hardware, not another layer.

Two tests share the 1 %, half each: the layer must not score significantly below its claim, nor
the base model significantly above its own; either would make the lift smaller than was stated.
"""

import math
from dataclasses import dataclass

LEVEL = 0.01
"""Chance that an honest claim fails a re-run, at most."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a layer and its base model scored on one sheet."""

    n_questions: int
    n_correct: int
    n_base_correct: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a re-run agrees with a claim, and the numbers behind it."""

    passed: bool
    layer_chance: float
    """P(as few right, or fewer), if the claim holds."""
    base_chance: float
    """P(the base model has as many right, or more), if the claim holds."""
    reason: str


def compare(claim: Counts, again: Counts, *, level: float = LEVEL) -> Verdict:
    """Judge a re-run of a claim."""
    layer = chance_of_at_most(again.n_correct, again.n_questions, _rate(claim, claim.n_correct))
    base_rate = _rate(claim, claim.n_base_correct)
    base = chance_of_at_least(again.n_base_correct, again.n_questions, base_rate)
    passed = min(layer, base) >= level / 2
    reason = (
        f"claimed {_share(claim, claim.n_correct)}, re-run {_share(again, again.n_correct)}"
        f" (chance {layer:.2g}); base claimed {_share(claim, claim.n_base_correct)}, re-run"
        f" {_share(again, again.n_base_correct)} (chance {base:.2g}): "
        + ("the claim stands" if passed else f"below {level / 2:g}, the claim is refuted")
    )
    return Verdict(passed, layer, base, reason)


def is_better(counts: Counts, than: Counts, *, level: float = LEVEL) -> bool:
    """Whether a result is significantly above another on an exam of the same skill."""
    rate = _rate(than, than.n_correct)
    return chance_of_at_least(counts.n_correct, counts.n_questions, rate) < level


def chance_of_at_most(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p), 0 < p < 1.

    The tail away from the mean is added up from its largest term; terms shrink by a growing
    factor, so that even 10^9 trials take some ten thousand steps.
    """
    if k >= n:
        return 1.0
    if k < 0:
        return 0.0
    if k > n * p:
        return 1.0 - chance_of_at_most(n - k - 1, n, 1.0 - p)
    total = 0.0
    term = math.exp(_log_chance(k, n, p))
    odds = (1.0 - p) / p
    for i in range(k, -1, -1):
        total += term
        if term <= total * 1e-17:
            break
        term *= odds * i / (n - i + 1)
    return min(1.0, total)


def chance_of_at_least(k: int, n: int, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p)."""
    return chance_of_at_most(n - k, n, 1.0 - p)


def _log_chance(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def _rate(claim: Counts, n_correct: int) -> float:
    return (n_correct + 1) / (claim.n_questions + 2)


def _share(counts: Counts, n_correct: int) -> str:
    return f"{n_correct} of {counts.n_questions}"
