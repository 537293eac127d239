"""What is kept while a method searches, and what a method may answer."""

from __future__ import annotations

import numpy as np
import pytest

from academy.benchmark.methods.search import Search, balanced_sample, by_skill
from academy.benchmark.problem import Answer, BudgetSpent
from academy.errors import AcademyError
from genome.genome import Genome
from tests.support.benchmark import ToyProblem, toy_problem


def experts(toy: ToyProblem) -> list[Genome]:
    return [Genome.of(expert) for expert in toy.experts]


def test_the_best_is_the_best_mean_over_skills() -> None:
    toy = toy_problem(0, 10_000)
    search = Search(toy)
    scores = search.scores(experts(toy))
    assert scores.shape == (4, 3)
    assert search.best is not None
    best = int(toy.true_scores(experts(toy)).mean(1).argmax())
    assert search.best.digest == experts(toy)[best].digest
    assert search.answer() == Answer((search.best,))


def test_a_penalty_counts_against_a_loss() -> None:
    """The genome with the least loss loses to one that costs less."""
    toy = toy_problem(0, 10_000)
    least = int(toy.true_losses(experts(toy)).mean(1).argmin())
    penalty = np.zeros(4)
    penalty[least] = 1.0
    search = Search(toy)
    search.losses(experts(toy), penalty)
    assert search.best.digest != experts(toy)[least].digest


@pytest.mark.parametrize("paid", [0, 1, 2, 3, 5, 8, 11])
def test_a_batch_is_measured_as_far_as_the_budget_goes(paid: int) -> None:
    toy = toy_problem(1, 24 * paid + 23)
    search = Search(toy)
    with pytest.raises(BudgetSpent, match="token-equivalents"):
        search.scores(experts(toy) * 3)
    assert sum(toy.calls) == 24 * paid
    assert toy.left == 23


def test_a_part_of_a_batch_counts_for_the_best() -> None:
    toy = toy_problem(1, 24 * 2)
    search = Search(toy)
    with pytest.raises(BudgetSpent):
        search.scores(experts(toy))
    assert search.best.digest in {genome.digest for genome in experts(toy)[:2]}


def test_nan_never_becomes_the_best() -> None:
    toy = toy_problem(2, 10_000)
    search = Search(toy)
    search.offer(experts(toy)[0], float("nan"))
    assert search.best == Genome(toy.base_model)
    assert not toy.reports


def test_means_are_by_skill_whatever_the_number_of_items() -> None:
    values = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    np.testing.assert_allclose(
        by_skill(values, np.array([0, 0, 2, 0]), 3), [[2 / 3, 0, 1], [1 / 3, 0, 0]]
    )


def test_a_sample_takes_from_all_skills_evenly_and_nothing_twice() -> None:
    item_skill = np.array([0] * 20 + [1] * 20 + [2] * 3)
    items = balanced_sample(item_skill, 15, np.random.default_rng(0))
    assert len(set(items.tolist())) == 15
    assert list(items) == sorted(items)
    assert np.bincount(item_skill[items]).tolist() in ([6, 6, 3],)
    other = balanced_sample(item_skill, 15, np.random.default_rng(1))
    assert set(items.tolist()) != set(other.tolist())
    assert len(balanced_sample(item_skill, 99, np.random.default_rng(0))) == 43


def test_an_answer_is_one_genome_or_a_router_over_some() -> None:
    genome = Genome("toy")
    assert Answer((genome,)).routing == "single"
    assert len(Answer((genome, genome), "router").genomes) == 2
    with pytest.raises(AcademyError, match="routing='router'"):
        Answer((genome, genome))
    with pytest.raises(AcademyError, match="0 genomes"):
        Answer((), "router")


def test_the_toy_charges_before_it_computes_and_refuses_what_it_cannot_pay() -> None:
    toy = toy_problem(3, 50)
    with pytest.raises(BudgetSpent) as refused:
        toy.losses(experts(toy))
    assert (refused.value.needed, refused.value.left, toy.left) == (96, 50, 50)
    assert toy.scores(experts(toy), np.arange(5)).shape == (4, 5)
    assert toy.left == 30


def test_the_toy_base_has_loss_one_and_answers_nothing() -> None:
    toy = toy_problem(4, 1000)
    base = Genome(toy.base_model)
    np.testing.assert_allclose(toy.true_losses([base]), 1)
    assert not toy.true_scores([base]).any()
