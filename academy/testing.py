"""A base that knows nothing and runs small enough for tests; no network, no files."""

from __future__ import annotations

from typing import Any

from academy.apprenticeship.apprenticeship import Workshop
from academy.apprenticeship.config import ApprenticeshipConfig
from academy.evaluator import LocalEvaluator
from genome.testing import tiny_base


def small_config(**changes: Any) -> ApprenticeshipConfig:
    """Six personas, a few hundred interactions: a whole run in a second or two."""
    settings: dict[str, Any] = {
        "personas": 6, "interactions": 280, "births": 3, "attempts": 6, "niche_questions": 2,
        "audition": 20, "steps": 2, "rows_per_step": 4, "rank": 2, "base_questions": 4,
    }  # fmt: skip
    return ApprenticeshipConfig(**{**settings, **changes})


def small_academy(tokenizer: Any) -> Workshop:
    """An Academy on a random two-block model."""
    base = tiny_base(tokenizer)
    return Workshop(base, LocalEvaluator(base))
