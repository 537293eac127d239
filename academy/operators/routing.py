"""Routing genes: which layers of a team answer a question, and how that rule evolves.

    score_l = p * prototype_l + s * similarity_l + u * usage_l       each standardised over layers
    weight  = softmax(score / temperature), the top k kept and scaled to sum to 1

Prototype scores are Arrow's (Ostapenko et al. 2024, arXiv 2405.11157): how far the input points
along the top right singular vector of each update. Similarity is the cosine that library
search finds between question and ability vector; usage is a prior, the log of a layer's share of
past use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from academy.errors import OperatorError, check_between
from genome.compose import spectrum
from genome.layer import Layer

TEMPERATURES = (0.02, 20.0)
MAX_TOP_K = 64
MAX_TRUST = 4.0
"""Largest weight of a kind of score, so that no mutation can drown the others for good."""


@dataclass(frozen=True, slots=True)
class RoutingGenes:
    """How a genome spreads a question over its layers.

    Raises:
        OperatorError: A gene is out of its bounds.
    """

    temperature: float = 1.0
    """Above 0; small = the best layer alone, large = all alike."""
    top_k: int = 1
    """At most this many layers run."""
    prototype: float = 1.0
    """Trust in Arrow's prototypes, 0 to MAX_TRUST."""
    similarity: float = 1.0
    """Trust in the search's similarity."""
    usage: float = 0.0
    """Trust in past use."""

    def __post_init__(self) -> None:
        check_between("temperature", self.temperature, *TEMPERATURES)
        check_between("top_k", self.top_k, 1, MAX_TOP_K)
        for name in ("prototype", "similarity", "usage"):
            check_between(name, getattr(self, name), 0.0, MAX_TRUST)
        if self.top_k != int(self.top_k):
            raise OperatorError(f"top_k is {self.top_k}: choose a whole number of layers")


def mutate_routing(
    genes: RoutingGenes, *, sigma: float, max_top_k: int, rng: np.random.Generator
) -> RoutingGenes:
    """Log-normal noise on the temperature, Gaussian on the trusts, top k one up or down or same.

    Args:
        sigma: Standard deviation of the log temperature and of each trust.
        max_top_k: Number of layers there are to choose from.
    """
    check_between("sigma", sigma, 0.0, 10.0)
    check_between("max_top_k", max_top_k, 1, MAX_TOP_K)
    noise = sigma * rng.standard_normal(4)
    step = int(rng.integers(-1, 2)) if sigma else 0
    trusts = np.array([genes.prototype, genes.similarity, genes.usage]) + noise[1:]
    prototype, similarity, usage = np.clip(trusts, 0.0, MAX_TRUST).tolist()
    return RoutingGenes(
        temperature=float(np.clip(genes.temperature * math.exp(noise[0]), *TEMPERATURES)),
        top_k=min(max(genes.top_k + step, 1), max_top_k),
        prototype=prototype,
        similarity=similarity,
        usage=usage,
    )


def cross_routing(
    mother: RoutingGenes, father: RoutingGenes, rng: np.random.Generator
) -> RoutingGenes:
    """Every gene from one parent or the other, with even chances (uniform crossover)."""
    names = [field.name for field in fields(RoutingGenes)]
    taken = rng.random(len(names)) < 0.5
    changes = {n: getattr(father, n) for n, t in zip(names, taken, strict=True) if t}
    return replace(mother, **changes)


def route(
    genes: RoutingGenes,
    *,
    prototype: np.ndarray | None = None,
    similarity: np.ndarray | None = None,
    usage: np.ndarray | None = None,
) -> np.ndarray:
    """The layers' weights for each question, (n_questions, n_layers), rows summing to 1.

    Of equal scores the earlier layer is taken. What is not given, or does not differ between
    layers, says nothing.

    Args:
        prototype: `arrow_scores`, (n_questions, n_layers).
        similarity: Cosines of questions and layers, (n_questions, n_layers).
        usage: `usage_prior`, (n_layers,).

    Raises:
        OperatorError: No scores at all, or of different sizes.
    """
    given = [
        (trust, np.atleast_2d(np.asarray(scores, dtype=np.float64)))
        for trust, scores in (
            (genes.prototype, prototype),
            (genes.similarity, similarity),
            (genes.usage, usage),
        )
        if scores is not None
    ]
    try:
        shape = np.broadcast_shapes(*(scores.shape for _, scores in given))
    except ValueError:
        shape = ()
    if not shape or not shape[-1]:
        sizes = ", ".join(str(scores.shape) for _, scores in given) or "none"
        raise OperatorError(f"routing needs scores of one size for every layer, not {sizes}")
    total = np.zeros(shape)
    for trust, scores in given:
        total += trust * _standardised(scores)
    return _sparse_softmax(total / genes.temperature, genes.top_k)


def usage_prior(counts: Sequence[float] | np.ndarray) -> np.ndarray:
    """Log of each layer's share of past use, one use added to each, (n_layers,)."""
    smoothed = np.asarray(counts, dtype=np.float64) + 1.0
    return np.asarray(np.log(smoothed / smoothed.sum()))


def arrow_prototypes(layer: Layer) -> dict[str, torch.Tensor]:
    """The input direction each module's update reacts to most, {module: (in,) of length 1}.

    Its sign means nothing; a zero update has a zero prototype.
    """
    prototypes = {}
    for module in sorted(layer.factors):
        v = spectrum(layer.factors[module]).v
        prototypes[module] = v[0] if len(v) else torch.zeros(v.shape[1])
    return prototypes


def arrow_scores(
    prototypes: Sequence[Mapping[str, torch.Tensor]], inputs: Mapping[str, torch.Tensor]
) -> np.ndarray:
    """|cosine| of inputs and prototypes, averaged over modules, (n_inputs, n_layers).

    Inputs are scaled to length 1 first, so that no module outshouts the others.

    Args:
        prototypes: Of each layer; a module it does not change scores 0.
        inputs: What each module is given, {module: (n_inputs, in)}, for instance a question's
            mean over its tokens.

    Raises:
        OperatorError: There are no inputs.
    """
    if not inputs:
        raise OperatorError("arrow scores need the inputs of one module or more: give some")
    n_inputs = len(next(iter(inputs.values())))
    total = torch.zeros(n_inputs, len(prototypes))
    for module, x in inputs.items():
        unit = torch.nn.functional.normalize(x.float(), dim=1)
        for i, own in enumerate(prototypes):
            if module in own:
                total[:, i] += (unit @ own[module]).abs()
    return np.asarray((total / len(inputs)).numpy(), dtype=np.float64)


def _standardised(scores: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 over layers; all zero where they do not differ."""
    centred = scores - scores.mean(-1, keepdims=True)
    spread = scores.std(-1, keepdims=True)
    return np.asarray(np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), 0.0))


def _sparse_softmax(logits: np.ndarray, top_k: int) -> np.ndarray:
    order = np.argsort(-logits, axis=-1, kind="stable")[..., :top_k]
    kept = np.full(logits.shape, -np.inf)
    np.put_along_axis(kept, order, np.take_along_axis(logits, order, -1), -1)
    weights = np.exp(kept - kept.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))
