"""What an intelligence is made of: layers, genomes, their composition, library and search."""

from typing import TYPE_CHECKING

from genome.exports import lazily

if TYPE_CHECKING:
    from genome.base_model import BaseModel
    from genome.compose import merge
    from genome.errors import GenomeError, LayerRejected
    from genome.genome import Genome
    from genome.layer import Layer
    from genome.library import Library, Manifest, Receipt
    from genome.population import PopulationModel
    from genome.search.index import Index

__all__ = [
    "BaseModel",
    "Genome",
    "GenomeError",
    "Index",
    "Layer",
    "LayerRejected",
    "Library",
    "Manifest",
    "PopulationModel",
    "Receipt",
    "merge",
]

__getattr__ = lazily(
    __name__,
    {
        "genome.base_model": ("BaseModel",),
        "genome.compose": ("merge",),
        "genome.errors": ("GenomeError", "LayerRejected"),
        "genome.genome": ("Genome",),
        "genome.layer": ("Layer",),
        "genome.library": ("Library", "Manifest", "Receipt"),
        "genome.population": ("PopulationModel",),
        "genome.search.index": ("Index",),
    },
)
