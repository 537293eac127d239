"""Add, drop or swap a layer of a stack, on genes alone: digests and weights, no tensors.

A genome that stacks layers found by search recombines whole skills instead of numbers, as
LoraHub (Huang et al. 2023, arXiv 2307.13269) does with a fixed set of adapters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from academy.operators.errors import OperatorError

if TYPE_CHECKING:
    from genome.embedding import Encoder
    from genome.library import Library

T = TypeVar("T")
Find = Callable[[np.random.Generator], "str | None"]
"""Proposes the digest of a layer worth having; None if there is none."""
ATTEMPTS = 8
"""How often `find` is asked before giving up on a layer that the stack does not have yet."""


class Stack(NamedTuple):
    """What a genome stacks, without the tensors."""

    layers: tuple[str, ...]
    """Digests, none of them twice, (n_layers,)."""
    weights: tuple[float, ...]
    """Scale of each layer, (n_layers,); 1.0 = as trained."""


def add_layer(
    stack: Stack, find: Find, rng: np.random.Generator, *, max_depth: int, weight: float = 1.0
) -> Stack:
    """Put a layer that is found on top; the same stack if it is full or nothing new is found."""
    _check(stack)
    new = _find_new(stack, find, rng) if len(stack.layers) < max_depth else None
    if new is None:
        return stack
    return Stack((*stack.layers, new), (*stack.weights, weight))


def drop_layer(stack: Stack, rng: np.random.Generator) -> Stack:
    """Take one layer out at random; the last one stays."""
    _check(stack)
    if len(stack.layers) < 2:
        return stack
    gone = int(rng.integers(len(stack.layers)))
    return Stack(_without(stack.layers, gone), _without(stack.weights, gone))


def swap_layer(stack: Stack, find: Find, rng: np.random.Generator) -> Stack:
    """Exchange one layer at random for one that is found, in its place and at its weight."""
    _check(stack)
    new = _find_new(stack, find, rng) if stack.layers else None
    if new is None:
        return stack
    at = int(rng.integers(len(stack.layers)))
    return Stack((*stack.layers[:at], new, *stack.layers[at + 1 :]), stack.weights)


def library_finder(
    library: Library,
    base_model: str,
    *,
    encoder: Encoder | None = None,
    query: str = "",
    vector: np.ndarray | None = None,
    k: int = 8,
) -> Find:
    """Proposes one of the k layers for this base that search ranks first, all alike.

    The library is searched once, when the finder is made: a finder belongs to one generation.

    Args:
        encoder: The library's own; needed with a query.
        query: A question that the wanted layer should answer.
        vector: What it should be able to do, (width,) of unit length, instead of a query.

    Raises:
        OperatorError: Neither or both of query and vector are given, or a query without encoder.
    """
    if (vector is None) == (not query) or (query and encoder is None):
        raise OperatorError(
            "a finder needs a query with the library's encoder, or a vector: give one of them"
        )
    if vector is None:
        assert encoder is not None
        found = library.search(query, encoder=encoder, base_model=base_model, k=k)
    else:
        from genome.search.index_filter import Filter

        where = Filter(base_model=base_model)
        found = library.search_vectors(np.asarray(vector)[None], where=where, k=k)[0]
    digests = [one.digest for one in found]
    return lambda rng: digests[int(rng.integers(len(digests)))] if digests else None


def _find_new(stack: Stack, find: Find, rng: np.random.Generator) -> str | None:
    for _ in range(ATTEMPTS):
        digest = find(rng)
        if digest is None or digest not in stack.layers:
            return digest
    return None


def _check(stack: Stack) -> None:
    if len(stack.layers) != len(stack.weights):
        raise OperatorError(
            f"a stack of {len(stack.layers)} layers came with {len(stack.weights)} weights: give "
            "one weight for each"
        )
    if len(set(stack.layers)) != len(stack.layers):
        raise OperatorError("a layer is in the stack twice: add up its weights instead")


def _without(items: tuple[T, ...], at: int) -> tuple[T, ...]:
    return items[:at] + items[at + 1 :]
