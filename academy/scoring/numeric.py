"""Answers that are right when they are near enough: the last number of a text counts.

Language models reason before they conclude, so the last number is the answer (the convention
of GSM8K's graders, Cobbe et al. 2021). One tolerance is absolute for right answers up to 1 in
size and relative above: |x - right| <= tolerance * max(1, |right|).
"""

from __future__ import annotations

import re

from academy.challenge import Challenge

MAX_RESPONSE = 20_000
"""Characters that are read, from the end."""
HUGE = 1e300
"""Beyond it a difference could overflow: no answer."""
_ROUNDING = 1e-12
"""Relative slack for decimal fractions that binary numbers cannot hold: .3 is 0 from .1 + .2."""
_EXPONENT = r"(?:[eE][-+]?\d{1,4}(?!\d))?"
_NUMBER = re.compile(
    rf"(?<![\w.])[-+]?(?:(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\.\d+){_EXPONENT}"
    r"|(?<!\w)(?:nan|inf(?:inity)?)(?!\w)",
    re.IGNORECASE,
)


def last_number(text: str) -> float | None:
    """The last number written in a text; None if there is none, or it is not finite or huge.

    >>> last_number("3 apples and 1,200.5 pears.")
    1200.5
    """
    found = [match.group() for match in _NUMBER.finditer(text[-MAX_RESPONSE:])]
    if not found:
        return None
    value = float(found[-1].replace(",", ""))
    return value if abs(value) < HUGE else None  # also false for nan


def numeric_score(challenge: Challenge, response: str) -> float:
    """1.0 if the response's last number is within the challenge's tolerance, else 0.0."""
    right, given = last_number(challenge.answer), last_number(response)
    if right is None or given is None:
        return 0.0
    size = max(1.0, abs(right))
    allowed = (challenge.tolerance or 0.0) * size + _ROUNDING * size
    return float(abs(given - right) <= allowed)
