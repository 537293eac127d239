"""Multiple choice without generation: the option the model finds likeliest, per token.

Options are compared by their mean log-likelihood per token, end of sequence included; sums
would favour short options (the `acc_norm` of the LM Evaluation Harness, Gao et al. 2021, which
divides by bytes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.challenge import Challenge


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
