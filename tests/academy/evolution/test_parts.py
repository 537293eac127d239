"""The parts of a run one by one: teacher weights, sheets, router, cast, pool, offspring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from academy.errors import EmptyChallengesError, RunCorruptError
from academy.evaluator import LocalEvaluator
from academy.evolution.ancestor import teacher_weights
from academy.evolution.cast import fit_router
from academy.evolution.config import RunConfig
from academy.evolution.events import Event
from academy.evolution.generation import choose_niches
from academy.evolution.offspring import CROSSOVERS, Nursery
from academy.evolution.run import evolve
from academy.evolution.sheet import item_counts
from academy.evolution.state import Candidate, Genes, LayerPool
from academy.evolution.workbench import scoring_cost
from academy.exam import general_sheet
from academy.operators.noise import random_layer
from academy.selection import demand
from academy.skills.letters import SKILL_NAMES
from academy.sources.builtin import BuiltinSource
from academy.training import TokenMeter
from genome import geometry
from genome.base_model import BaseModel
from tests.support.academy import bench_of, run_of, small_run
from tests.support.genome import tiny_base


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


@pytest.mark.parametrize(("rule", "favoured"), [("learnable", 1), ("hard", 2), ("coevolution", 1)])
def test_the_teacher_asks_most_what_its_rule_says(
    base: BaseModel, rule: str, favoured: int
) -> None:
    """Skills known to 0.98, 0.5 and 0.1."""
    bench = bench_of(base)
    run = run_of(bench, small_run(ancestor={"teacher": rule}))
    run.skill_asked = np.full(3, 1000.0)
    run.skill_hits = np.array([980.0, 500.0, 100.0])
    weights = teacher_weights(run, bench)
    assert weights.sum() == pytest.approx(1.0) and weights.min() > 0
    assert int(weights.argmax()) == favoured


def test_even_asks_all_alike_and_demand_bends_it(base: BaseModel) -> None:
    bench = bench_of(base)
    run = run_of(bench, small_run(ancestor={"teacher": "even"}))
    assert teacher_weights(run, bench).tolist() == pytest.approx([1 / 3] * 3)
    bench.demand = demand.from_mapping({"sort": 3.0, "count": 1.0}, bench.skills)
    assert teacher_weights(run, bench).tolist() == pytest.approx([0.0, 0.75, 0.25])


def test_items_go_where_answers_vary_most_and_to_every_skill(base: BaseModel) -> None:
    run = run_of(bench_of(base))
    run.skill_asked = np.full(3, 1000.0)
    run.skill_hits = np.array([999.0, 500.0, 0.0])
    counts = item_counts(run, 10)
    assert counts.min() >= 1 and counts.argmax() == 1 and abs(int(counts.sum()) - 30) <= 2


def test_niches_follow_the_weights_up_to_one_child(base: BaseModel) -> None:
    bench = bench_of(base)
    run = run_of(bench, small_run(ancestor={"teacher": "hard"}))
    run.skill_asked = np.full(3, 1000.0)
    run.skill_hits = np.array([900.0, 700.0, 400.0])
    drawn = np.bincount(
        choose_niches(run, bench, None, 100, np.random.default_rng(0)),
        minlength=3,  # type: ignore[arg-type]
    )
    assert np.abs(drawn - 100 * teacher_weights(run, bench)).max() <= 1


def test_the_router_knows_the_builtin_skills_apart(embedded: BaseModel) -> None:
    """0.9 or more on unseen questions; chance is 1/12."""
    meter = TokenMeter()
    rng = np.random.default_rng(0)
    router = fit_router(embedded, BuiltinSource(), range(12), rng, meter)
    sheet = general_sheet(SKILL_NAMES, 20)
    right = router.skills([c.prompt for c in sheet]) == [SKILL_NAMES.index(c.skill) for c in sheet]
    assert right.mean() >= 0.9
    assert meter.forward > 0
    assert (router.members([c.prompt for c in sheet]) < 12).all()


def test_a_cost_is_never_less_than_what_is_charged(base: BaseModel) -> None:
    evaluator = LocalEvaluator(base)
    sheet = general_sheet(SKILL_NAMES, 3)
    bench = bench_of(base)
    cost = scoring_cost(base, 3, sheet)
    evaluator.scores([bench.bare()] * 3, sheet)
    assert 0 < evaluator.tokens.equivalents <= cost


def test_what_runs_alike_is_scored_once(base: BaseModel) -> None:
    bench = bench_of(base)
    n = np.zeros(3)
    digest = bench.pool.add(_layer(base, 1))
    one = Candidate(0, Genes((digest,), (1.0,)), (), 0, "founder", -1, 0, n, n.copy(), n.copy())
    items, _ = bench.items("select", 4, np.random.default_rng(0))
    first = bench.scores([one, one.clone(7)], items)
    spent = bench.budget.spent
    assert spent == bench.scoring_cost(1, items)
    assert (bench.scores([one], items) == first[:1]).all() and bench.budget.spent == spent


def test_a_source_without_written_answers_cannot_be_studied(base: BaseModel) -> None:
    bench = bench_of(base)

    class Tests:
        name, skills = "tests", ("code",)

        def describe(self, skill: str) -> str:
            return "write code"

        def draw(self, *_: Any, **__: Any) -> list[Any]:
            from academy.challenge import Challenge

            return [Challenge("write f", "", "code", "python", tests=("f(1) == 2",))]

    bench.source = Tests()
    assert bench.study("code", 4, np.random.default_rng(0)) == []
    from academy.evolution.ancestor import _questions

    bench.demand = demand.even(("code",))
    run = run_of(bench)
    with pytest.raises(EmptyChallengesError, match=r"ancestor\.share = 0"):
        _questions(run, bench, 4, np.random.default_rng(0))


def _layer(base: BaseModel, seed: int, sigma: float = 0.5) -> Any:
    rng = np.random.default_rng(seed)
    return random_layer(base.fingerprint, base.linear_shapes, 4, sigma, rng)


def _family(base: BaseModel) -> tuple[Nursery, Candidate, Candidate]:
    pool = LayerPool(base.fingerprint)
    ancestor = pool.add(_layer(base, 0))
    nursery = Nursery(pool, RunConfig().operators, base.linear_shapes, ancestor)
    n = np.zeros(3)
    parents = [
        Candidate(
            i,
            Genes((ancestor, pool.add(_layer(base, i))), (1.0, 1.0)),
            (),
            0,
            "x",
            -1,
            i,
            n,
            n.copy(),
            n.copy(),
        )
        for i in (1, 2)
    ]
    return nursery, parents[0], parents[1]


@pytest.mark.parametrize(
    "name", [*CROSSOVERS, "spectral", "noise", "rank-up", "rank-down", "weights", "drop"]
)
def test_every_operator_leaves_the_ancestor_and_its_parents_alone(
    base: BaseModel, name: str
) -> None:
    nursery, mother, father = _family(base)
    if name == "drop":  # the last own layer stays
        mother.genes = mother.genes.stacked(nursery.pool.add(_layer(base, 8)))
    before = [mother.genes, father.genes]
    rng = np.random.default_rng(5)
    crossed = name in CROSSOVERS
    child = (
        nursery.mate(name, mother, father, rng) if crossed else nursery.mutate(name, mother, rng)
    )
    assert child is not None and child != mother.genes
    assert child.layers[0] == nursery.ancestor and child.weights[0] == 1.0
    assert [mother.genes, father.genes] == before


def test_a_bare_ancestor_gets_a_fresh_layer_to_study_and_cannot_be_crossed(
    base: BaseModel,
) -> None:
    nursery, mother, father = _family(base)
    mother.genes = Genes(mother.genes.layers[:1], (1.0,))
    rng = np.random.default_rng(0)
    studied = nursery.mutate("memetic-4", mother, rng)
    assert studied is not None and len(studied.layers) == 2
    fresh = nursery.pool.get(studied.layers[-1])
    assert float(geometry.norms([fresh])) == 0.0
    assert nursery.mate("merge", mother, father, rng) is None
    assert nursery.mutate("spectral", mother, rng) is None


def test_found_layers_are_added_and_swapped(base: BaseModel) -> None:
    nursery, mother, _ = _family(base)
    other = nursery.pool.add(_layer(base, 9))
    finding = Nursery(
        nursery.pool, nursery.settings, nursery.shapes, nursery.ancestor, lambda _rng: other
    )
    rng = np.random.default_rng(0)
    added = finding.mutate("add", mother, rng)
    assert added is not None and added.layers == (*mother.genes.layers, other)
    swapped = finding.mutate("swap", mother, rng)
    assert swapped is not None and swapped.layers == (nursery.ancestor, other)
    assert nursery.mutate("add", mother, rng) is None  # nothing to find in


def test_a_pool_reads_back_what_it_wrote_and_refuses_anything_else(
    base: BaseModel, tmp_path: Path
) -> None:
    layer = _layer(base, 1)
    pool = LayerPool(base.fingerprint, tmp_path)
    digest = pool.add(layer)
    pool.save([digest])
    again = LayerPool(base.fingerprint, tmp_path).get(digest)
    assert all(torch.equal(again.factors[m].a, layer.factors[m].a) for m in layer.factors)
    other = pool.add(_layer(base, 2))
    pool.save([other])
    (tmp_path / f"{other}.safetensors").replace(tmp_path / f"{digest}.safetensors")
    with pytest.raises(RunCorruptError, match="other numbers"):
        LayerPool(base.fingerprint, tmp_path).get(digest)
    with pytest.raises(RunCorruptError, match="cannot be read"):
        LayerPool(base.fingerprint, tmp_path).get("0" * 64)


def test_with_a_teacher_levels_are_chosen_and_the_teacher_is_audited(base: BaseModel) -> None:
    heard: list[Event] = []
    config = small_run(ancestor={"teacher": "coevolution"}, run={"tokens": 60_000})
    result = evolve(config, base=base, observer=heard.append)
    audits = [e.plain() for e in heard if type(e).__name__ == "AuditTaken"]
    assert len(audits) >= 2 and all(0 <= a["accuracy"] <= 1 for a in audits)
    assert result.tokens.equivalents <= 60_000
    assert result.run.teacher is not None
