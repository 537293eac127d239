"""reasoning-gym without its traps: hash splits, exact headline, credit that cannot crash or run."""

from __future__ import annotations

import builtins
import random
import sys
from typing import Any

import numpy as np
import pytest

from academy.errors import SourceError, SourceUnavailableError, UnknownSourceError
from academy.sources.reasoning import NO_ANSWER, PartialCredit, ReasoningGymSource, may_be_scored
from tests.support.sources import check_source

EASY = ("chain_sum", "spell_backward", "gcd")


def test_splits_are_disjoint_though_every_seed_gives_the_same_questions() -> None:
    """One-digit sums of two: 200 questions in all, so every seed meets every split's."""
    source = ReasoningGymSource(
        EASY, {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}
    )
    report = check_source(source, 40, np.random.default_rng(0))
    assert report.counts["gcd", "train"] == 40
    assert 0 < report.counts["chain_sum", "audit"] < 40  # it has no more


def test_the_same_generator_state_gives_the_same_questions_whatever_the_global_ones() -> None:
    source = ReasoningGymSource((*EASY, "list_functions"))
    drawn = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        rng = np.random.default_rng(7)
        drawn.append([source.draw(s, "train", 5, rng) for s in source.skills])
    state = random.getstate()
    source.draw("gcd", "select", 3, np.random.default_rng(0))
    assert drawn[0] == drawn[1]
    assert random.getstate() == state


def test_levels_follow_the_curriculum() -> None:
    source, rng = ReasoningGymSource(("chain_sum",)), np.random.default_rng(0)
    easy, hard = (source.draw("chain_sum", "train", 20, rng, level=level) for level in (1, 5))
    assert max(len(c.answer) for c in easy) <= 3 < max(len(c.answer) for c in hard)
    assert easy[0].licence == "Apache-2.0" and easy[0].domain == "arithmetic"
    with pytest.raises(UnknownSourceError):
        source.draw("chain_sum", "train", 1, rng, level=0)


@pytest.mark.parametrize("skill", [*NO_ANSWER, "composite"])
def test_datasets_without_answers_are_refused_by_name(skill: str) -> None:
    with pytest.raises(SourceUnavailableError, match=f"'{skill}' (stores no answer|only mixes)"):
        ReasoningGymSource((skill,))


def test_an_unknown_dataset_or_setting_is_one_line() -> None:
    with pytest.raises(UnknownSourceError, match="did you mean 'chain_sum'"):
        ReasoningGymSource(("chain_sums",))
    with pytest.raises(SourceError, match="refuses the settings"):
        ReasoningGymSource(("chain_sum",), {"chain_sum": {"digits": 1}})


def test_without_the_extra_the_message_names_it(monkeypatch: Any) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("reasoning_gym"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "reasoning_gym.factory", raising=False)
    with pytest.raises(SourceUnavailableError, match=r"continuum-personas\[reasoning\]"):
        ReasoningGymSource(("gcd",))


def test_partial_credit_is_apart_from_the_headline() -> None:
    source = ReasoningGymSource(("chain_sum",))
    challenge = source.draw("chain_sum", "train", 1, np.random.default_rng(0))[0]
    assert source.partial_credit(challenge, challenge.answer) == 1.0
    junk = source.partial_credit(challenge, challenge.answer + " or something else")
    assert junk is not None and 0.0 < junk < 1.0
    other = ReasoningGymSource(("chain_sum",))
    assert other.partial_credit(challenge, challenge.answer) is None


def test_answers_on_which_the_dataset_crashes_score_nothing_and_are_counted() -> None:
    """Version 0.1.25 raises ValueError on words and OverflowError on 400 digits."""
    source = ReasoningGymSource(("prime_factorization", "coin_flip"))
    rng = np.random.default_rng(0)
    primes, coins = (source.draw(s, "train", 1, rng)[0] for s in source.skills)
    assert source.partial_credit(primes, "garbage") == 0.0
    assert source.partial_credit(coins, "9" * 400) == 0.0
    assert source.crashes == 2
    assert source.partial_credit(primes, primes.answer) == 1.0


def test_an_answer_is_never_executed() -> None:
    """`string_insertion` calls eval on answers; the exact one still counts."""
    source = ReasoningGymSource(("string_insertion", "countdown"))
    rng = np.random.default_rng(0)
    insertion, countdown = (source.draw(s, "train", 1, rng)[0] for s in source.skills)
    attack = "[setattr(__import__('sys'), 'pwned', 1)]"
    assert source.partial_credit(insertion, attack) == 0.0
    assert source.partial_credit(countdown, attack) == 0.0
    assert not hasattr(sys, "pwned")
    assert source.partial_credit(insertion, insertion.answer) == 1.0
    assert source.partial_credit(insertion, str(list(insertion.answer))) == pytest.approx(0.1)
    assert source.partial_credit(countdown, countdown.answer) == 1.0


@pytest.mark.parametrize(
    ("skill", "response"),
    [
        ("countdown", "9**9**9"),
        ("countdown", "((9**99)**99)**99"),
        ("countdown", "open(1)"),
        ("countdown", "x.real"),
        ("countdown", "(1).real"),
        ("countdown", "factorial(99999)"),
        ("simple_integration", "x**(9**9)"),
        ("puzzle24", "2**999999"),
        ("spiral_matrix", "[x for x in 'ab']"),
        ("n_queens", "(lambda: 0)()"),
        ("coin_flip", "1e99999999"),
        ("gcd", "7" * 5000),
    ],
)
def test_what_could_run_or_never_end_is_withheld(skill: str, response: str) -> None:
    assert not may_be_scored(skill, response)


@pytest.mark.parametrize(
    ("skill", "response"),
    [
        ("countdown", "(75 - 3) * 4 / 2"),
        ("simple_integration", "5*x**3/3 + 2*x**2 + C"),
        ("intermediate_integration", "sin(x)**2/2 + exp(3*x) + C"),
        ("polynomial_multiplication", "6*x**4 - 144*x**3 - 18"),
        ("spiral_matrix", "[1, 2, -3]"),
        ("spiral_matrix", "1 2 3"),
        ("gcd", "anything (at) all"),
    ],
)
def test_ordinary_answers_are_passed_on(skill: str, response: str) -> None:
    assert may_be_scored(skill, response)


def test_stored_answers_of_formula_datasets_are_passed_on() -> None:
    """At least 19 of 20 of their own answers pass the filter (their format is theirs)."""
    source = ReasoningGymSource(("countdown", "polynomial_multiplication", "spiral_matrix"))
    for skill in source.skills:
        drawn = source.draw(skill, "train", 20, np.random.default_rng(0))
        assert sum(may_be_scored(skill, c.answer) for c in drawn) >= 19, skill


def test_a_dataset_that_gives_nonsense_scores_cannot_poison_a_mean() -> None:
    class Odd:
        def score_answer(self, answer: str, entry: dict[str, Any]) -> float:
            return {"nan": float("nan"), "big": 7.0, "low": -1.0}[answer]

    credit = PartialCredit()
    scores = [credit.score(Odd(), {}, "odd", a) for a in ("nan", "big", "low", "other")]
    assert scores == [0.0, 1.0, 0.0, 0.0] and credit.crashes == 1


def test_a_dataset_that_one_answer_half_solves_says_so() -> None:
    source = ReasoningGymSource(("syllogism", "chain_sum"))
    assert source.majority_share("syllogism") > 0.6 > source.majority_share("chain_sum")
    assert "one answer is right" in source.describe("syllogism")
