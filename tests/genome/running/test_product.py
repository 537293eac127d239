"""Prepacked products are the model's own, added up in another order."""

from __future__ import annotations

import pytest
import torch

from genome.genome import Genome
from genome.population import PopulationModel
from genome.running.product import Prepacked, multiplying, prepacked
from tests.support.genome import random_layer, tiny_model

IDS = torch.randint(3, 200, (4, 6), generator=torch.Generator().manual_seed(0))
pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN"
)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "phi3"])
@torch.no_grad()
def test_a_population_runs_on_prepacked_products(kind: str) -> None:
    """Maps with a bias and GPT-2's turned ones too; afterwards the model is what it was."""
    model = tiny_model(kind)
    population = PopulationModel(model)
    slots = population.load([Genome.of(random_layer(model, scale=0.3, seed=s)) for s in range(4)])
    with population.rows(slots):
        wanted = model(input_ids=IDS).logits
    products = prepacked(population.sites, 1 << 30)
    assert products.keys() == population.sites.keys()
    with multiplying(population.sites, products):
        bare = model(input_ids=IDS).logits
        with population.rows(slots):
            found = model(input_ids=IDS).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(bare, model(input_ids=IDS).logits, rtol=1e-4, atol=1e-5)
    assert all("forward" not in site.module.__dict__ for site in population.sites.values())


def test_there_are_none_without_room_or_where_the_library_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sites = PopulationModel(tiny_model("llama")).sites
    size = sum(site.weight.nbytes for site in sites.values())
    assert prepacked(sites, size) and not prepacked(sites, size - 1)

    def refuses(*_: object) -> None:
        raise RuntimeError("could not create a primitive descriptor")

    monkeypatch.setattr(Prepacked, "__init__", refuses)
    assert not prepacked(sites, size)
