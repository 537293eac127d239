"""Crossover: the exact mix of two parents' updates, cut back to the layer's rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.apprenticeship.apprentice import Apprentice
from genome import compose
from genome.layer import Layer


def merge_crossover(
    mother: Apprentice, father: Apprentice, *, rng: np.random.Generator
) -> tuple[Layer, float]:
    """Best rank-r approximation of `w * mother + (1 - w) * father`, w uniform in [0.3, 0.7].

    Returns:
        The child's layer and w, the mother's weight.
    """
    w = float(rng.uniform(0.3, 0.7))
    layer = compose.merge([mother.layer, father.layer], [w, 1 - w], mother.layer.rank)
    return layer, w


def choose_mate(
    mother: Apprentice, population: Sequence[Apprentice], *, rng: np.random.Generator
) -> Apprentice | None:
    """A random other member of the mother's species, or None if she is alone."""
    others = [c for c in population if c.species == mother.species and c.id != mother.id]
    return others[int(rng.integers(len(others)))] if others else None
