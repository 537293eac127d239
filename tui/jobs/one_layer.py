"""A persona's layers as one: the Academy often breeds a stack, the market sells a layer."""

from __future__ import annotations

from pathlib import Path

from genome import compose
from genome.layer import Layer
from genome.library import Library
from persona.persona import PersonaStore


def persona_layer(home: Path, name: str) -> Layer:
    """The exact sum of a persona's layers, each at its weight.

    Raises:
        PersonaNotFoundError: There is no such persona.
        GenomeError: A layer is missing or damaged, or the sum is too wide.
    """
    genome = PersonaStore(home).load(name).genome(Library.open(home))
    if len(genome.layers) == 1 and genome.weights[0] == 1.0:
        return genome.layers[0]
    return compose.stack(list(genome.layers), list(genome.weights))
