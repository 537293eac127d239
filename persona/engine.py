"""How a persona answers: its genome on the base model, greedy, token by token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel


class Engine:
    """Generates text with any genome on one loaded base model."""

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        self._population = PopulationModel(base.model)

    def tokens(
        self, genome: Genome, messages: Sequence[Mapping[str, str]], *, max_new_tokens: int = 64
    ) -> Iterator[int]:
        """Greedy token ids of the answer, one by one, without the token that ends it."""
        prompt = self.base.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        slots = self._population.load([genome])
        cache, ids = None, prompt
        for _ in range(max_new_tokens):
            with torch.no_grad(), self._population.rows(slots):
                output = self.base.model(
                    input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1
                )
            cache = output.past_key_values
            ids = output.logits[:, -1:].argmax(-1)
            token = int(ids)
            if token in self.base.spelling.ends:
                return
            yield token

    def answer(self, genome: Genome, question: str, *, max_new_tokens: int = 64) -> str:
        """The whole answer to one question."""
        messages = [{"role": "user", "content": question}]
        ids = list(self.tokens(genome, messages, max_new_tokens=max_new_tokens))
        return str(self.base.tokenizer.decode(ids))

    async def generate(
        self, genome: Genome, messages: Sequence[Mapping[str, str]], *, max_new_tokens: int = 64
    ) -> AsyncIterator[str]:
        """The answer as it comes, piece by piece; other tasks run between tokens."""
        shown, ids = "", []
        for token in self.tokens(genome, messages, max_new_tokens=max_new_tokens):
            ids.append(token)
            text = str(self.base.tokenizer.decode(ids))
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # a character is still incomplete
                yield text[len(shown) :]
                shown = text
            await asyncio.sleep(0)
