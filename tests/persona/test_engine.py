"""A persona's answer is greedy generation with its genome."""

from __future__ import annotations

import asyncio
from typing import Any

import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel
from persona.engine import Engine
from tests.support.genome import random_layer

QUESTION = "sort: cbda"


def test_an_answer_is_what_transformers_generates(embedded: BaseModel) -> None:
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.02)
    genome = Genome.of(layer)
    ids = torch.tensor(embedded.prompt_ids([QUESTION]))
    population = PopulationModel(embedded.model)
    population.load([genome])
    with population.rows([0]):
        whole = embedded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=256,
        )
    wanted = embedded.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
    assert Engine(embedded).answer(genome, QUESTION, max_new_tokens=12) == wanted


def test_streamed_pieces_make_the_whole_answer(embedded: BaseModel) -> None:
    engine = Engine(embedded)
    genome = Genome(embedded.fingerprint)

    async def collect() -> list[Any]:
        messages = [{"role": "user", "content": QUESTION}]
        return [piece async for piece in engine.generate(genome, messages)]

    pieces = asyncio.run(collect())
    assert len(pieces) > 1
    assert "".join(pieces) == engine.answer(genome, QUESTION)
