"""What a model makes of given answers in one forward pass (teacher forcing)."""

from __future__ import annotations

import numpy as np
import torch

from genome.base_model import IGNORED, BaseModel, Rows


def exact_hits(base: BaseModel, rows: Rows) -> np.ndarray:
    """1.0 for every row whose answer greedy decoding would give exactly, (n_rows,) float."""
    logits, labels = _at_answers(base, rows)
    right = ((logits.argmax(-1) == labels) | (labels == IGNORED)).all(-1)
    return np.asarray(right.numpy(), dtype=np.float64)


def answer_losses(base: BaseModel, rows: Rows) -> np.ndarray:
    """Mean negative log-likelihood per answer token of every row, in nats, (n_rows,) float."""
    logits, labels = _at_answers(base, rows)
    losses = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    ).view(labels.shape)
    n_tokens = (labels != IGNORED).sum(1)
    return np.asarray((losses.sum(1) / n_tokens).numpy(), dtype=np.float64)


def without_end(rows: Rows) -> Rows:
    """The same rows with the end-of-sequence token after each answer left unscored."""
    labels = rows.labels.clone()
    places = torch.arange(labels.shape[1]).expand_as(labels)
    last = places.masked_fill(labels == IGNORED, -1).amax(1)
    labels[torch.arange(len(labels)), last] = IGNORED
    return Rows(rows.input_ids, labels)


def _at_answers(base: BaseModel, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels at the columns where any row has an answer token."""
    asked = (rows.labels != IGNORED).any(0).nonzero().flatten()
    output = base.model(input_ids=rows.input_ids, use_cache=False, logits_to_keep=asked)
    return output.logits, rows.labels[:, asked]
