"""Crossover: two parents' updates mixed as whole matrices, then cut back to a rank.

Averaging the factors A and B separately, as most mergers do, is not the mix of the updates: an
adapter averaged with a rotated copy of itself keeps half its length. All mixes here are exact
(`genome.compose`), so a child depends on what its parents do, never on how they are written.

Sources: exact mix and best rank r, Eckart and Young 1936; two halves with mirrored ratios, M2N2
(Abrantes, Lange and Tang 2025, arXiv 2508.16204); TIES (Yadav et al. 2023, arXiv 2306.01708);
DARE (Yu et al. 2023, arXiv 2311.03099); KnOTS (Stoica et al. 2024, arXiv 2410.19735).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import numpy as np

from academy.errors import OperatorError, check_between
from academy.operators.noise import torch_generator
from genome import compose, consensus
from genome.layer import Factors, Layer

EXTRAPOLATE = (-0.5, 1.5)
"""Bounds of w that let a child lie beyond either parent, as in LoraHub's search."""
DENSITIES = (0.2, 0.8)
"""Share of numbers that a vote keeps: from the published default of TIES to nearly all."""


def merge_crossover(
    mother: Layer,
    father: Layer,
    *,
    low: float = 0.0,
    high: float = 1.0,
    rank: int,
    rng: np.random.Generator,
) -> Layer:
    """Best approximation of rank `rank` of `w * mother + (1 - w) * father`, w ~ U(low, high).

    Args:
        low, high: 0 and 1 interpolate; `EXTRAPOLATE` goes up to half the distance beyond.

    Raises:
        OperatorError: low is above high.
    """
    check_between("low", low, -np.inf, high)
    w = float(rng.uniform(low, high))
    return compose.merge([mother, father], [w, 1 - w], rank)


def split_point_crossover(
    mother: Layer, father: Layer, *, rank: int, rng: np.random.Generator, spherical: bool = True
) -> Layer:
    """M2N2's crossover: a random split of the network and a random ratio, `split_merge`d."""
    n_modules = len({*mother.factors, *father.factors})
    split = int(rng.integers(1, n_modules)) if n_modules > 1 else 1
    t = float(rng.random())
    return split_merge(mother, father, split=split, t=t, rank=rank, spherical=spherical)


def split_merge(
    mother: Layer, father: Layer, *, split: int, t: float, rank: int, spherical: bool = True
) -> Layer:
    """The mother's share is t before the split and 1 - t from it on.

    Args:
        split: How many modules lie before the split, in the order of `by_depth`.
        t: 1.0 = the mother alone before the split and the father alone after it.
        spherical: Mix along the arc between the updates (SLERP), else along the straight line.

    Raises:
        OperatorError: There are fewer modules than lie before the split, or t is not in [0, 1].
    """
    base_model = compose.common_base([mother, father], [t, 1 - t])
    modules = by_depth({*mother.factors, *father.factors})
    check_between("split", split, 0, len(modules))
    check_between("t", t, 0.0, 1.0)
    factors: dict[str, Factors] = {}
    for part, share in ((modules[:split], t), (modules[split:], 1 - t)):
        ours, theirs = _only(mother, part), _only(father, part)
        if ours and theirs and spherical:
            factors.update(compose.slerp(ours, theirs, 1 - share, rank).factors)
        elif ours or theirs:
            pairs = [(one, w) for one, w in ((ours, share), (theirs, 1 - share)) if one]
            mixed = compose.merge([one for one, _ in pairs], [w for _, w in pairs], rank)
            factors.update(mixed.factors)
    return Layer(base_model, factors)


def by_depth(modules: Iterable[str]) -> list[str]:
    """Module paths in the order in which a token meets them.

    Numbers count as numbers (block 2 before block 10), attention comes before the block's other
    maps, embeddings before all blocks, and anything else without a number after them.
    """

    def key(module: str) -> tuple[int, list[int], bool, str]:
        numbers = [int(part) for part in re.findall(r"(?<=\.)\d+(?=\.|$)", module)]
        place = 1 if numbers else 0 if re.search(r"emb|wte|wpe", module) else 2
        return place, numbers, "attn" not in module and "attention" not in module, module

    return sorted(modules, key=key)


def ties_crossover(
    mother: Layer,
    father: Layer,
    *,
    densities: tuple[float, float] = DENSITIES,
    rank: int,
    rng: np.random.Generator,
) -> Layer:
    """Trim both, let the stronger sign win number by number, average what agrees (TIES).

    Args:
        densities: The share of numbers kept is drawn evenly between these.
    """
    density = _density(densities, rng)
    return consensus.ties([mother, father], [1.0, 1.0], rank, density=density)


def dare_crossover(
    mother: Layer,
    father: Layer,
    *,
    low: float = 0.0,
    high: float = 1.0,
    densities: tuple[float, float] = DENSITIES,
    rank: int,
    rng: np.random.Generator,
) -> Layer:
    """Drop numbers of both at random and rescale the rest, then mix as in `merge_crossover`.

    Before the cut to `rank` the expected child is the exact mix; single children scatter
    around it, the more the lower the density.
    """
    check_between("low", low, -np.inf, high)
    w, density = float(rng.uniform(low, high)), _density(densities, rng)
    return consensus.dare(
        [mother, father], [w, 1 - w], rank, density=density, generator=torch_generator(rng)
    )


def knots_crossover(
    mother: Layer,
    father: Layer,
    *,
    densities: tuple[float, float] = DENSITIES,
    rank: int,
    rng: np.random.Generator,
) -> Layer:
    """TIES in the basis that both updates share (KnOTS), where signs can be compared."""
    density = _density(densities, rng)
    return consensus.knots([mother, father], [1.0, 1.0], rank, density=density)


def _density(densities: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = densities
    if not 0 < low <= high <= 1:
        raise OperatorError(f"densities are {low} to {high}: choose shares above 0, at most 1")
    return float(rng.uniform(low, high))


def _only(layer: Layer, modules: Collection[str]) -> Layer | None:
    """The part of a layer that changes these modules, if it changes any."""
    factors = {module: layer.factors[module] for module in modules if module in layer.factors}
    return Layer(layer.base_model, factors) if factors else None
