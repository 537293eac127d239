"""When a re-run contradicts a claim: an exact one-sided binomial test at 1 %.

A claim of c right out of n puts the success rate at p = (c + 1) / (n + 2), Laplace's rule, so
that not even a perfect claim says that no question can ever be missed. A re-run of m questions
with k right contradicts it when so few would be rarer than the level:

    P(X <= k) < level,  X ~ Binomial(m, p)

The re-run sits the same questions, so that an honest claim comes back almost unchanged and the
test is on the safe side: it forgives rounding on other hardware, not another layer.

A fresh re-run sits other questions of the same exam, and the claim itself was luck in part. All
rates that fit the claim are weighed (a uniform prior), which gives the beta-binomial

    X ~ BetaBinomial(m, c + 1, n - c + 1)

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


def compare(claim: Counts, again: Counts, *, fresh: bool = False, level: float = LEVEL) -> Verdict:
    """Judge a re-run of a claim.

    Args:
        fresh: The re-run sat other questions than the claim.
    """
    if fresh:
        layer = predicted_at_most(
            again.n_correct, again.n_questions, claim.n_correct, claim.n_questions
        )
        base = predicted_at_least(
            again.n_base_correct, again.n_questions, claim.n_base_correct, claim.n_questions
        )
    else:
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
    """P(X <= k) for X ~ Binomial(n, p), 0 < p < 1."""
    from scipy.special import bdtr  # slow to import, and most of the market judges nothing

    if k < 0:
        return 0.0
    return float(bdtr(min(k, n), n, p))


def chance_of_at_least(k: int, n: int, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p)."""
    return chance_of_at_most(n - k, n, 1.0 - p)


def predicted_at_most(k: int, m: int, c: int, n: int) -> float:
    """P(X <= k) for X ~ BetaBinomial(m, c + 1, n - c + 1): k of m after c of n.

    The tail away from the mean is added up from its largest term; terms shrink by a growing factor,
    so that even 10^9 trials take some ten thousand steps, where scipy's sum takes them all.
    """
    if k >= m:
        return 1.0
    if k < 0:
        return 0.0
    if k * (n + 2) > m * (c + 1):
        return 1.0 - predicted_at_most(m - k - 1, m, n - c, n)
    total = 0.0
    term = math.exp(
        _log_ways(m, k) + _log_beta(c + 1 + k, n - c + 1 + m - k) - _log_beta(c + 1, n - c + 1)
    )
    for i in range(k, -1, -1):
        total += term
        if i == 0 or term <= total * 1e-17:
            break
        term *= i * (n - c + 1 + m - i) / ((m - i + 1) * (c + i))
    return min(1.0, total)


def predicted_at_least(k: int, m: int, c: int, n: int) -> float:
    """P(X >= k) for X ~ BetaBinomial(m, c + 1, n - c + 1)."""
    return predicted_at_most(m - k, m, n - c, n)


def _log_beta(a: int, b: int) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_ways(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _rate(claim: Counts, n_correct: int) -> float:
    return (n_correct + 1) / (claim.n_questions + 2)


def _share(counts: Counts, n_correct: int) -> str:
    return f"{n_correct} of {counts.n_questions}"
