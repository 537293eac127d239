"""Tournament selection, the control for lexicase: one number decides.

Brindle 1981; Goldberg and Deb 1991. Competitors are drawn with replacement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from academy.selection.arrays import count, vector

SIZE = 3


def select_parents(
    fitness: ArrayLike, n_parents: int, rng: np.random.Generator, *, size: int = SIZE
) -> np.ndarray:
    """Indices of the winners of `n_parents` tournaments, (n_parents,); ties by chance.

    Args:
        fitness: Higher is better, (n_candidates,).
        size: Competitors in each tournament; 1 is a draw by lot.

    Raises:
        ScoresError: No candidates, NaN, or a size below 1.
    """
    values = vector(fitness, max(1, np.size(fitness)), "fitness")
    shape = count(n_parents, 0, "n_parents"), count(size, 1, "size")
    drawn = rng.integers(len(values), size=shape)  # independent, so the first best is by chance
    return np.asarray(drawn[np.arange(n_parents), values[drawn].argmax(axis=1)])
