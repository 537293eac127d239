"""Written answers of a whole population are those each genome would give alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from academy.answering import greedy_answers, left_padded
from academy.exam import general_sheet
from academy.skills.letters import SKILL_NAMES
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.errors import TooLongError
from genome.genome import Genome
from genome.population import PopulationModel
from persona.engine import Engine
from persona.sampling import Sampling
from tests.support.genome import random_layer, tiny_base, tiny_model


def test_mixed_genomes_and_lengths_answer_as_each_does_alone(embedded: BaseModel) -> None:
    prompts = [c.prompt for c in general_sheet(SKILL_NAMES, 1, "audit")]
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.02)
    genomes = [Genome(embedded.fingerprint), Genome.of(layer)]
    population = PopulationModel(embedded.model)
    slots = population.load(genomes)
    together = greedy_answers(
        embedded, population, [s for s in slots for _ in prompts], prompts * 2, 16
    )
    engine = Engine(embedded)
    alone = [
        engine.answer(g, prompt, Sampling(max_tokens=16)) for g in genomes for prompt in prompts
    ]
    assert together == alone
    assert len(set(map(len, prompts))) > 3  # rows were padded


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "qwen3", "opt"])
def test_architectures_of_either_kind_of_position_are_answered(
    tokenizer: Any, model_type: str
) -> None:
    """Left padding does not move a prompt: alone or beside a longer one, the same answer."""
    base = BaseModel("tiny", tiny_model(model_type), tokenizer)
    population = PopulationModel(base.model)
    genome = Genome.of(random_layer(base.model, base.fingerprint, scale=0.2))
    slots = population.load([genome])
    short, long = "2+2", "a much longer prompt than that"
    both = greedy_answers(base, population, slots * 2, [short, long], 6)
    assert both[0] == greedy_answers(base, population, slots, [short], 6)[0]
    assert both[1] == greedy_answers(base, population, slots, [long], 6)[0]


def test_tokens_are_what_was_computed(tokenizer: Any) -> None:
    """Two rows of the prompt's width, then one position per row for all but the last token."""
    base, tokens = tiny_base(tokenizer), TokenMeter()
    population = PopulationModel(base.model)
    slots = population.load([Genome(base.fingerprint)])
    read = []
    hook = base.model.register_forward_hook(
        lambda _, args, kwargs, __: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    greedy_answers(base, population, slots * 2, ["ab", "abcd"], 5, tokens)
    hook.remove()
    assert tokens.forward == sum(read)


def test_a_prompt_that_fills_the_model_is_refused_and_a_long_one_is_cut_short(
    tokenizer: Any,
) -> None:
    base = tiny_base(tokenizer)
    population = PopulationModel(base.model)
    slots = population.load([Genome(base.fingerprint)])
    with pytest.raises(TooLongError, match="the 128 positions of the base: shorten it"):
        greedy_answers(base, population, slots, ["x" * 200], 5)
    answer = greedy_answers(base, population, slots, ["x" * 110], 500)[0]
    assert len(answer) < 20
    assert greedy_answers(base, population, [], [], 5) == []


def test_how_long_an_answer_may_be_depends_on_no_other_question(tokenizer: Any) -> None:
    """A prompt that nearly fills the model leaves the short ones beside it their room."""
    base = tiny_base(tokenizer)
    population = PopulationModel(base.model)
    slots = population.load([Genome(base.fingerprint)]) * 3
    prompts = ["a", "x" * 110, "bc"]
    alone = [greedy_answers(base, population, slots[:1], [p], 40)[0] for p in prompts]
    assert greedy_answers(base, population, slots, prompts, 40) == alone
    assert len(alone[1]) < 20 < len(base.tokenizer(alone[0])["input_ids"])


def test_padding_stands_on_the_left_and_is_masked(tokenizer: Any) -> None:
    base = tiny_base(tokenizer)
    ids, mask = left_padded(base, ["a", "abc"])
    assert ids.shape == mask.shape and torch.equal(mask[1], torch.ones_like(mask[1]))
    assert mask[0].tolist() == [0, 0] + [1] * (ids.shape[1] - 2)
    assert base.spelling.ends[0] == tokenizer.eos_token_id
