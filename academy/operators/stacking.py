"""Add, drop or swap a layer of a stack, on genes alone: digests and weights, no tensors.

A genome that stacks layers found by search recombines whole skills instead of numbers, as
LoraHub (Huang et al. 2023, arXiv 2307.13269) does with a fixed set of adapters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from academy.errors import OperatorError

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
