"""How much success a layer has proven: the lower end of what the evidence leaves plausible.

R1, Wilson lower bound at z = 1.645 (one-sided 95 %), with s successes and f failures:
    L = (s + z²/2 - z √(sf/n + z²/4)) / (n + z²),  n = s + f
That subtraction loses digits for small s and divides by zero at n = 0. Multiplying by
the conjugate gives the same number without either:
    L = s · (s/n) / (s + z²/2 + z √(sf/n + z²/4)),  L(0, 0) = 0

R2, decay: what users report halves every 30 days. Exams do not age: a layer is its digest.
R3, saturation: rater j adds t_j · (s_j, f_j) / (1 + (s_j + f_j)/5), so nobody counts for
more than 5 trials, and a rater without trust for none.
R5, anchor: exams and their re-runs count as at most 50 trials, at their own ratio, so that
a long exam cannot outweigh everything that users report. What only the seller says counts as at
most 10: fifty need an evaluator's re-run, or a lie would weigh as much as a measurement.
R6, versions: a new version of the same owner starts with a quarter of its parent's counts, at
most 10 trials; a fork starts with none.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Z = 1.645
MAX_EXAM_TRIALS = 50
MAX_STATED_TRIALS = 10
"""Of a receipt that no evaluator has re-run."""
HALF_LIFE_DAYS = 30.0
SATURATION = 5.0
INHERITED_SHARE = 0.25
MAX_INHERITED = 10.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Weighted counts of success and failure; need not be whole numbers."""

    successes: float = 0.0
    failures: float = 0.0

    @property
    def trials(self) -> float:
        """Successes and failures together."""
        return self.successes + self.failures

    def __add__(self, other: "Evidence") -> "Evidence":
        """Both together."""
        return Evidence(self.successes + other.successes, self.failures + other.failures)

    def scaled(self, weight: float) -> "Evidence":
        """The same ratio, counting for more or less."""
        return Evidence(self.successes * weight, self.failures * weight)

    def at_most(self, trials: float) -> "Evidence":
        """The same ratio, counting for no more than this."""
        return self.scaled(trials / self.trials) if self.trials > trials else self


@dataclass(frozen=True, slots=True)
class Rating:
    """What one user reports about one layer at one time."""

    rater: str
    evidence: Evidence
    age_days: float


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known about one layer, by where it comes from."""

    measured: Evidence = Evidence()
    """Exams and re-runs (R5)."""
    rated: Evidence = Evidence()
    """Users' reports after trust, age and saturation (R2, R3)."""
    inherited: Evidence = Evidence()
    """From the version before (R6)."""
    n_raters: int = 0
    """Raters whose word counted."""

    @property
    def evidence(self) -> Evidence:
        """Everything together."""
        return self.measured + self.rated + self.inherited

    @property
    def reputation(self) -> float:
        """The proven success rate, in [0, 1]."""
        return lower_bound(self.evidence)


def lower_bound(evidence: Evidence) -> float:
    """Success rate that the evidence supports, in [0, 1]; 0 without evidence (R1)."""
    s, f = evidence.successes, evidence.failures
    n = s + f
    if n <= 0.0:
        return 0.0
    root = math.sqrt(s * (f / n) + Z * Z / 4)
    return s * (s / n) / (s + Z * Z / 2 + Z * root)


def exam_evidence(n_questions: int, n_correct: int) -> Evidence:
    """What an exam of this size counts for when the house sat it, or sat it again (R5)."""
    return Evidence(float(n_correct), float(n_questions - n_correct)).at_most(MAX_EXAM_TRIALS)


def stated_evidence(n_questions: int, n_correct: int) -> Evidence:
    """What an exam counts for as long as only the seller says so (R5)."""
    return exam_evidence(n_questions, n_correct).at_most(MAX_STATED_TRIALS)


def stated_reputation(n_questions: int, n_correct: int) -> float:
    """Reputation in [0, 1] of a layer that is known by one stated exam only."""
    return lower_bound(stated_evidence(n_questions, n_correct))


def measured(claim: Evidence, reruns: Sequence[Evidence], *, refuted: bool = False) -> Evidence:
    """An exam and its re-runs as one measurement: at most 50 trials, 10 without a re-run (R5).

    Args:
        claim: What the owner states, in trials of the exam.
        reruns: What evaluators found, on the same questions or on fresh ones.
        refuted: The claim did not hold: everything it claimed counts as failure.
    """
    kept = Evidence(0.0, claim.trials) if refuted else claim
    return sum(reruns, kept).at_most(MAX_EXAM_TRIALS if reruns else MAX_STATED_TRIALS)


def decay(age_days: float) -> float:
    """Weight of a report of this age: 1 when new, one half after 30 days (R2)."""
    return float(2.0 ** (-max(0.0, age_days) / HALF_LIFE_DAYS))


def saturated(evidence: Evidence, trust: float) -> Evidence:
    """What one rater's reports together count for: less than 5 trials, times trust (R3)."""
    return evidence.scaled(trust / (1.0 + evidence.trials / SATURATION))


def rated(ratings: Iterable[Rating], trust: Mapping[str, float]) -> tuple[Evidence, int]:
    """All users' reports on one layer, and how many raters counted.

    Args:
        trust: Trust per account, absent = 0; empty where the operator vouches for nobody.
    """
    by_rater: dict[str, Evidence] = {}
    for rating in ratings:
        so_far = by_rater.get(rating.rater, Evidence())
        by_rater[rating.rater] = so_far + rating.evidence.scaled(decay(rating.age_days))
    total, n_raters = Evidence(), 0
    for rater, evidence in sorted(by_rater.items()):
        weight = trust.get(rater, 0.0)
        if weight > 0.0:
            total, n_raters = total + saturated(evidence, weight), n_raters + 1
    return total, n_raters


def inherited(parent: Evidence, *, same_owner: bool) -> Evidence:
    """What a new layer starts with: part of its owner's last version, nothing from others (R6)."""
    return parent.scaled(INHERITED_SHARE).at_most(MAX_INHERITED) if same_owner else Evidence()
