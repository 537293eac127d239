"""A layer goes into the store once and comes out with the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from academy.cluster.freight import (
    Kept,
    LayerCache,
    PackedGenome,
    Shipper,
    key_of,
    pack_layer,
    unpack_layer,
)
from genome.genome import Genome
from genome.layer import Factors, Layer


def layer(seed: int, dtype: torch.dtype = torch.float32) -> Layer:
    drawn = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, 8, generator=drawn), torch.randn(4, 2, generator=drawn)
    return Layer("tiny", {"block.map": Factors(a.to(dtype), b.to(dtype))})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_layer_arrives_with_its_digest(dtype: torch.dtype) -> None:
    sent = layer(1, dtype)
    arrived = unpack_layer(pack_layer(sent))
    assert arrived.digest == sent.digest
    assert arrived.base_model == sent.base_model


def test_what_arrives_can_be_changed_without_changing_the_store() -> None:
    arrays = pack_layer(layer(1))
    for a, b in arrays[1].values():
        a.flags.writeable = b.flags.writeable = False
    arrived = unpack_layer(arrays)
    arrived.factors["block.map"].a.add_(1)
    assert unpack_layer(arrays).digest == layer(1).digest


def test_each_distinct_layer_is_put_once_and_fetched_once() -> None:
    store: list[Any] = []
    fetched: list[int] = []

    def put(arrays: Any) -> int:
        store.append(arrays)
        return len(store) - 1

    def fetch(reference: int) -> Any:
        fetched.append(reference)
        return store[reference]

    shipper, shelf = Shipper(put), LayerCache(fetch)
    first = shipper.parcels([layer(1), layer(2), layer(1)])
    again = shipper.parcels([layer(2)])
    assert (len(first), len(again), len(store)) == (2, 1, 2)
    genome = Genome("tiny", (layer(2), layer(1)), (0.5, 2.0))
    packed = PackedGenome.of(genome)
    assert packed.unpack(shelf.open(first)).digest == genome.digest
    shelf.open(again)
    assert fetched == [0, 1]


def test_the_same_numbers_for_another_base_are_another_layer() -> None:
    shipper = Shipper(lambda arrays: arrays[0])
    other = Layer("other", layer(1).factors)
    parcels = shipper.parcels([layer(1), other])
    assert [(key[0], reference) for key, _, reference in parcels] == [
        ("tiny", "tiny"),
        ("other", "other"),
    ]


def test_what_was_not_asked_for_longest_goes_first() -> None:
    made: list[str] = []
    kept: Kept[str] = Kept(limit=20)

    def get(name: str) -> None:
        kept.get(("base", name), 10, lambda: made.append(name) or name)

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
    assert made == ["a", "b", "c", "b"]
    kept.get(key_of(layer(1)), 1000, lambda: "too large for the limit, held all the same")
    assert made == ["a", "b", "c", "b"]
