"""A model's two halves, one after the other, are the model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.population import PopulationModel
from genome.running.halves import run_body, run_head
from tests.support.genome import ARCHITECTURES, tiny_model

CAPPED: dict[str, dict[str, Any]] = {"gemma2": {"head_dim": 8, "final_logit_softcapping": 3.0}}
SCALED: dict[str, dict[str, Any]] = {"granite": {"logits_scaling": 4.0}, "cohere": {}}


@pytest.mark.parametrize("kind", [*ARCHITECTURES, *CAPPED, *SCALED])
def test_pieces_of_the_heads_output_are_the_models_logits(kind: str) -> None:
    """What a model does to its logits (caps, scales) is done to every piece."""
    model = tiny_model(kind, **(CAPPED | SCALED).get(kind, {}))
    ids = torch.randint(0, 250, (3, 10), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(input_ids=ids).logits
        output = run_body(model, ids)
        states = output.last_hidden_state
        pieces = [run_head(model, output, states[:, i : i + 4]) for i in range(0, 10, 4)]
        again = model(input_ids=ids).logits
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-5, atol=1e-5)
    assert torch.equal(again, whole)  # nothing stays behind


@pytest.mark.parametrize("tied", [True, False])
def test_a_genome_that_changes_the_head_changes_every_piece_by_row(tied: bool) -> None:
    model = tiny_model("qwen2", tie_word_embeddings=tied)
    generator = torch.Generator().manual_seed(1)
    factors = Factors(
        torch.randn(2, 32, generator=generator), torch.randn(264, 2, generator=generator)
    )
    population = PopulationModel(model)
    population.load([Genome("x"), Genome.of(Layer("x", {"lm_head": factors}))])
    ids = torch.randint(0, 250, (2, 6), generator=generator)
    with torch.no_grad(), population.rows([1, 0]):
        whole = model(input_ids=ids).logits
        output = run_body(model, ids)
        piece = run_head(model, output, output.last_hidden_state[:, 2:5])
    torch.testing.assert_close(piece, whole[:, 2:5])
    with torch.no_grad():
        plain = model(input_ids=ids).logits
    assert torch.equal(plain[1], whole[1]) and not torch.allclose(plain[0], whole[0])


def test_what_is_no_body_with_a_head_is_refused() -> None:
    with pytest.raises(GenomeError, match="LlamaModel is not a body and a head"):
        run_body(tiny_model("llama").model, torch.zeros(1, 2, dtype=torch.int64))
