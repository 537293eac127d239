"""The strict headline: an answer is right or it is not, character by character.

Multiple choice without generation: the option the model finds likeliest, per token.

Options are compared by their mean log-likelihood per token, end of sequence included; sums
would favour short options (the `acc_norm` of the LM Evaluation Harness, Gao et al. 2021, which
divides by bytes).

What a model makes of given answers in one forward pass (teacher forcing).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from academy.challenge import Challenge
from genome.base_model import IGNORED, BaseModel, Rows


def exact_score(challenge: Challenge, response: str) -> float:
    """1.0 if the response is the answer, nothing before and nothing after it, else 0.0."""
    return float(response == challenge.answer)


def option_rows(challenges: Sequence[Challenge]) -> tuple[list[str], list[str], list[int]]:
    """Every option as a question-and-answer row.

    Returns:
        Prompts, options, and for each challenge its number of options.
    """
    prompts = [c.prompt for c in challenges for _ in c.choices]
    options = [option for c in challenges for option in c.choices]
    return prompts, options, [len(c.choices) for c in challenges]


def choice_hits(challenges: Sequence[Challenge], losses: np.ndarray) -> np.ndarray:
    """1.0 where the right option is strictly the likeliest, (n_challenges,) float.

    A tie is no answer, so that a model to which all options are alike scores 0 and not 1.

    Args:
        losses: Mean negative log-likelihood per token of every option in turn, (n_options,).
            NaN is taken as impossible.
    """
    finite = np.where(np.isnan(losses), np.inf, losses)
    starts = np.cumsum([0] + [len(c.choices) for c in challenges])
    return np.array(
        [
            _likeliest_is_right(challenge, finite[start : start + len(challenge.choices)])
            for challenge, start in zip(challenges, starts, strict=False)
        ],
        dtype=np.float64,
    )


def _likeliest_is_right(challenge: Challenge, losses: np.ndarray) -> float:
    right = challenge.choices.index(challenge.answer)
    others = np.delete(losses, right)
    return float(losses[right] < others.min())


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
