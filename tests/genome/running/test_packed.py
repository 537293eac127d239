"""Rows laid end to end give what each gives alone, whatever stands beside them."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from genome.genome import Genome
from genome.population import PopulationModel
from genome.running.packed import PackedRows, RowCache, can_pack, packed_attention, run_packed
from tests.support.genome import ARCHITECTURES, random_layer, tiny_model

WINDOWED: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": 5},
    "gemma2": {"head_dim": 8, "sliding_window": 5},
    "gemma3_text": {"head_dim": 8, "sliding_window": 5},
}


@pytest.mark.parametrize(
    ("kind", "extra"), [*((kind, {}) for kind in ARCHITECTURES), *WINDOWED.items()]
)
@torch.no_grad()
def test_rows_read_in_pieces_beside_others_are_what_each_is_alone(
    kind: str, extra: dict[str, Any]
) -> None:
    """Pieces of any length, each row with a genome of its own; sliding windows among them."""
    model, rng = tiny_model(kind, **extra), random.Random(kind)
    population = PopulationModel(model)
    slots = population.load([Genome.of(random_layer(model, scale=0.3, seed=s)) for s in range(3)])
    texts = [[rng.randrange(3, 200) for _ in range(n)] for n in (17, 9, 13)]
    rows = [RowCache() for _ in texts]
    found: list[list[torch.Tensor]] = [[] for _ in texts]
    while any(row.n_read < len(text) for row, text in zip(rows, texts, strict=True)):
        shares = [
            (i, rng.randint(1, min(6, len(text) - rows[i].n_read)))
            for i, text in enumerate(texts)
            if rows[i].n_read < len(text) and rng.random() < 0.7
        ]
        if not shares:
            continue
        pieces = [texts[i][rows[i].n_read :][:n] for i, n in shares]
        lengths = [n for _, n in shares]
        by_token = [slots[i] for i, n in shares for _ in range(n)]
        with packed_attention(model), population.rows(by_token):
            packed = PackedRows([rows[i] for i, _ in shares], lengths)
            output = run_packed(
                model, torch.tensor([token for piece in pieces for token in piece]), packed
            )
        states = output.last_hidden_state[:, 0].split(lengths)
        for (i, n), some in zip(shares, states, strict=True):
            rows[i].n_read += n
            found[i].append(some)
    for i, text in enumerate(texts):
        with population.rows([slots[i]]):
            alone = model.get_decoder()(input_ids=torch.tensor([text])).last_hidden_state[0]
        torch.testing.assert_close(torch.cat(found[i]), alone, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_a_pass_that_failed_leaves_no_trace() -> None:
    """Until its length is counted, what was written behind a row is written over."""
    model, row = tiny_model("llama"), RowCache()
    for ids in ([5, 6, 7], [9, 9]):
        with packed_attention(model):
            run_packed(model, torch.tensor(ids), PackedRows([row], [len(ids)]))
    row.n_read = 2  # [9, 9] counts, the 7 behind does not
    with packed_attention(model):
        after = run_packed(model, torch.tensor([4]), PackedRows([row], [1]))
    alone = model.get_decoder()(input_ids=torch.tensor([[9, 9, 4]])).last_hidden_state[0, -1]
    torch.testing.assert_close(after.last_hidden_state[0, 0], alone, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_packed_is_found_out_and_left_as_it_was() -> None:
    """Bloom's positions are in its attention."""
    bloom = tiny_model("bloom", n_layer=2, n_head=4)
    before = bloom.config._attn_implementation
    assert not can_pack(bloom) and can_pack(tiny_model("llama"))
    assert bloom.config._attn_implementation == before


def test_a_kind_of_attention_that_shows_on_long_texts_only_is_not_packed() -> None:
    """Chunks of thousands of tokens are nothing that eight can tell."""
    model = tiny_model("llama")
    model.config.layer_types = ["chunked_attention", "full_attention"]
    assert not can_pack(model)
