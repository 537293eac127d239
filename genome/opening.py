"""What all prompts of a batch begin with, computed once for each genome and not once for each row.

A chat template opens every question alike, examples and a system prompt still more so. Keys and
values of that opening depend on the genome alone, so each row goes on from its genome's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from genome.base_model import IGNORED, Rows
from genome.population import PopulationModel

LEAST = 8
"""Tokens in common from which it pays."""


def shared_length(prompts: Sequence[Sequence[int]], n_genomes: int) -> int:
    """How many tokens of all prompts are computed once for each genome; 0 where it saves nothing.

    Every prompt keeps at least one token of its own, from which it goes on.
    """
    if len(prompts) <= n_genomes:
        return 0
    shortest = min(map(len, prompts)) - 1
    first = prompts[0]
    shared = next(
        (i for i in range(shortest) if any(row[i] != first[i] for row in prompts)), shortest
    )
    return shared if shared >= LEAST else 0


def without_opening(
    population: PopulationModel, slots: Sequence[int], rows: Rows
) -> tuple[Rows, int]:
    """The same rows without what all of them begin with, which was read and is their past.

    Returns:
        The rows, and how many tokens each genome has read: 0 = they are as they were.
    """
    starts = (rows.labels != IGNORED).int().argmax(1).tolist()  # the prompt's last token
    prompts = [row[: at + 1] for row, at in zip(rows.input_ids.tolist(), starts, strict=True)]
    n = shared_length(prompts, len(set(slots)))
    past = read_opening(population, slots, prompts[0][:n]) if n else None
    if past is None:
        return rows, 0
    return Rows(rows.input_ids[:, n:], rows.labels[:, n:], past), n


def read_opening(population: PopulationModel, slots: Sequence[int], opening: Sequence[int]) -> Any:
    """The model's cache after the opening, row i as the genome in `slots[i]` reads it.

    Gradients go back through it, if they are collected.

    Returns:
        What a forward pass takes as `past_key_values`; None where this model's cannot be divided.
    """
    genomes = list(dict.fromkeys(slots))
    ids = torch.tensor([list(opening)] * len(genomes))
    with population.rows(genomes):
        past = population.model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
    if not hasattr(past, "batch_select_indices"):
        return None
    past.batch_select_indices(torch.tensor([genomes.index(slot) for slot in slots]))
    return past
