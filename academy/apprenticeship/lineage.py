"""Which founders still have descendants."""

from __future__ import annotations

from collections.abc import Iterable

from academy.apprenticeship.apprentice import Apprentice


def living_lines(population: Iterable[Apprentice]) -> set[int]:
    """Founder ids with at least one living descendant (or alive themselves)."""
    return {candidate.line for candidate in population}


def extinct_lines(n_founders: int, population: Iterable[Apprentice]) -> int:
    """How many of the first `n_founders` lines have nobody left."""
    return n_founders - len(living_lines(population))
