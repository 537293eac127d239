"""What scoring may cost at most, known before it is done: forward tokens, padding included."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from academy.challenge import Challenge, prompts_and_answers
from academy.scoring.choice import option_rows
from academy.scoring.scorer import KINDS, Kind, kind_of
from genome.base_model import BaseModel


def most_tokens(
    base: BaseModel,
    challenges: Sequence[Challenge],
    max_new_tokens: Mapping[Kind, int],
    written: Collection[Kind] = ("numeric", "tests"),
) -> int:
    """Forward tokens of one genome on these challenges, unless scoring one of them fails.

    Args:
        written: Kinds that are answered in writing (`LocalEvaluator.scorers`).
    """
    total = 0
    for kind in KINDS:
        some = [challenge for challenge in challenges if kind_of(challenge) == kind]
        if not some:
            continue
        if kind in written:
            width = max(map(len, base.prompt_ids([c.prompt for c in some])))
            total += len(some) * (width + max_new_tokens[kind] - 1)
        elif kind == "choice":
            total += base.rows(*option_rows(some)[:2]).n_tokens
        else:
            total += base.rows(*prompts_and_answers(some)).n_tokens
    return total
