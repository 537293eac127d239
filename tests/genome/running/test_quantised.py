"""Linear maps in eight bits: as near as their steps, and populations run on top of them."""

from __future__ import annotations

import pytest
import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel
from genome.running.quantised import FEW, Int8Linear
from tests.support.genome import dense_updates, random_layer


@pytest.fixture(scope="module")
def in_bytes(embedded: BaseModel) -> BaseModel:
    return BaseModel.load(embedded.path, dtype="int8")


@pytest.mark.parametrize("n", [1, FEW, FEW + 1])
@pytest.mark.parametrize("with_bias", [True, False])
def test_a_map_is_as_near_as_its_steps(n: int, with_bias: bool) -> None:
    generator = torch.Generator().manual_seed(n)
    weight, x = (torch.randn(size, generator=generator) for size in ((48, 96), (n, 96)))
    bias = torch.randn(48, generator=generator) if with_bias else None
    found = Int8Linear(weight, bias)(x)
    wanted = torch.nn.functional.linear(x, weight, bias)
    step = weight.abs().amax(1) / 127  # a weight is off by half a step at most, x by 1 in 512
    bound = x.abs().sum(1, keepdim=True) * step / 2 + (x.abs() @ weight.abs().T) / 128
    assert found.dtype == torch.float32 and ((found - wanted).abs() <= bound).all()


def test_a_row_of_zeros_stays_so() -> None:
    weight = torch.zeros(16, 32)
    assert not Int8Linear(weight, None)(torch.ones(2, 32)).any()


def test_the_base_is_the_same_one_in_a_quarter(embedded: BaseModel, in_bytes: BaseModel) -> None:
    assert in_bytes.fingerprint == embedded.fingerprint and in_bytes.packs
    linear = [m for m in in_bytes.model.modules() if isinstance(m, torch.nn.Linear)]
    assert linear and all(module.weight.dtype == torch.int8 for module in linear)
    assert in_bytes.linear_shapes == embedded.linear_shapes


@torch.no_grad()
def test_a_population_runs_on_top(in_bytes: BaseModel) -> None:
    genomes = [
        Genome.of(random_layer(in_bytes.model, in_bytes.fingerprint, seed=s)) for s in range(3)
    ]
    ids = torch.tensor(in_bytes.prompt_ids(["sort: cbda"] * 3))
    population = PopulationModel(in_bytes.model)
    population.load(genomes)
    with population.rows([0, 1, 2]):
        found = in_bytes.model(input_ids=ids).logits
    for row, genome in enumerate(genomes):
        model, updates = BaseModel.load(in_bytes.path, dtype="int8").model, dense_updates(genome)
        handles = [
            model.get_submodule(name).register_forward_hook(
                lambda _, given, y, update=update: y + given[0] @ update.T
            )
            for name, update in updates.items()
        ]
        assert handles
        wanted = model(input_ids=ids[:1]).logits[0]
        assert torch.allclose(found[row], wanted, atol=0.05 * wanted.abs().max().item())
        others = [found[i] for i in range(3) if i != row]
        assert all((o - wanted).norm() > 5 * (found[row] - wanted).norm() for o in others)
