"""Many genomes in one pass give what PEFT gives one at a time, and leave no trace."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel
from genome.testing import random_layer, tiny_llama

IDS = torch.randint(0, 256, (6, 11), generator=torch.Generator().manual_seed(5))


def genomes_of(model: object) -> list[Genome]:
    """Base alone, one layer, one of another rank, and two stacked with weights."""
    a, b = random_layer(model, seed=1), random_layer(model, rank=2, seed=2)
    return [Genome("tiny"), Genome.of(a), Genome.of(b), Genome("tiny", (a, b), (0.5, -1.5))]


def reference(model: object, genome: Genome, ids: torch.Tensor, folder: Path) -> torch.Tensor:
    """The same genome through PEFT, merged layer by layer into a copy."""
    whole = copy.deepcopy(model)
    for i, (layer, weight) in enumerate(zip(genome.layers, genome.weights, strict=True)):
        scaled = Layer("tiny", {m: f._replace(b=f.b * weight) for m, f in layer.factors.items()})
        scaled.to_peft(folder / str(i))
        whole = PeftModel.from_pretrained(whole, str(folder / str(i))).merge_and_unload()
    with torch.no_grad():
        return whole(input_ids=ids).logits  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize(
    "slots", [[0, 1, 1, 2, 3, 0], [1, 1, 1, 3, 3, 3], [2] * 6], ids=["mixed", "grouped", "one"]
)
def test_every_row_runs_its_own_genome(tmp_path: Path, slots: list[int]) -> None:
    """Logits agree with PEFT one at a time to 1e-4 in float32."""
    model = tiny_llama()
    genomes = genomes_of(model)
    population = PopulationModel(model)
    population.load(genomes)
    with torch.no_grad(), population.rows(slots):
        together = model(input_ids=IDS).logits
    for row, slot in enumerate(slots):
        alone = reference(model, genomes[slot], IDS[row : row + 1], tmp_path / f"{row}")
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=0)


def test_generation_with_cache_agrees_with_one_at_a_time() -> None:
    model = tiny_llama()
    population = PopulationModel(model)
    population.load(genomes_of(model))
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 256}
    mask = torch.ones_like(IDS[:4])
    with population.rows([0, 1, 2, 3]):
        together = model.generate(input_ids=IDS[:4], attention_mask=mask, **options)
    for row in range(4):
        with population.rows([row]):
            alone = model.generate(input_ids=IDS[row : row + 1], attention_mask=mask[:1], **options)
        assert together[row, : alone.shape[1]].tolist() == alone[0].tolist()


def test_leaving_the_context_restores_the_model_exactly() -> None:
    """Also when the pass inside raises."""
    model = tiny_llama()
    before = model(input_ids=IDS).logits
    population = PopulationModel(model)
    population.load([Genome.of(random_layer(model))])
    with pytest.raises(RuntimeError), population.rows([0] * 6):
        raise RuntimeError
    assert torch.equal(model(input_ids=IDS).logits, before)


def test_one_backward_pass_gives_every_slot_the_gradient_it_would_get_alone() -> None:
    model = tiny_llama().requires_grad_(False)
    genomes = [Genome.of(random_layer(model, seed=s)) for s in (1, 2)]

    def gradients(some: list[Genome], rows: torch.Tensor, slots: list[int]) -> list[torch.Tensor]:
        population = PopulationModel(model)
        population.load(some)
        population.train(True)
        with population.rows(slots):
            model(input_ids=rows).logits.square().sum().backward()
        return [p.grad for p in population.parameters() if p.grad is not None]

    together = gradients(genomes, IDS[:4], [0, 0, 1, 1])
    for slot in (0, 1):
        alone = gradients([genomes[slot]], IDS[2 * slot : 2 * slot + 2], [0, 0])
        for both, one in zip(together, alone, strict=True):
            torch.testing.assert_close(both[slot], one[0], atol=1e-3, rtol=1e-3)
    assert all(p.grad is None for p in model.parameters())


def test_slots_and_modules_that_do_not_exist_are_refused() -> None:
    model = tiny_llama()
    population = PopulationModel(model)
    population.load([Genome("tiny")])
    with pytest.raises(GenomeError, match="load the genomes first"), population.rows([1]):
        pass
    layer = random_layer(model)
    strange = Layer("tiny", {"model.layers.9.self_attn.q_proj": next(iter(layer.factors.values()))})
    with pytest.raises(GenomeError, match="another architecture"):
        population.load([Genome.of(strange)])
