"""A causal LM in two halves, so that its head runs on few positions, and on some at a time.

The head of a real model is as large as a third of it, and its output larger than everything else
in a pass. The body alone is what the library calls the decoder; the head is the model's own code,
soft-capping, scaling and a genome's change of `lm_head` included: it is run with a body that
gives back what was computed before.
"""

from __future__ import annotations

from typing import Any

import torch

from genome.errors import GenomeError


def run_body(
    model: Any, input_ids: torch.Tensor, past: Any = None, positions: torch.Tensor | None = None
) -> Any:
    """What the model's body gives; `last_hidden_state` is (n_rows, n_positions, width).

    Args:
        past: The model's cache of what stands before these positions, by row.
        positions: Of each token, as `input_ids`, where the cache does not tell them.
    """
    given = {} if positions is None else {"position_ids": positions}
    return _body(model)(
        input_ids=input_ids, past_key_values=past, use_cache=past is not None, **given
    )


def run_head(model: Any, output: Any, states: torch.Tensor) -> torch.Tensor:
    """Logits of hidden states, (n_rows, n_positions, width) -> (n_rows, n_positions, vocabulary).

    Args:
        output: What the body gave, for what else a model takes from it.
        states: As many rows as the model was given.
    """
    body = _body(model)
    given = type(output)(**{**output, "last_hidden_state": states, "past_key_values": None})
    own = body.__dict__.get("forward")
    body.__dict__["forward"] = lambda *_, **__: given
    try:
        ids = states.new_zeros((states.shape[0], 1), dtype=torch.int64)
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    finally:
        del body.__dict__["forward"]
        if own is not None:
            body.__dict__["forward"] = own
    return logits


def _body(model: Any) -> Any:
    body = model.get_decoder()
    if body is model:
        raise GenomeError(
            f"{type(model).__name__} is not a body and a head, which training with a large "
            "vocabulary needs: choose a base of another architecture"
        )
    return body
