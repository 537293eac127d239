"""Many genomes in one pass give what PEFT gives one at a time, and leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel
from genome.running.stack import linear_sites
from tests.support.genome import ARCHITECTURES, dense_updates, random_layer, tiny_llama, tiny_model

IDS = torch.randint(0, 256, (6, 11), generator=torch.Generator().manual_seed(5))
MIXED = [0, 1, 1, 2, 3, 0]


def genomes_of(model: object) -> list[Genome]:
    """Base alone, one layer, one of another rank, and two stacked with weights."""
    a, b = random_layer(model, seed=1), random_layer(model, rank=2, seed=2)
    return [Genome("tiny"), Genome.of(a), Genome.of(b), Genome("tiny", (a, b), (0.5, -1.5))]


def with_peft(model: Any, layer: Layer) -> Any:
    """The model with one layer as a PEFT adapter, whose weights are set by hand."""
    conv = type(next(iter(linear_sites(model).values())).module).__name__ == "Conv1D"
    rank = layer.rank
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=list(layer.factors), fan_in_fan_out=conv
    )
    wrapped = get_peft_model(model, config).eval()
    for name, module in wrapped.base_model.model.named_modules():
        if name in layer.factors:
            a, b = layer.factors[name]
            module.lora_A["default"].weight.data.copy_(a)
            module.lora_B["default"].weight.data.copy_(b)
    return wrapped


@contextmanager
def dense(model: Any, genome: Genome) -> Iterator[None]:
    """The genome added to the weights themselves, and taken off again."""
    sites, updates = linear_sites(model), dense_updates(genome)
    kept = {module: sites[module].weight.data.clone() for module in updates}
    for module, delta in updates.items():
        sites[module].weight.data += delta
    yield
    for module, weight in kept.items():
        sites[module].weight.data.copy_(weight)


def one_by_one(model: Any, slots: list[int], **inputs: torch.Tensor) -> torch.Tensor:
    """Every row alone through the dense weights of its genome."""
    genomes, rows = genomes_of(model), []
    for row, slot in enumerate(slots):
        alone = {name: value[row : row + 1] for name, value in inputs.items()}
        with torch.no_grad(), dense(model, genomes[slot]):
            rows.append(model(**alone).logits)
    return torch.cat(rows)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_agrees_with_peft_on_every_architecture(architecture: str) -> None:
    """To 1e-4 in float32, PEFT running one adapter at a time."""
    model = tiny_model(architecture).requires_grad_(False)
    layers = [random_layer(model, seed=seed) for seed in (1, 2, 3)]
    population = PopulationModel(model)
    slots = population.load([Genome.of(layer) for layer in layers])
    with torch.no_grad(), population.rows([s for s in slots for _ in range(2)]):
        together = model(input_ids=IDS).logits
    for slot, layer in enumerate(layers):
        rows = slice(2 * slot, 2 * slot + 2)
        wrapped = with_peft(tiny_model(architecture), layer)
        with torch.no_grad():
            alone = wrapped(input_ids=IDS[rows]).logits
        torch.testing.assert_close(together[rows], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_on_either_side_and_rows_in_any_order(architecture: str, side: str) -> None:
    model = tiny_model(architecture).requires_grad_(False)
    mask = torch.ones_like(IDS)
    for row, n_pads in enumerate([0, 3, 5, 1, 0, 4]):
        mask[row, slice(0, n_pads) if side == "left" else slice(11 - n_pads, 11)] = 0
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    inputs = {"input_ids": IDS, "attention_mask": mask}
    if architecture != "opt":  # works positions out from the mask itself
        inputs["position_ids"] = positions
    population = PopulationModel(model)
    population.load(genomes_of(model))
    with torch.no_grad(), population.rows(MIXED):
        together = model(**inputs).logits
    alone = one_by_one(model, MIXED, **inputs)
    real = mask.bool()
    torch.testing.assert_close(together[real], alone[real], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "slots",
    [MIXED, [1, 1, 1, 3, 3, 3], [2] * 6, [3, 2, 1, 0, 2, 1], [0, 3, 0, 3, 3, 0]],
    ids=["mixed", "grouped", "one", "shuffled", "two"],
)
@pytest.mark.parametrize("n_tokens", [11, 60])
def test_every_grouping_gives_the_same_logits(slots: list[int], n_tokens: int) -> None:
    """Few tokens a genome are computed factored, many merged; neither can be told apart."""
    model = tiny_llama().requires_grad_(False)
    ids = torch.randint(0, 256, (6, n_tokens), generator=torch.Generator().manual_seed(1))
    population = PopulationModel(model)
    population.load(genomes_of(model))
    with torch.no_grad(), population.rows(slots):
        together = model(input_ids=ids).logits
    torch.testing.assert_close(together, one_by_one(model, slots, input_ids=ids), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["by row", "of all", "mask"])
def test_logits_of_few_positions_are_those_of_their_rows(kind: str) -> None:
    """Positions by row are sorted with the rows; a mask's logits have no rows and stay."""
    model = tiny_llama().requires_grad_(False)
    population = PopulationModel(model)
    population.load(genomes_of(model))
    by_row = torch.tensor([[0, 4], [1, 2], [10, 3], [5, 5], [7, 1], [2, 9]])
    with torch.no_grad(), population.rows(MIXED):
        whole = model(input_ids=IDS).logits
        if kind == "by row":
            kept, wanted = by_row, whole.take_along_dim(by_row[..., None], 1)
        elif kind == "of all":
            kept, wanted = by_row[0], whole[:, by_row[0]]
        else:
            kept = torch.zeros_like(IDS, dtype=torch.bool).scatter_(1, by_row, True)
            wanted = whole[kept]
        few = model(input_ids=IDS, logits_to_keep=kept).logits
    torch.testing.assert_close(few, wanted, atol=1e-5, rtol=0)


def test_all_outputs_come_back_in_the_rows_own_places() -> None:
    """Hidden states, attentions, loss and cache too, although rows are sorted for the pass."""
    model = tiny_llama().requires_grad_(False)
    population = PopulationModel(model)
    population.load(genomes_of(model))
    slots = [0, 1, 0, 1, 1, 0]
    wanted = {"output_hidden_states": True, "output_attentions": True, "use_cache": True}
    with torch.no_grad(), population.rows(slots):
        together = model(input_ids=IDS, labels=IDS, **wanted)
        inner = model.model(input_ids=IDS).last_hidden_state
    assert torch.allclose(inner, together.hidden_states[-1], atol=1e-5)
    for row, slot in enumerate(slots):
        with torch.no_grad(), population.rows([slot]):
            alone = model(input_ids=IDS[row : row + 1], **wanted)
        pairs = [*zip(together.hidden_states, alone.hidden_states, strict=True)]
        pairs += zip(together.attentions, alone.attentions, strict=True)
        pairs += [
            (a.keys, b.keys)
            for a, b in zip(
                together.past_key_values.layers, alone.past_key_values.layers, strict=True
            )
        ]
        for both, one in pairs:
            torch.testing.assert_close(both[row : row + 1], one, atol=1e-5, rtol=0)
    shifted = nn.functional.cross_entropy(
        together.logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()
    )
    torch.testing.assert_close(together.loss, shifted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("slots", [[0, 1, 2, 3], [3, 1, 3, 1]])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
def test_generation_with_cache_agrees_with_one_at_a_time(
    architecture: str, slots: list[int]
) -> None:
    model = tiny_model(architecture).requires_grad_(False)
    population = PopulationModel(model)
    population.load(genomes_of(model))
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 256}
    mask = torch.ones_like(IDS[:4])
    with population.rows(slots):
        together = model.generate(input_ids=IDS[:4], attention_mask=mask, **options)
    for row, slot in enumerate(slots):
        with population.rows([slot]):
            alone = model.generate(input_ids=IDS[row : row + 1], attention_mask=mask[:1], **options)
        assert together[row, : alone.shape[1]].tolist() == alone[0].tolist()


def test_beams_and_several_answers_run_the_genome_of_their_row() -> None:
    model = tiny_llama().requires_grad_(False)
    population = PopulationModel(model)
    population.load(genomes_of(model))
    options = {"max_new_tokens": 6, "do_sample": False, "num_beams": 3, "num_return_sequences": 2}
    options["pad_token_id"] = 256
    slots = [1, 3, 1]
    with population.rows(slots):
        together = model.generate(IDS[:3], attention_mask=torch.ones_like(IDS[:3]), **options)
    for row, slot in enumerate(slots):
        one = IDS[row : row + 1]
        with population.rows([slot]):
            alone = model.generate(one, attention_mask=torch.ones_like(one), **options)
        both = together[2 * row : 2 * row + 2, : alone.shape[1]]
        assert both.tolist() == alone.tolist()


def test_bfloat16_stays_within_its_own_precision() -> None:
    """Logits of size about 1 agree with float32 to 0.06, and with bfloat16 alone to 0.03."""
    exact, half = tiny_llama(), tiny_llama().to(torch.bfloat16)
    logits = {}
    for name, model in (("exact", exact), ("half", half)):
        population = PopulationModel(model.requires_grad_(False))
        population.load(genomes_of(model))
        with torch.no_grad(), population.rows(MIXED):
            logits[name] = model(input_ids=IDS).logits.float()
        with torch.no_grad(), population.rows([MIXED[1]]):
            logits[name + " alone"] = model(input_ids=IDS[1:2]).logits.float()
    assert half.dtype == torch.bfloat16
    assert (logits["half"] - logits["exact"]).abs().max() < 0.06
    assert (logits["half"][1:2] - logits["half alone"]).abs().max() < 0.03


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_leaving_the_context_restores_the_model_exactly(error: type[Exception] | None) -> None:
    """Weights, forward methods and hooks; also when the pass inside raises."""
    model = tiny_llama().requires_grad_(False)
    before, state = (
        model(input_ids=IDS).logits,
        {k: v.clone() for k, v in model.state_dict().items()},
    )
    population = PopulationModel(model)
    population.load([Genome.of(random_layer(model))])
    try:
        with population.rows([0] * 6):
            model(input_ids=IDS)
            if error:
                raise error
    except RuntimeError:
        pass
    assert torch.equal(model(input_ids=IDS).logits, before)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    for module in model.modules():
        assert "forward" not in module.__dict__
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_a_failed_pass_does_not_leave_rows_sorted() -> None:
    model = tiny_llama().requires_grad_(False)
    population = PopulationModel(model)
    population.load(genomes_of(model))
    with torch.no_grad(), population.rows(MIXED):
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full_like(IDS, 9999))
        after = model.model(input_ids=IDS).last_hidden_state
        torch.testing.assert_close(
            after, model(input_ids=IDS, output_hidden_states=True).hidden_states[-1]
        )


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_one_backward_pass_gives_every_slot_the_gradient_it_would_get_alone(
    architecture: str, checkpointing: bool
) -> None:
    model = tiny_model(architecture).requires_grad_(False)
    genomes = [Genome.of(random_layer(model, seed=s)) for s in (1, 2, 3)]

    def gradients(some: list[Genome], rows: torch.Tensor, slots: list[int]) -> list[torch.Tensor]:
        population = PopulationModel(model)
        population.load(some)
        population.train(True)
        with population.rows(slots):
            model(input_ids=rows, use_cache=False).logits.square().sum().backward()
        assert len(population.parameters()) > 0
        return [p.grad for p in population.parameters() if p.grad is not None]

    slots = [2, 0, 1, 1, 2, 0]
    if checkpointing:
        model.train()
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    together = gradients(genomes, IDS, slots)
    model.eval().activation_checkpointing_disable()
    for slot, genome in enumerate(genomes):
        mine = [row for row, s in enumerate(slots) if s == slot]
        alone = gradients([genome], IDS[mine], [0, 0])
        for both, one in zip(together, alone, strict=True):
            torch.testing.assert_close(both[slot], one[0], atol=1e-3, rtol=1e-3)
    assert all(p.grad is None for p in model.parameters())


def test_slots_rows_and_modules_that_do_not_fit_are_refused() -> None:
    model = tiny_llama()
    population = PopulationModel(model)
    population.load([Genome("tiny"), Genome.of(random_layer(model))])
    with pytest.raises(GenomeError, match="load the genomes first"), population.rows([2]):
        pass
    with pytest.raises(GenomeError, match="one slot for every row"), population.rows([0, 1, 1, 0]):
        model(input_ids=IDS)
    layer = random_layer(model)
    strange = Layer("tiny", {"model.layers.9.self_attn.q_proj": next(iter(layer.factors.values()))})
    with pytest.raises(GenomeError, match="another architecture"):
        population.load([Genome.of(strange)])
