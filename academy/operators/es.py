"""Low-rank evolution strategies: a gradient step without a gradient.

    E_i = A_i B_i / sqrt(p),  A, B Gaussian of rank p          (EGGROLL, arXiv 2511.16652)
    f_i+-= fitness(delta +- sigma E_i)                         (antithetic pairs)
    delta <- cut_r((1 - d) (delta + lr / (2 N sigma) sum_i (f_i+ - f_i-) E_i) + d anchor)

Cutting the exact sum back to rank r projects the step onto the layers of rank r (singular value
projection: Jain, Meka and Dhillon 2010). ES drifts on what it is not asked (arXiv 2601.20861);
decay towards an anchor holds it (arXiv 2605.30148). A perturbation is a `Layer`, so that a
candidate can be scored as a genome of two layers with weights 1 and +-sigma, and no tensor of a
candidate need be formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.errors import OperatorError, check_between
from academy.operators.noise import normal
from genome import compose
from genome.genome import Genome
from genome.layer import Factors, Layer


@dataclass(frozen=True, slots=True)
class Perturbations:
    """Directions to try both ways from one layer."""

    directions: tuple[Layer, ...]
    """E_i, (n_pairs,)."""
    sigma: float

    def genomes(self, layer: Layer) -> list[Genome]:
        """All candidates: every direction forwards, then every direction backwards."""
        return [
            Genome(layer.base_model, (layer, direction), (1.0, sign * self.sigma))
            for sign in (1.0, -1.0)
            for direction in self.directions
        ]

    def layers(self, layer: Layer) -> list[Layer]:
        """The candidates of `genomes` as single layers, exact."""
        return [compose.stack(genome.layers, genome.weights) for genome in self.genomes(layer)]


def perturbations(
    layer: Layer, n_pairs: int, sigma: float, rng: np.random.Generator, *, rank: int = 1
) -> Perturbations:
    """Random directions for every module that the layer changes.

    Args:
        sigma: Step size; every number of sigma * E has about this standard deviation.
        rank: Of each direction.

    Raises:
        OperatorError: n_pairs, sigma or rank is not positive.
    """
    check_between("n_pairs", n_pairs, 1, 100_000)
    check_between("sigma", sigma, 1e-12, 1e6)
    check_between("rank", rank, 1, 1024)
    return Perturbations(tuple(_direction(layer, rank, rng) for _ in range(n_pairs)), sigma)


def es_update(
    layer: Layer,
    tried: Perturbations,
    fitness: Sequence[float] | np.ndarray,
    *,
    lr: float,
    rank: int,
    anchor: Layer | None = None,
    decay: float = 0.0,
) -> Layer:
    """One step up the fitness, cut once to `rank`.

    Args:
        fitness: Of each candidate in the order of `Perturbations.genomes`, (2 * n_pairs,),
            higher is better; a pair with a NaN or an infinity in it is left out.
        anchor: Where to decay to; None = the zero update.
        decay: Share d of the way to the anchor, in [0, 1].

    Raises:
        OperatorError: There is not one fitness per candidate, or decay is not in [0, 1].
    """
    n_pairs = len(tried.directions)
    values = np.asarray(fitness, dtype=np.float64)
    if values.shape != (2 * n_pairs,):
        raise OperatorError(
            f"{values.size} fitness values for {2 * n_pairs} candidates: give one for each"
        )
    check_between("decay", decay, 0.0, 1.0)
    with np.errstate(invalid="ignore"):
        difference = values[:n_pairs] - values[n_pairs:]
    known = np.isfinite(difference)
    if not known.any():
        slopes = np.zeros(n_pairs)
    else:
        slopes = np.where(known, difference, 0.0) * lr / (2 * known.sum() * tried.sigma)
    parts, weights = [layer, *tried.directions], [1.0, *slopes.tolist()]
    weights = [weight * (1 - decay) for weight in weights]
    if anchor is not None and decay:
        parts, weights = [*parts, anchor], [*weights, decay]
    return compose.merge(parts, weights, rank)


def _direction(layer: Layer, rank: int, rng: np.random.Generator) -> Layer:
    factors = {}
    for module in sorted(layer.factors):
        a, b = layer.factors[module]
        factors[module] = Factors(
            normal(rng, rank, a.shape[1]), normal(rng, b.shape[0], rank) * rank**-0.5
        )
    return Layer(layer.base_model, factors)
