"""Layers on their way: each distinct one goes into the object store once, by its digest.

A task carries digests and references; a worker fetches only what it has not kept from earlier
tasks. Half precision becomes float32 on the way, as it would when a population is stacked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from genome.genome import Genome
from genome.layer import Factors, Layer

Value = TypeVar("Value")
Key = tuple[str, str]
"""(fingerprint of the base model, digest): one layer's name."""
Arrays = tuple[str, dict[str, tuple[np.ndarray, np.ndarray]]]
"""A layer without torch: base model, then by module A (rank, in) and B (out, rank) float32."""
Parcel = tuple[Key, int, Any]
"""A layer's name, its bytes, and the reference under which the object store has it."""
KEPT_BYTES = 256 * 2**20
"""Layers kept in the store by this process, and in memory by each worker."""


def key_of(layer: Layer) -> Key:
    """The layer's name."""
    return layer.base_model, layer.digest


def pack_layer(layer: Layer) -> Arrays:
    """A layer as plain arrays, all numbers kept."""

    def plain(tensor: torch.Tensor) -> np.ndarray:
        return np.ascontiguousarray(tensor.detach().cpu().float().numpy())

    return layer.base_model, {m: (plain(a), plain(b)) for m, (a, b) in layer.factors.items()}


def unpack_layer(arrays: Arrays, digest: str = "") -> Layer:
    """A layer with memory of its own: what comes from the object store is shared and read-only."""
    base_model, factors = arrays
    layer = Layer(
        base_model, {m: Factors(torch.tensor(a), torch.tensor(b)) for m, (a, b) in factors.items()}
    )
    if digest:
        layer.__dict__["digest"] = digest  # computed where it was packed
    return layer


@dataclass(frozen=True, slots=True)
class PackedGenome:
    """A genome by the names of its layers."""

    base_model: str
    layers: tuple[Key, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, genome: Genome) -> PackedGenome:
        return cls(genome.base_model, tuple(map(key_of, genome.layers)), genome.weights)

    def unpack(self, layers: Mapping[Key, Layer]) -> Genome:
        """The genome, its layers at hand."""
        return Genome(self.base_model, tuple(layers[key] for key in self.layers), self.weights)


class Kept(Generic[Value]):
    """Values by layer, up to a number of bytes; those not asked for longest go first."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, n_bytes: int, make: Callable[[], Value]) -> Value:
        """The value held, or a new one; it stays valid for the caller when it is dropped here."""
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key][0]
        value = make()
        self._held[key] = (value, n_bytes)
        self._bytes += n_bytes
        while self._bytes > self._limit and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1][1]
        return value


class Shipper:
    """Puts layers into the object store, each distinct one once."""

    def __init__(self, put: Callable[[Arrays], Any]) -> None:
        self._put = put
        self._held: Kept[Any] = Kept()

    def parcels(self, layers: Iterable[Layer]) -> tuple[Parcel, ...]:
        """Names and references of these layers, without repetition.

        Whoever holds the references keeps the layers in the store.
        """
        wanted = {key_of(layer): layer for layer in layers}
        return tuple(self._parcel(key, layer) for key, layer in wanted.items())

    def _parcel(self, key: Key, layer: Layer) -> Parcel:
        size = layer.n_bytes
        return key, size, self._held.get(key, size, lambda: self._put(pack_layer(layer)))


class LayerCache:
    """A worker's layers, fetched when first needed."""

    def __init__(self, fetch: Callable[[Any], Arrays]) -> None:
        self._fetch = fetch
        self._layers: Kept[Layer] = Kept()

    def open(self, parcels: Sequence[Parcel]) -> dict[Key, Layer]:
        """These layers by name."""
        return {key: self._layer(key, size, reference) for key, size, reference in parcels}

    def _layer(self, key: Key, size: int, reference: Any) -> Layer:
        return self._layers.get(key, size, lambda: unpack_layer(self._fetch(reference), key[1]))
