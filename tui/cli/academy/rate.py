"""`continuum academy rate`: a person compares answers without knowing whose is whose.

With --judge a persona does it instead; its verdicts are reported and not kept among people's.

A persona as judge of two others' answers, with what its verdicts are worth.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tui.cli.academy.entrants import load_entrant, load_evaluator
from tui.cli.academy.questions import BY_BASE, SOURCE_HELP, open_for
from tui.cli.errors import OptionError
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import percent, print_facts, print_table
from tui.printing import say

Answered = tuple["Challenge", tuple[str, str]]
"""A question with both answers."""

if TYPE_CHECKING:
    import numpy as np

    from academy.challenge import Challenge
    from academy.evaluator import LocalEvaluator
    from academy.scoring.judge import Agreement, Verdicts
    from academy.scoring.ratings import Rating
    from academy.scoring.rule import Kind, Scorer
    from academy.sources.source import ChallengeSource
    from genome.base_model import BaseModel
    from genome.genome import Genome
    from tui.cli.academy.entrants import Entrant

Choice = Literal["1", "2", "tie"]
LOOKED_AT = 8
"""Questions answered for each one asked: where both say the same there is nothing to rate."""
LONGEST_ANSWER = 64


def rate(
    one: Annotated[str, typer.Argument(metavar="A", help="A persona, a layer folder, or base.")],
    other: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")],
    items: Annotated[
        int, typer.Option("--items", "-n", min=1, max=1000, help="Questions to compare.")
    ] = 10,
    source: Annotated[str | None, typer.Option(help=SOURCE_HELP, show_default=BY_BASE)] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="A persona, a layer folder or base that compares them instead of you."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="For the same questions in the same order.")
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Compare two personas' answers blindly; prints strengths with 95 % intervals.

    A judge sees every pair in both orders, and how often it agrees with exact scores is said.
    """
    import numpy as np

    from academy.scoring.ratings import append_rating, rated_questions, read_ratings

    if one == other:
        raise OptionError(f"{one} cannot be compared with itself: name two personas")
    if judge in (one, other):
        raise OptionError(f"{judge} cannot judge its own answers: name another judge")
    path = resolve_home(home) / "academy" / "ratings.jsonl"
    rng = np.random.default_rng(seed)
    done = set() if judge else rated_questions(read_ratings(path), one, other)
    evaluator = load_evaluator(base, home, (one, other))
    asked = _questions(open_for(source, evaluator.base), items * LOOKED_AT, done, rng)
    genomes = [load_entrant(name, home, evaluator).genome for name in (one, other)]
    arbiter = load_entrant(judge, home, evaluator) if judge else None
    if arbiter and arbiter.genome.digest in [genome.digest for genome in genomes]:
        raise OptionError(f"{judge} is the same genome as one of the two: name another judge")
    answers = _answers(evaluator.base, genomes, asked)
    differ = [(c, both) for c, both in zip(asked, answers, strict=True) if both[0] != both[1]]
    if not differ:
        say(f"{one} and {other} answer all of {len(asked)} questions alike: nothing to rate")
    if arbiter is not None:
        print_judgement(evaluator, arbiter, (one, other), differ[:items])
        return
    for rating in _ratings(differ[:items], (one, other), rng):
        append_rating(path, rating)
    _print_ratings(read_ratings(path), one, other)


def _questions(
    source: ChallengeSource, n: int, done: Collection[str], rng: np.random.Generator
) -> list[Challenge]:
    """About `n` questions of all skills, in random order, without those rated before."""
    from academy.errors import TooFewQuestionsError

    each = -(-n // len(source.skills))
    drawn: list[Challenge] = []
    for skill in source.skills:
        with contextlib.suppress(TooFewQuestionsError):
            drawn += source.draw(skill, "select", each, rng, exclude=done)
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _answers(
    base: BaseModel, genomes: Sequence[Genome], questions: Sequence[Challenge]
) -> list[tuple[str, str]]:
    """What the two genomes answer to each question."""
    from academy.answering import greedy_answers
    from genome.population import PopulationModel

    population = PopulationModel(base.model)
    slots = population.load(genomes)
    prompts = [challenge.prompt for challenge in questions]
    first, second = (
        greedy_answers(base, population, [slot] * len(prompts), prompts, LONGEST_ANSWER)
        for slot in slots
    )
    return list(zip(first, second, strict=True))


def _ratings(
    pairs: Sequence[tuple[Challenge, tuple[str, str]]],
    names: tuple[str, str],
    rng: np.random.Generator,
) -> Iterator[Rating]:
    """Ask about one pair after the other, in random order of answers, until told to stop."""
    from academy.scoring.ratings import Rating

    for number, (challenge, answers) in enumerate(pairs, 1):
        shown_first = bool(rng.random() < 0.5)
        shown = answers if shown_first else answers[::-1]
        say("", f"{number} of {len(pairs)}: {challenge.prompt}")
        for place, answer in enumerate(shown, 1):
            say(f"  {place}: {answer}")
        choice = _choice()
        if choice is None:
            return
        is_first = (choice == "1") == shown_first
        yield Rating(
            challenge.id,
            challenge.prompt,
            *names,
            *answers,
            "tie" if choice == "tie" else "first" if is_first else "second",
            shown_first,
        )


def _choice() -> Choice | None:
    """1, 2 or tie; None when there is nobody left to ask or they stop."""
    while True:
        try:
            said = input("better: 1, 2 or tie (q stops)? ").strip().lower()
        except EOFError:
            say("")
            return None
        if said in ("q", "quit"):
            return None
        if said in ("1", "2"):
            return "1" if said == "1" else "2"
        if said in ("t", "tie", "="):
            return "tie"
        say("  write 1, 2, tie or q")


def _print_ratings(ratings: Sequence[Rating], one: str, other: str) -> None:
    """Everyone who can be put on one scale with the two, best first."""
    from academy.scoring.ratings import ELO, connected_to, rate_players

    together = connected_to(one, [r.comparison for r in ratings])
    if other not in together:
        return
    table = rate_players([r.comparison for r in ratings if r.first in together])
    rows = [
        (name, str(games), *(f"{ELO * x:+.0f}" for x in (strength, low, high)))
        for name, games, strength, (low, high) in zip(
            table.players, table.games, table.strengths, table.intervals, strict=True
        )
    ]
    say("")
    print_table("ratings (Elo points)", ("persona", "compared", "strength", "from", "to"), rows)
    p, low, high = table.beats(one, other)
    say(f"{one} beats {other}: {percent(p)} (95 % interval {percent(low)} to {percent(high)})")
    if table.regularised:
        say("someone never lost: one imagined game against the mean keeps strengths finite")
    if left_out := {name for r in ratings for name in (r.first, r.second)} - together:
        say(f"not shown, never compared with these: {', '.join(sorted(left_out))}")


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

    from academy.scoring.code import CodeScorer
    from academy.scoring.rule import COMPARISONS, exact_score, found_score, rule_of
    from academy.scoring.scorer import Failures, guarded

    scorers: dict[Kind, Scorer] = {**COMPARISONS, "tests": CodeScorer()}
    failures = Failures()

    def worth(challenge: Challenge, answer: str) -> float:
        scorer = scorers.get(rule_of(challenge).kind, exact_score)
        return guarded(found_score(scorer), failures)(challenge, answer)

    return np.array([[worth(c, answer) for answer in answers] for c, answers in pairs]).reshape(
        -1, 2
    )


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
