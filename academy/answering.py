"""Answers written out by whole populations, greedily, for what teacher forcing cannot score.

Every row of a batch runs its own genome. Prompts are padded on the left, so that all rows end
at the same place and go on together; the library's own generation loop does the rest, so any
Hugging Face causal LM works, whatever its cache looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.population import PopulationModel

ROWS = 256
"""Rows generated at once at most: a cache of keys and values is held for each."""


def greedy_answers(
    base: BaseModel,
    population: PopulationModel,
    slots: Sequence[int],
    prompts: Sequence[str],
    max_new_tokens: int,
    tokens: TokenMeter | None = None,
) -> list[str]:
    """What each slot's genome answers to its prompt, without the end-of-sequence token.

    Args:
        population: Holds the genomes; row i is answered by the one in `slots[i]`.
        max_new_tokens: Longest answer. Also never more than the model has positions for.
        tokens: Is charged with every position computed, padding and finished rows included.

    Raises:
        TooLongError: A prompt fills all of the model's positions.
        TooLargeError: Not even this prompt alone fits into the memory allowed.
    """
    answers = [""] * len(prompts)
    by_room: dict[int, list[int]] = {}
    for i, ids in enumerate(base.prompt_ids(prompts)):
        if refused := base.refusal(prompts[i], len(ids) + 1, 1):
            raise refused
        room = min(max_new_tokens, base.positions - len(ids))
        by_room.setdefault(room, []).append(i)
    for room, places in by_room.items():  # how long an answer may be depends on no other question
        for part in base.batches([prompts[i] for i in places], room=room, most=ROWS):
            rows = [places[i] for i in part]
            own = [slots[i] for i in rows], [prompts[i] for i in rows]
            for i, answer in zip(
                rows, _answer_rows(base, population, *own, room, tokens), strict=True
            ):
                answers[i] = answer
    return answers


def _answer_rows(
    base: BaseModel,
    population: PopulationModel,
    slots: Sequence[int],
    prompts: Sequence[str],
    max_new_tokens: int,
    tokens: TokenMeter | None,
) -> list[str]:
    input_ids, mask = left_padded(base, prompts)  # (n_rows, width) each
    width = input_ids.shape[1]
    ends = list(base.spelling.ends)
    with torch.no_grad(), population.rows(list(slots)):
        whole = base.model.generate(
            input_ids=input_ids,
            attention_mask=mask,
            generation_config=_greedy(base, max_new_tokens, ends),
        )
    if tokens is not None:  # the last token written is never read
        tokens.forward += len(prompts) * (whole.shape[1] - 1)
    return [_text(base, row, ends) for row in whole[:, width:].tolist()]


def left_padded(base: BaseModel, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts as the chat template puts them, ids and attention mask, (n_rows, width) int64."""
    ids = base.prompt_ids(prompts)
    width = max(len(row) for row in ids)
    input_ids = torch.full((len(ids), width), base.tokenizer.pad_token_id, dtype=torch.int64)
    mask = torch.zeros_like(input_ids)
    for i, row in enumerate(ids):
        input_ids[i, width - len(row) :] = torch.tensor(row)
        mask[i, width - len(row) :] = 1
    return input_ids, mask


def _greedy(base: BaseModel, max_new_tokens: int, ends: list[int]) -> Any:
    """Plain arg-max decoding, spelled out where a model's own settings would add to it."""
    from transformers import GenerationConfig

    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        use_cache=True,
        temperature=1.0,
        top_p=1.0,
        top_k=50,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=ends,
        pad_token_id=base.tokenizer.pad_token_id,
    )


def _text(base: BaseModel, row: list[int], ends: list[int]) -> str:
    stop = next((i for i, token in enumerate(row) if token in ends), len(row))
    return str(base.tokenizer.decode(row[:stop]))
