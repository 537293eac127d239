"""A persona as judge of two others' answers, with what its verdicts are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.cli.errors import OptionError
from tui.cli.tables import percent, print_facts
from tui.printing import say

if TYPE_CHECKING:
    import numpy as np

    from academy.challenge import Challenge
    from academy.evaluator import LocalEvaluator
    from academy.scoring.judge import Agreement, Verdicts
    from tui.cli.academy.entrants import Entrant

Answered = tuple["Challenge", tuple[str, str]]
"""A question with both answers."""


def print_judgement(
    evaluator: LocalEvaluator,
    judge: Entrant,
    names: tuple[str, str],
    pairs: Sequence[Answered],
) -> None:
    """Have every pair judged in both orders, and print who won and whether to believe it.

    Raises:
        OptionError: The judge can read no pair.
    """
    from academy.scoring.judge import Judge, Pair, agreement

    reader = Judge(evaluator.base, judge.genome, evaluator.tokens)
    shown = [Pair(c.prompt, *answers) for c, answers in pairs]
    read = [i for i, pair in enumerate(shown) if reader.reads(pair)]
    if pairs and not read:
        raise OptionError(
            f"no pair fits the base that {judge.name} judges with: choose shorter questions"
        )
    verdicts = reader.verdicts([shown[i] for i in read])
    exact = _exact_scores([pairs[i] for i in read])
    print_facts(
        f"{judge.name} as judge of {len(read)} pairs",
        {
            "verdicts": _won(verdicts, names),
            "survived the swap": percent(verdicts.consistency),
            "for what stood first": f"{percent(verdicts.position_bias)} (50 % = no preference)",
            "agreement": _agreement_text(agreement(verdicts, exact[:, 0], exact[:, 1])),
            "not read": f"{len(pairs) - len(read)} pairs, too long" * (len(read) < len(pairs)),
        },
    )
    _print_strength(verdicts, names)


def _exact_scores(pairs: Sequence[Answered]) -> np.ndarray:
    """What both answers of each pair are worth by the challenge's own scorer, (n_pairs, 2)."""
    import numpy as np

    from academy.scoring.answers import exact_score
    from academy.scoring.code import CodeScorer
    from academy.scoring.scorer import Failures, guarded, kind_of, response_scorers

    scorers = {**response_scorers(CodeScorer()), "choice": exact_score}
    failures = Failures()
    return np.array(
        [
            [guarded(scorers[kind_of(c)], failures)(c, answer) for answer in answers]
            for c, answers in pairs
        ]
    ).reshape(-1, 2)


def _won(verdicts: Verdicts, names: tuple[str, str]) -> str:
    first, second = int((verdicts.worth == 1).sum()), int((verdicts.worth == 0).sum())
    tied = len(verdicts.worth) - first - second
    return f"{names[0]} {first}, {names[1]} {second}, tied {tied}"


def _agreement_text(found: Agreement) -> str:
    """How often the judge is right where exactly one answer is."""
    decided = found.n_pairs - found.n_ties
    if not decided:
        return f"unknown: {found.n_pairs} pairs with one right answer, none of them decided"
    low, high = found.interval
    text = (
        f"{percent(found.rate)} with exact scores (95 % interval {percent(low)} to "
        f"{percent(high)}), {decided} of {found.n_pairs} pairs with one right answer decided"
    )
    return text if low > 0.5 else f"{text}; not shown to be better than a coin"


def _print_strength(verdicts: Verdicts, names: tuple[str, str]) -> None:
    """Bradley-Terry over the judge's verdicts alone."""
    from academy.scoring.ratings import Comparison, rate_players

    if not len(verdicts.worth):
        return
    table = rate_players([Comparison(*names, float(worth)) for worth in verdicts.worth])
    p, low, high = table.beats(*names)
    say(
        f"to this judge {names[0]} beats {names[1]}: {percent(p)} (95 % interval {percent(low)} "
        f"to {percent(high)})"
    )
