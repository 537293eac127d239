"""A trial finds the better one, says how sure it is, and does not find what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.errors import SameGenomeError, TrialItemsError, TrialScoresError
from academy.evaluator import LocalEvaluator
from academy.statistics.paired import compare_paired
from academy.statistics.permutation import holm
from academy.trial import (
    TrialResult,
    compare_scores,
    draw_items,
    judge_together,
    offline_trial,
    online_trial,
)
from genome.genome import Genome
from tests.support.genome import random_layer, tiny_base, tiny_llama

MODEL = tiny_llama()
A, B = (Genome.of(random_layer(MODEL, rank=1, seed=seed)) for seed in (0, 1))


@dataclass
class Rigged:
    """Right with a given chance, decided by question and genome alone; fakes partial credit."""

    chances: dict[str, float]
    credit: bool = False
    asked: list[int] = field(default_factory=list)

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        self.asked.append(len(challenges))
        return np.array([[self._one(g.digest, c) for c in challenges] for g in genomes])

    def _one(self, digest: str, challenge: Challenge) -> float:
        rng = np.random.default_rng(
            [int(digest[:8], 16), int(challenge.id[:8], 16), int(challenge.id[16:24], 16)]
        )
        if self.credit:
            return float(rng.beta(10 * self.chances[digest], 10 * (1 - self.chances[digest])))
        return float(rng.random() < self.chances[digest])


def rigged(a: float, b: float, *, credit: bool = False) -> Rigged:
    return Rigged({A.digest: a, B.digest: b}, credit)


def items(n: int, seed: int = 0) -> list[Challenge]:
    return [Challenge(f"question {seed} {i}", "x", "fake", "fake") for i in range(n)]


def offline(scorer: Rigged, n: int = 300, seed: int = 0, alpha: float = 0.05) -> TrialResult:
    rng = np.random.default_rng(seed)
    return offline_trial(scorer, A, B, items(n, seed), rng=rng, alpha=alpha)


def test_the_better_one_is_named_whichever_side_it_is_on() -> None:
    won = offline(rigged(0.7, 0.5))
    assert won.verdict == "A better"
    assert 0 < won.low < won.effect < won.high
    assert won.effect == pytest.approx(won.mean_a - won.mean_b)
    assert won.effect == pytest.approx((won.ahead_a - won.ahead_b) / 300)
    lost = offline(rigged(0.5, 0.7))
    assert lost.verdict == "B better" and lost.high < 0
    assert won.n_items == lost.n_items == 300


def test_swapping_sides_mirrors_the_result() -> None:
    rng = np.random.default_rng(0)
    one = offline_trial(rigged(0.7, 0.5), A, B, items(200), rng=rng)
    other = offline_trial(rigged(0.7, 0.5), B, A, items(200), rng=rng)
    assert other.effect == -one.effect
    assert [other.low, other.high] == pytest.approx([-one.high, -one.low])
    assert other.p_value == one.p_value


def test_right_and_wrong_go_to_mcnemar() -> None:
    scorer = rigged(0.7, 0.5)
    found = offline(scorer, n=80)
    paired = compare_paired(*scorer.scores([A, B], items(80)))
    assert found.method == "McNemar mid-p"
    assert found.p_value == paired.p_mid
    assert [found.low, found.high] == pytest.approx([paired.low, paired.high])


def test_a_stricter_alpha_widens_the_interval() -> None:
    loose, strict = (offline(rigged(0.6, 0.5), alpha=alpha) for alpha in (0.05, 0.001))
    assert strict.low < loose.low < loose.high < strict.high


def test_partial_credit_is_compared_by_permutation() -> None:
    found = offline(rigged(0.7, 0.6, credit=True), n=120)
    assert found.method == "sign-flip permutation"
    assert found.verdict == "A better" and found.low > 0
    assert offline(rigged(0.7, 0.6, credit=True), n=120) == found


@pytest.mark.parametrize(("credit", "n_trials", "most"), [(False, 150, 16), (True, 50, 8)])
def test_equals_are_told_apart_no_more_often_than_alpha(
    credit: bool, n_trials: int, most: int
) -> None:
    """At alpha .05; `most` is 3.3 standard deviations more than the expected 7.5 and 2.5."""
    scorer = rigged(0.5, 0.5, credit=credit)
    found = [offline(scorer, n=40, seed=seed).verdict for seed in range(n_trials)]
    assert sum(verdict != "no difference shown" for verdict in found) <= most


def test_online_stops_early_on_a_clear_winner() -> None:
    scorer = rigged(0.9, 0.3)
    found = online_trial(scorer, A, B, items(500), max_items=500)
    assert found.verdict == "A better" and found.stopped_early
    assert found.n_items < 100 and found.low > 0
    assert scorer.asked == [8] * (found.n_items // 8)
    assert found.method == "mixture SPRT"


def test_online_takes_no_more_questions_than_it_needs() -> None:
    """Questions may be expensive to make: the rest of the stream is left alone."""
    stream = iter(items(500))
    found = online_trial(rigged(0.9, 0.3), A, B, stream, max_items=500, block=4)
    assert len(list(stream)) == 500 - found.n_items


def test_online_gives_up_at_the_limit() -> None:
    found = online_trial(rigged(0.5, 0.5), A, B, items(500), max_items=101, block=10)
    assert found.n_items == 101 and not found.stopped_early
    assert found.verdict == "no difference shown" and found.low < 0 < found.high
    assert found.p_value > 0.05


def test_online_one_at_a_time_stops_at_the_first_question_that_decides() -> None:
    """In lots of 8 it can only stop at the end of one; singly no later."""
    singly, lots = (
        online_trial(rigged(0.8, 0.4), A, B, items(400), max_items=400, block=block)
        for block in (1, 8)
    )
    assert singly.n_items <= lots.n_items
    one_less = online_trial(
        rigged(0.8, 0.4), A, B, items(400), max_items=singly.n_items - 1, block=1
    )
    assert one_less.verdict == "no difference shown"


def test_online_with_constant_peeking_keeps_alpha() -> None:
    """60 trials between equals, looked at every 6 of 60 questions: 3 expected at most, 8 is 3
    standard deviations more. (The exact rate is in test_sequential.py.)"""
    found = [
        online_trial(rigged(0.5, 0.5), A, B, items(60, seed), max_items=60, block=6).verdict
        for seed in range(60)
    ]
    assert sum(verdict != "no difference shown" for verdict in found) <= 8


def test_a_stricter_stop_makes_online_surer() -> None:
    usual, strict = (
        online_trial(rigged(0.8, 0.4), A, B, items(400), max_items=400, stop_at=stop)
        for stop in (None, 0.001)
    )
    assert usual.n_items < strict.n_items
    assert strict.p_value <= 0.001 < usual.p_value


def test_several_trials_are_judged_together() -> None:
    """p = .03 alone is a verdict, beside three that show nothing it is none."""
    one = offline(rigged(0.7, 0.5))
    trials = [replace(one, p_value=p) for p in (0.03, 0.5, 0.0001, 0.8)]
    judged = judge_together(trials)
    assert [t.p_adjusted for t in judged] == holm([0.03, 0.5, 0.0001, 0.8])
    assert [t.verdict for t in judged] == [
        "no difference shown",
        "no difference shown",
        "A better",
        "no difference shown",
    ]
    assert judge_together([]) == []


def test_one_genome_twice_is_refused() -> None:
    same = replace(A)
    with pytest.raises(SameGenomeError, match="two that differ"):
        offline_trial(rigged(0.5, 0.5), A, same, items(5), rng=np.random.default_rng(0))
    with pytest.raises(SameGenomeError):
        online_trial(rigged(0.5, 0.5), A, same, items(5), max_items=5)


def test_no_question_and_one_asked_twice_are_refused() -> None:
    scorer, rng = rigged(0.5, 0.5), np.random.default_rng(0)
    for bad in ([], items(3) + items(1)):
        with pytest.raises(TrialItemsError):
            offline_trial(scorer, A, B, bad, rng=rng)
        with pytest.raises(TrialItemsError):
            online_trial(scorer, A, B, bad, max_items=10)
    for limit, block in ((0, 1), (5, 0)):
        with pytest.raises(TrialItemsError, match="at least one question"):
            online_trial(scorer, A, B, items(5), max_items=limit, block=block)


@pytest.mark.parametrize("bad", [np.full((2, 3), np.nan), np.full((2, 3), 1.5), np.zeros((3, 2))])
def test_scores_that_are_none_are_refused(bad: np.ndarray) -> None:
    class Broken:
        def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
            return bad

    with pytest.raises(TrialScoresError):
        offline_trial(Broken(), A, B, items(3), rng=np.random.default_rng(0))


def test_with_a_real_evaluator_online_and_offline_see_the_same_scores(tokenizer: object) -> None:
    """Two untrained layers on the built-in skills, in one batch or in lots of three."""
    from academy.sources.builtin import BuiltinSource

    base = tiny_base(tokenizer)
    one, other = (
        Genome.of(random_layer(base.model, rank=2, seed=s, base_model=base.fingerprint))
        for s in (0, 1)
    )
    questions = draw_items(BuiltinSource(("and",)), 12, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    whole = offline_trial(LocalEvaluator(base), one, other, questions, rng=rng)
    lots = online_trial(LocalEvaluator(base), one, other, questions, max_items=12, block=3)
    assert (lots.n_items, lots.mean_a, lots.mean_b) == (12, whole.mean_a, whole.mean_b)
    assert (lots.ahead_a, lots.ahead_b) == (whole.ahead_a, whole.ahead_b)


def scored(only_a: int, only_b: int, n: int) -> np.ndarray:
    """(2, n) scores of which A alone got some right and B alone others."""
    scores = np.zeros((2, n))
    scores[0, :only_a] = 1
    scores[1, only_a : only_a + only_b] = 1
    return scores


def test_where_the_test_shows_nothing_the_interval_holds_zero() -> None:
    """4 to 0 of 30: p .0625, and Tango's own interval would be +0.5 to +29.7 points."""
    rng = np.random.default_rng(0)
    found = compare_scores(scored(4, 0, 30), rng=rng)
    assert (found.verdict, found.low) == ("no difference shown", 0.0)
    assert found.p_value == 0.0625 and found.high == pytest.approx(0.297, abs=1e-3)
    mirrored = compare_scores(scored(0, 4, 30), rng=rng)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, 0.0))


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
def test_verdict_and_interval_agree_whatever_was_counted(alpha: float) -> None:
    rng = np.random.default_rng(0)
    for differ in range(0, 31):
        for only_b in range(differ + 1):
            found = compare_scores(scored(differ - only_b, only_b, 40), rng=rng, alpha=alpha)
            shown = found.low > 0 or found.high < 0
            assert shown == (found.verdict != "no difference shown")
            assert found.p_value <= alpha or not shown
            assert found.low <= found.effect <= found.high


def test_after_holm_verdict_and_interval_still_agree() -> None:
    one = offline(rigged(0.7, 0.5))
    weak, strong = judge_together([replace(one, p_value=0.03), replace(one, p_value=0.0001)])
    assert (weak.verdict, strong.verdict) == ("A better", "A better")
    alone, beside = judge_together([replace(one, p_value=0.03), replace(one, p_value=0.5)])
    assert alone.verdict == beside.verdict == "no difference shown"
    assert alone.low == 0.0 < one.low and alone.high == one.high
