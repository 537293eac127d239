"""How much success an exam proves: the lower end of what it leaves plausible.

R1, Wilson lower bound at z = 1.645 (one-sided 95 %), with s successes and f failures:
    L = (s + z²/2 - z √(sf/n + z²/4)) / (n + z²),  n = s + f
That subtraction loses digits for small s and divides by zero at n = 0. Multiplying by
the conjugate gives the same number without either:
    L = s · (s/n) / (s + z²/2 + z √(sf/n + z²/4)),  L(0, 0) = 0

R5, anchor: an exam counts as at most 50 trials, at its own ratio, so that a long exam
cannot outweigh everything that users will report later.
"""

import math
from dataclasses import dataclass

Z = 1.645
MAX_EXAM_TRIALS = 50


@dataclass(frozen=True, slots=True)
class Evidence:
    """Weighted counts of success and failure; need not be whole numbers."""

    successes: float = 0.0
    failures: float = 0.0


def exam_evidence(n_questions: int, n_correct: int) -> Evidence:
    """What an exam of this size counts for (R5)."""
    weight = min(1.0, MAX_EXAM_TRIALS / n_questions) if n_questions else 0.0
    return Evidence(n_correct * weight, (n_questions - n_correct) * weight)


def lower_bound(evidence: Evidence) -> float:
    """Success rate that the evidence supports, in [0, 1]; 0 without evidence (R1)."""
    s, f = evidence.successes, evidence.failures
    n = s + f
    if n <= 0.0:
        return 0.0
    root = math.sqrt(s * (f / n) + Z * Z / 4)
    return s * (s / n) / (s + Z * Z / 2 + Z * root)


def exam_reputation(n_questions: int, n_correct: int) -> float:
    """Reputation in [0, 1] of a layer that is known by one exam only."""
    return lower_bound(exam_evidence(n_questions, n_correct))
