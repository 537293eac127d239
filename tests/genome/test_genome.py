"""A genome refuses what does not belong together."""

from __future__ import annotations

import pytest

from genome.errors import BaseModelMismatchError, WeightCountError
from genome.genome import Genome
from tests.support.genome import random_layer, tiny_llama

LAYER = random_layer(tiny_llama())


def test_one_weight_per_layer() -> None:
    with pytest.raises(WeightCountError, match="1 layers came with 2 weights"):
        Genome("tiny", (LAYER,), (1.0, 2.0))


def test_layers_must_be_of_the_genomes_base() -> None:
    with pytest.raises(BaseModelMismatchError, match="retrain the layer or change the base"):
        Genome("other", (LAYER,), (1.0,))
    with pytest.raises(BaseModelMismatchError):
        Genome.of(LAYER).on("other")


def test_the_digest_tells_genomes_apart_by_layers_and_weights() -> None:
    digests = {
        Genome("tiny").digest,
        Genome.of(LAYER).digest,
        Genome("tiny", (LAYER,), (0.5,)).digest,
    }
    assert len(digests) == 3
    assert Genome.of(LAYER).digest == Genome("tiny", (LAYER,), (1.0,)).digest
