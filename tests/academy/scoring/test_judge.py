"""A judge's verdict counts when it survives the swap, and its agreement is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from academy.challenge import Challenge
from academy.errors import ScoringError
from academy.scoring.judge import PROMPT, Judge, Pair, Verdicts, agreement
from academy.training import TokenMeter
from genome.genome import Genome
from tests.support.genome import random_layer, tiny_base


def _verdicts(*leans: tuple[float, float]) -> Verdicts:
    return Verdicts(np.array(leans, dtype=float).reshape(-1, 2))


def test_only_a_verdict_that_survives_the_swap_counts() -> None:
    verdicts = _verdicts((1, 2), (-1, -3), (1, -1), (-1, 1), (0, 5))
    assert verdicts.worth.tolist() == [1.0, 0.0, 0.5, 0.5, 0.5]
    assert verdicts.consistency == pytest.approx(0.4)


def test_a_judge_that_only_looks_at_places_is_all_ties() -> None:
    """Log-odds for the first answer flip sign with its place."""
    verdicts = _verdicts(*[(2.0, -2.0)] * 9)
    assert verdicts.consistency == 0.0 and verdicts.position_bias == 1.0
    assert _verdicts((1, 1), (-1, -1)).position_bias == 0.5
    assert _verdicts().consistency == 0.0


def test_agreement_counts_pairs_with_one_right_answer_only() -> None:
    verdicts = _verdicts((1, 1), (1, 1), (-1, -1), (1, -1), (1, 1))
    first, second = np.array([1, 0, 0, 1, 1]), np.array([0, 1, 1, 0, 1])
    found = agreement(verdicts, first, second)
    assert (found.n_pairs, found.n_agreed, found.n_ties) == (4, 2, 1)
    assert found.rate == pytest.approx(2 / 3)
    low, high = found.interval
    assert 0 < low < 2 / 3 < high < 1
    with pytest.raises(ScoringError, match="one score per answer"):
        agreement(verdicts, first[:2], second[:2])


def test_swapping_every_pair_mirrors_every_verdict(tokenizer: Any) -> None:
    base = tiny_base(tokenizer)
    tokens = TokenMeter()
    layer = random_layer(base.model, base.fingerprint, scale=0.3)
    judge = Judge(base, Genome.of(layer), tokens)
    pairs = [Pair(f"{i}+1?", str(i + 1), str(i + 2)) for i in range(12)]
    there = judge.verdicts(pairs)
    back = judge.verdicts([Pair(p.question, p.second, p.first) for p in pairs])
    np.testing.assert_array_equal(there.worth, 1 - back.worth)
    assert tokens.forward > 0
    assert judge.verdicts([Pair("q", "same", "same")]).worth.tolist() == [0.5]
    assert judge.verdicts([]).worth.shape == (0,)
    assert judge.score(Challenge("q", "right", "s", "d"), "right") == 1.0


def test_a_judge_that_knows_right_from_wrong_agrees_with_exact_scores(
    tokenizer: Any, monkeypatch: Any
) -> None:
    """It likes answers with an x, which are right, and a little whatever stands at A."""

    def losses(self: Judge, prompts: list[str], label: str) -> np.ndarray:
        shown = [prompt.split(f"{label}: ")[1].split("\n")[0] for prompt in prompts]
        return np.array([-float("x" in text) - 0.5 * (label == "A") for text in shown])

    monkeypatch.setattr(Judge, "_losses", losses)
    base = tiny_base(tokenizer)
    judge = Judge(base, Genome(base.fingerprint))
    pairs = [Pair("?", *(("xx", "yy") if i % 2 else ("yy", "xx"))) for i in range(20)]
    right = np.array([float(i % 2) for i in range(20)])
    verdicts = judge.verdicts(pairs)
    found = agreement(verdicts, right, 1 - right)
    assert (found.n_pairs, found.n_agreed, found.n_ties) == (20, 20, 0)
    alike = judge.verdicts([Pair("?", "yy", "zz")])
    assert alike.worth.tolist() == [0.5] and alike.position_bias == 1.0


def test_the_verdict_is_the_likelier_label_as_a_forward_pass_gives_it(tokenizer: Any) -> None:
    """Against log-probabilities of the first answer token, computed row by row."""
    base = tiny_base(tokenizer)
    lean = Judge(base, Genome(base.fingerprint)).verdicts([Pair("2+2?", "4", "55")]).lean[0]
    expected = []
    for a, b in (("4", "55"), ("55", "4")):
        ids = base.prompt_ids([PROMPT.format(question="2+2?", first=a, second=b)])
        with torch.no_grad():
            logits = base.model(input_ids=torch.tensor(ids)).logits[0, -1]
        expected.append(float(logits[ord("A")] - logits[ord("B")]))
    np.testing.assert_allclose(lean, [expected[0], -expected[1]], atol=1e-4)


def test_a_judge_says_which_pairs_it_can_read(tokenizer: Any) -> None:
    base = tiny_base(tokenizer)
    judge = Judge(base, Genome(base.fingerprint))
    assert judge.reads(Pair("2+2?", "4", "5"))
    assert not judge.reads(Pair("2+2?", "4" * base.positions, "5"))
