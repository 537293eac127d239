"""What holds for every method of the roster, on a toy landscape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from academy.benchmark.cells import peers
from academy.benchmark.methods.cycleqd import CycleQD
from academy.benchmark.methods.knots_ties import KnotsTies
from academy.benchmark.methods.lorahub import LoraHub
from academy.benchmark.methods.model_swarms import ModelSwarms
from academy.benchmark.problem import Method
from genome.genome import Genome
from tests.support.benchmark import ToyProblem, toy_problem

ITEMS = 24
METHODS: list[Method] = [
    *peers().values(),
    CycleQD(rank=2),
    KnotsTies(rank=2),
    LoraHub("cma", "exact", rank=2),
    ModelSwarms("exact", rank=2),
]
SEARCHES = [method for method in METHODS if method.name not in ("base", "best-expert")]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
every_search = pytest.mark.parametrize("method", SEARCHES, ids=lambda method: method.name)


def problem(seed: int, evaluations: int = 250) -> ToyProblem:
    return toy_problem(seed, evaluations * ITEMS, kinship=0.8)


def genomes_of(problem: ToyProblem) -> list[Genome]:
    return [Genome.of(expert) for expert in problem.experts]


def digests(genomes: Sequence[Genome]) -> list[str]:
    """Computed again, whatever was cached."""
    for genome in genomes:
        for layer in genome.layers:
            vars(layer).pop("digest", None)
    return [genome.digest for genome in genomes]


@every_search
def test_the_answer_is_better_than_the_start(method: Method) -> None:
    """Over four landscapes: never worse than the average expert, and better than the best one.

    The exact mean does not search: it has to beat the average expert only.
    """
    over_average, over_best = [], []
    for seed in range(4):
        toy = problem(seed)
        answer = method.run(toy, np.random.default_rng(seed))
        experts = toy.true_scores(genomes_of(toy)).mean(1)
        # a router takes each question to one of the genomes; by oracle here
        found = toy.true_scores(answer.genomes).max(0).mean()
        over_average.append(found - experts.mean())
        over_best.append(found - experts.max())
    assert min(over_average) >= 0
    assert np.mean(over_average) > 0.1
    assert np.mean(over_best) > 0.02 or method.name == "exact-mean"


@every_method
@pytest.mark.parametrize("budget", [0, ITEMS, 5 * ITEMS - 1, 37 * ITEMS + 5])
def test_the_budget_is_never_exceeded_and_an_answer_always_comes(
    method: Method, budget: int
) -> None:
    toy = toy_problem(1, budget)
    answer = method.run(toy, np.random.default_rng(1))
    assert sum(toy.calls) + toy.left == budget
    assert toy.left >= 0
    assert answer.genomes
    assert all(genome.base_model == toy.base_model for genome in answer.genomes)


@pytest.mark.parametrize(
    "method",
    [m for m in SEARCHES if m.name != "exact-mean" and not m.name.startswith("knots-ties")],
    ids=lambda method: method.name,
)
def test_a_search_goes_on_until_the_budget_is_spent(method: Method) -> None:
    """What is left does not pay a generation of the largest batch that cannot be halved."""
    toy = problem(2, 103)
    method.run(toy, np.random.default_rng(2))
    most = 0 if method.name != "eggroll" else 32 * ITEMS
    assert toy.left <= most


@every_method
def test_the_same_generator_gives_the_same_answer(method: Method) -> None:
    """And numpy's global state is neither used nor changed."""
    answers = []
    for state in (1, 2):
        np.random.seed(state)
        before = np.random.get_state()[1].tolist()  # type: ignore[index]
        answers.append(method.run(problem(3, 60), np.random.default_rng(7)))
        assert np.random.get_state()[1].tolist() == before  # type: ignore[index]
    assert digests(answers[0].genomes) == digests(answers[1].genomes)


@every_method
def test_experts_stay_as_they_are(method: Method) -> None:
    toy = problem(4, 40)
    before = digests(genomes_of(toy))
    method.run(toy, np.random.default_rng(4))
    assert digests(genomes_of(toy)) == before


@every_method
def test_incumbents_are_reported_as_they_become_better(method: Method) -> None:
    toy = problem(5, 60)
    method.run(toy, np.random.default_rng(5))
    scores = [score for _, score in toy.reports]
    assert scores
    assert scores == sorted(set(scores))


def test_names_differ_and_no_peer_takes_gradients() -> None:
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    assert all(method.gradient_free for method in METHODS)


@every_method
def test_one_expert_alone_is_enough(method: Method) -> None:
    """Nothing to cross or to mix, but no reason to fail."""
    toy = toy_problem(6, 40 * ITEMS, n_experts=1)
    assert method.run(toy, np.random.default_rng(6)).genomes
