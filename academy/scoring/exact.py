"""The strict headline: an answer is right or it is not, character by character."""

from __future__ import annotations

from academy.challenge import Challenge


def exact_score(challenge: Challenge, response: str) -> float:
    """1.0 if the response is the answer, nothing before and nothing after it, else 0.0."""
    return float(response == challenge.answer)
