"""What each peer's paper says of its method, and the repaired defects of published code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from academy.benchmark.methods.cycleqd import Archives, CycleQD, Grouped
from academy.benchmark.methods.eggroll import Eggroll
from academy.benchmark.methods.genome_plus import GenomePlus, roulette
from academy.benchmark.methods.knots_ties import KnotsTies
from academy.benchmark.methods.lorahub import LoraHub
from academy.benchmark.methods.mixing import ExpertSpan
from academy.benchmark.methods.random_search import VARIATIONS, RandomSearch
from academy.benchmark.methods.search import BestExpert, ExactMean, Search
from genome import compose
from genome.genome import Genome
from tests.support.benchmark import ToyProblem, flat_update, toy_problem

ITEMS = 24


class Watched(ToyProblem):
    """Remembers every genome it was asked about, and on which items."""

    asked: list[Genome]
    items: list[np.ndarray | None]

    def _charged(self, genomes: Sequence[Genome], items: np.ndarray | None) -> np.ndarray:
        chosen = super()._charged(genomes, items)
        self.asked.extend(genomes)
        self.items.append(items)
        return chosen


def watched(seed: int, evaluations: int, **changes: Any) -> Watched:
    toy = toy_problem(seed, evaluations * ITEMS, **changes)
    watched = Watched(**vars(toy))
    watched.asked, watched.items = [], []
    return watched


def test_the_mean_is_exact_and_the_best_expert_is_the_best() -> None:
    toy = toy_problem(0, 1000)
    experts = [Genome.of(expert) for expert in toy.experts]
    mean = ExactMean().run(toy, np.random.default_rng(0)).genomes[0]
    expected = np.mean([flat_update(expert) for expert in experts], axis=0)
    np.testing.assert_allclose(flat_update(mean), expected, atol=1e-7)
    best = BestExpert().run(toy, np.random.default_rng(0)).genomes[0]
    assert best.digest == experts[int(toy.true_scores(experts).mean(1).argmax())].digest


def test_knots_ties_tries_every_density_at_every_scale() -> None:
    toy = watched(1, 100)
    method = KnotsTies(densities=(0.3, 1.0), scales=(0.5, 1.0, 2.0))
    answer = method.run(toy, np.random.default_rng(1))
    assert [genome.weights[0] for genome in toy.asked] == [0.5, 1.0, 2.0] * 2
    assert len({genome.layers[0].digest for genome in toy.asked}) == 2
    scores = toy.true_scores(toy.asked).mean(1)
    assert toy.true_scores(answer.genomes).mean() == scores.max()


@pytest.mark.parametrize("optimiser", ["cma", "cobyla"])
def test_lorahub_starts_from_the_base_and_stays_in_bounds(optimiser: Any) -> None:
    """On a landscape whose best weights lie far beyond them."""
    toy = watched(2, 200)
    toy.targets *= -5
    LoraHub(optimiser, "exact").run(toy, np.random.default_rng(2))
    weights = np.array([genome.weights for genome in toy.asked])
    assert not weights[0].any()
    assert -1.5 <= weights.min() < -1.49
    assert weights.max() <= 1.5


@pytest.mark.parametrize("optimiser", ["cma", "cobyla"])
def test_lorahub_punishes_large_weights(optimiser: Any) -> None:
    """One peer's LoraHub rewards them; a strong penalty has to leave hardly any weight."""
    sizes = []
    for penalty in (0.0, 20.0):
        toy = toy_problem(3, 200 * ITEMS)
        method = LoraHub(optimiser, "exact", penalty=penalty)
        sizes.append(np.abs(method.run(toy, np.random.default_rng(3)).genomes[0].weights).sum())
    assert sizes[1] < 0.1 * sizes[0]


def test_lorahub_finds_the_least_loss_there_is() -> None:
    """Without penalty the problem is least squares, whose solution is known."""
    toy = toy_problem(4, 400 * ITEMS)
    experts = np.stack([flat_update(Genome.of(expert)) for expert in toy.experts]).T
    scale = np.sqrt((toy.targets**2).sum(1))
    tall = np.concatenate([experts / s for s in scale])
    weights = np.linalg.lstsq(tall, (toy.targets / scale[:, None]).ravel(), rcond=None)[0]
    best = Genome(toy.base_model, toy.experts, tuple(weights.tolist()))
    for optimiser in ("cma", "cobyla"):
        toy.left = 400 * ITEMS
        method = LoraHub(optimiser, "exact", penalty=0.0)  # type: ignore[arg-type]
        found = method.run(toy, np.random.default_rng(4)).genomes
        assert toy.true_losses(found).mean() < 1.01 * toy.true_losses([best]).mean()


def test_an_archive_keeps_the_best_of_each_cell() -> None:
    """Quality is the own task, the cell the other tasks."""
    archives = Archives(2, bins=10)
    genes = np.arange(4.0)[:, None]
    archives.insert(genes, np.array([[0.2, 0.55], [0.6, 0.52], [0.4, 0.58], [0.6, 0.91]]))
    assert archives.cells[0] == {(5,): 1, (9,): 3}
    assert archives.cells[1] == {(2,): 0, (6,): 3, (4,): 2}
    assert archives.champions() == [1, 3]


def test_parents_are_two_and_the_strong_are_drawn_more_often() -> None:
    """At most (.8/.5)^2 times as often for the best of everything as for the worst."""
    archives = Archives(2, bins=10)
    scores = np.array([[0.1, 0.15], [0.5, 0.55], [0.9, 0.95]])
    archives.insert(np.zeros((3, 1)), scores)
    pairs = archives.parents(0, 3000, 0.5, 0.8, np.random.default_rng(0))
    assert (pairs[:, 0] != pairs[:, 1]).all()
    counts = np.bincount(pairs[:, 0], minlength=3)
    assert 2.1 < counts[2] / counts[0] < 3.1


def test_the_archives_merge_by_softmax_of_quality() -> None:
    archives = Archives(2, bins=10)
    archives.insert(np.array([[1.0], [0.0]]), np.array([[0.9, 0.1], [0.2, 0.5]]))
    share = np.exp(0.9) / (np.exp(0.9) + np.exp(0.5))
    np.testing.assert_allclose(archives.merged(), [share], rtol=1e-6)


def test_cycleqd_mutates_along_the_expert_of_the_task_and_only_amplifies() -> None:
    """With parents that are experts, a child is half of each plus up to a tenth of the task's."""
    toy = toy_problem(6, 1000)
    span = ExpertSpan.of(toy.experts)
    archives = Archives(3, 15)
    scores = np.array([[0.1, 0.2, 0.9], [0.3, 0.8, 0.1], [0.7, 0.1, 0.2], [0.2, 0.3, 0.3]])
    genes = span.mixed(np.eye(4))
    archives.insert(genes, scores)
    children = CycleQD()._children(span, archives, 1, np.random.default_rng(6))
    assert children.shape == (16, *span.ones().shape)
    others = children[:, [0, 2, 3]]
    assert ((others < 0.02) | (np.abs(others - 0.5) < 0.02)).all()
    own = children[:, 1]
    assert ((own >= 0) & (own <= 0.65)).all()
    assert (own.max(axis=(1, 2)) > own.min(axis=(1, 2))).all()
    added = np.minimum(own % 0.5, 0.1)  # half of the parent, or none of it, comes first
    assert 0.03 < added.mean() < 0.07


def test_a_cycleqd_router_has_one_genome_for_a_task_at_most() -> None:
    toy = toy_problem(7, 200 * ITEMS)
    answer = CycleQD("router").run(toy, np.random.default_rng(7))
    assert answer.routing == "router"
    assert 1 <= len(answer.genomes) <= 3
    routed = toy.true_scores(answer.genomes).max(0).mean()
    single = CycleQD().run(toy_problem(7, 200 * ITEMS), np.random.default_rng(7))
    assert routed >= toy.true_scores(single.genomes).mean()


def test_cycleqd_mixes_experts_on_a_single_task_too() -> None:
    """One task has no other tasks to make cells of; its items in groups stand for them."""
    gains = []
    for seed in range(4):
        toy = toy_problem(seed, 1600, n_skills=1)
        answer = CycleQD().run(toy, np.random.default_rng(seed))
        best = toy.true_scores([Genome.of(expert) for expert in toy.experts]).mean(1).max()
        gains.append(toy.true_scores(answer.genomes).mean() - best)
    assert np.mean(gains) > 0.02


def test_groups_share_the_items_evenly_and_the_purse() -> None:
    toy = toy_problem(8, 100, n_skills=1)
    grouped = Grouped.of(toy, 3, np.random.default_rng(0))
    assert sorted(np.bincount(grouped.item_skill).tolist()) == [2, 3, 3]
    assert len(grouped.skills) == 3
    grouped.scores([Genome.of(toy.experts[0])])
    assert grouped.left == toy.left == 92
    assert len(Grouped.of(toy, 20, np.random.default_rng(0)).skills) == 8


def test_genome_measures_again_after_every_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers' defect: weights move, fitness stays. Here selection sees the present values."""
    toy = watched(8, 150, kinship=0.8)
    seen: list[np.ndarray] = []
    real = GenomePlus._survivors

    def spy(self: GenomePlus, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chosen = real(self, values, rng)
        seen.append(values)
        return chosen

    monkeypatch.setattr(GenomePlus, "_survivors", spy)
    GenomePlus(population=6).run(toy, np.random.default_rng(8))
    assert len(seen) > 3
    true = toy.true_scores(toy.asked).mean(1)
    # the start, then for each generation the moved and then the new: in the order asked
    position = len(toy.experts)
    for values in seen:
        measured = true[position : position + len(values)]
        np.testing.assert_allclose(values, measured)
        position += len(values)


def test_a_fitter_individual_has_more_chances_and_none_has_no_chance() -> None:
    chances = roulette(np.array([0.0, 0.2, 0.6]))
    assert chances.sum() == pytest.approx(1)
    assert chances[2] == pytest.approx(3 * chances[1], rel=1e-4)
    assert chances[0] > 0
    np.testing.assert_allclose(roulette(np.zeros(4)), 0.25)


def test_elites_survive() -> None:
    method = GenomePlus(population=5, elites=0.2)
    values = np.random.default_rng(0).random(12)
    best = np.argsort(-values)[:2]
    for seed in range(20):
        survivors = method._survivors(values, np.random.default_rng(seed))
        assert len(set(survivors.tolist())) == 5
        assert set(best.tolist()) <= set(survivors.tolist())


def test_eggroll_tries_every_direction_both_ways_on_the_same_items() -> None:
    toy = watched(9, 120)
    Eggroll(pairs=5, items=6).run(toy, np.random.default_rng(9))
    tried = [genome for genome in toy.asked if len(genome.layers) == 2][:10]
    centre = flat_update(Genome.of(tried[0].layers[0]))
    for forwards, backwards in zip(tried[:5], tried[5:], strict=True):
        mean = (flat_update(forwards) + flat_update(backwards)) / 2
        np.testing.assert_allclose(mean, centre, atol=1e-6)
        assert np.linalg.norm(flat_update(forwards) - centre) > 0
    generations = [items for items in toy.items if items is not None]
    assert all(len(items) == 6 for items in generations)
    assert len({tuple(items.tolist()) for items in generations}) > 1


def test_eggroll_descends_the_loss_it_is_given() -> None:
    """Many directions and a short step: the centre's loss falls nearly every time."""
    falls = []
    for seed in range(5):
        toy = toy_problem(10 + seed, 10**6)
        method = Eggroll(start="mean", pairs=200, items=0, rate=3.0, decay=0.0, sigma=0.05)
        mean = method._first(toy, Search(toy))
        stepped = method._stepped(toy, mean, mean, 0.03, np.random.default_rng(seed))
        before, after = toy.true_losses([Genome.of(mean), Genome.of(stepped)]).mean(1)
        falls.append(before - after)
    assert min(falls) > 0


@pytest.mark.parametrize("start", ["mean", "best", "better"])
def test_eggroll_starts_where_it_is_told(start: Any) -> None:
    toy = toy_problem(15, 10**4)
    experts = [Genome.of(expert) for expert in toy.experts]
    mean = Genome.of(compose.linear(toy.experts, [1.0] * 4, 2))
    best = experts[int(toy.true_losses(experts).mean(1).argmin())]
    better = min((mean, best), key=lambda genome: float(toy.true_losses([genome]).mean()))
    first = Genome.of(Eggroll(start=start)._first(toy, Search(toy)))
    expected = {"mean": mean, "best": best, "better": better}[start]
    np.testing.assert_allclose(flat_update(first), flat_update(expected), atol=1e-6)


def test_decay_holds_the_search_near_its_start() -> None:
    distances = []
    for decay in (0.0, 0.5):
        toy = toy_problem(16, 300 * ITEMS)
        method = Eggroll(start="mean", pairs=8, decay=decay, rate=4.0)
        start = flat_update(Genome.of(method._first(toy, Search(toy))))
        centre = method.run(toy, np.random.default_rng(16)).genomes[0]
        distances.append(np.linalg.norm(flat_update(centre) - start))
    assert distances[1] < 0.5 * distances[0]


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda v: v.__name__)
def test_every_variation_makes_something_new_of_the_same_size(variation: Any) -> None:
    toy = toy_problem(17, 1000)
    rng = np.random.default_rng(17)
    made = [flat_update(variation(toy.experts, rng)) for _ in range(8)]
    assert len({update.tobytes() for update in made}) == 8
    length = np.linalg.norm(flat_update(Genome.of(toy.experts[0])))
    assert all(0.05 * length < np.linalg.norm(update) < 5 * length for update in made)


def test_random_search_learns_nothing_from_what_it_finds() -> None:
    """The candidates are the same whatever their scores are."""
    first, second = watched(18, 60), watched(18, 60)
    second.thresholds = 1 - second.thresholds
    for toy in (first, second):
        RandomSearch().run(toy, np.random.default_rng(18))
    assert [g.digest for g in first.asked] == [g.digest for g in second.asked]


def _search(toy: ToyProblem) -> Search:
    return Search(toy)
