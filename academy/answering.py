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
from genome.opening import read_opening, shared_length
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
    *,
    wanted: Sequence[str] | None = None,
) -> list[str]:
    """What each slot's genome answers to its prompt, without the end-of-sequence token.

    Args:
        population: Holds the genomes; row i is answered by the one in `slots[i]`.
        max_new_tokens: Longest answer. Also never more than the model has positions for.
        tokens: Is charged with every position computed, padding and finished rows included.
        wanted: Answers that are all that matters: a row stops as soon as its own is out of reach,
            and what it has written by then is returned.

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
            reach = None if wanted is None else [wanted[i] for i in rows]
            said = _answer_rows(base, population, *own, room, tokens, reach)
            for i, answer in zip(rows, said, strict=True):
                answers[i] = answer
    return answers


def _answer_rows(
    base: BaseModel,
    population: PopulationModel,
    slots: Sequence[int],
    prompts: Sequence[str],
    max_new_tokens: int,
    tokens: TokenMeter | None,
    wanted: Sequence[str] | None,
) -> list[str]:
    n, past = 0, None
    if base.is_wide:
        ids = base.prompt_ids(prompts)
        n = shared_length(ids, len(set(slots)))
        with torch.no_grad():
            past = read_opening(population, slots, ids[0][:n]) if n else None
        n = n if past is not None else 0
    input_ids, mask = left_padded(base, prompts, opening=n)  # (n_rows, width) each
    width = input_ids.shape[1]
    ends = list(base.spelling.ends)
    reach = None if wanted is None else _OutOfReach(base, wanted, width)
    with torch.no_grad(), population.rows(list(slots)):
        whole = base.model.generate(
            input_ids=input_ids,
            attention_mask=mask,
            past_key_values=past,
            generation_config=_greedy(base, max_new_tokens, ends),
            stopping_criteria=None if reach is None else [reach],
        )
    if tokens is not None:  # the last token written is never read
        read = whole.shape[1] - 1 - n
        tokens.forward += len(prompts) * read + len(set(slots)) * n
    written = whole[:, width:].tolist()
    if reach is not None:  # behind where it was stopped a row has pads
        written = [row[:n] for row, n in zip(written, reach.lengths, strict=True)]
    return [_text(base, row, ends) for row in written]


class _OutOfReach:
    """Stops the rows whose text can no longer become the answer that is wanted of them."""

    def __init__(self, base: BaseModel, wanted: Sequence[str], width: int) -> None:
        self.spelling, self.wanted, self.width = base.spelling, wanted, width
        self.lengths: list[int | None] = [None] * len(wanted)
        """Tokens of each row when it was stopped; None = it was not."""

    def __call__(self, input_ids: torch.Tensor, _: Any, **__: Any) -> torch.Tensor:
        """Which rows to stop, (n_rows,) bool."""
        for i, said in enumerate(input_ids[:, self.width :].tolist()):
            if self.lengths[i] is None and said[-1] not in self.spelling.ends:
                self.lengths[i] = len(said) if self.spelling.left(self.wanted[i], said) else None
        stopped = [length is not None for length in self.lengths]
        return torch.tensor(stopped, device=input_ids.device)


def left_padded(
    base: BaseModel, prompts: Sequence[str], *, opening: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts as the chat template puts them, ids and attention mask, (n_rows, width) int64.

    Args:
        opening: Tokens that all begin with; pads stand behind these.
    """
    ids = base.prompt_ids(prompts)
    width = max(len(row) for row in ids)
    input_ids = torch.full((len(ids), width), base.tokenizer.pad_token_id, dtype=torch.int64)
    mask = torch.zeros_like(input_ids)
    for i, row in enumerate(ids):
        start = width - len(row) + opening
        input_ids[i, :opening] = torch.tensor(row[:opening])
        input_ids[i, start:] = torch.tensor(row[opening:])
        mask[i, :opening] = mask[i, start:] = 1
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
