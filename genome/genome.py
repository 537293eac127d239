"""What a persona is made of: a base model and the layers stacked on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from genome.errors import BaseModelMismatchError, WeightCountError
from genome.layer import Layer


@dataclass(frozen=True)
class Genome:
    """A base model and the LoRA layers stacked on it, first applied first.

    Raises:
        WeightCountError: There is not exactly one weight per layer.
        BaseModelMismatchError: A layer was trained for another base model.
    """

    base_model: str
    """Fingerprint of the base model."""
    layers: tuple[Layer, ...] = ()
    weights: tuple[float, ...] = ()
    """Scale of each layer's update, (n_layers,); 1.0 = as trained."""

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.weights):
            raise WeightCountError(len(self.layers), len(self.weights))
        for layer in self.layers:
            if layer.base_model != self.base_model:
                raise BaseModelMismatchError(layer.digest[:12], layer.base_model, self.base_model)

    @classmethod
    def of(cls, layer: Layer) -> Genome:
        """The genome of one layer at full weight."""
        return cls(layer.base_model, (layer,), (1.0,))

    def on(self, base_model: str) -> Genome:
        """This genome, after checking that it belongs to the given base model."""
        if self.base_model != base_model:
            raise BaseModelMismatchError("genome", self.base_model, base_model)
        return self

    @property
    def digest(self) -> str:
        """sha256 over base model, layer digests and weights."""
        parts = [self.base_model, *(layer.digest for layer in self.layers), repr(self.weights)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
