"""Children study where they are weakest; those that come out broken are told, not kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.operators.errors import OperatorError
from academy.operators.memetic import STEPS, MemeticPlan, checked, litter, weakest_niche
from academy.skills import skill_named, unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.testing import random_layer, tiny_base

PLAN = StudyPlan(steps=2, rows_per_step=4, learning_rate=0.01)


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def child(base: BaseModel, seed: int) -> Layer:
    return random_layer(base.model, base.fingerprint, rank=2, seed=seed)


def questions(skill: str, n: int = 8, seed: int = 0) -> list[Challenge]:
    return unique_questions(skill_named(skill), "train", n, np.random.default_rng(seed))


def broken(layer: Layer, value: float = float("nan")) -> Layer:
    """The same layer with one bad number."""
    module = sorted(layer.factors)[0]
    a, b = layer.factors[module]
    a = a.clone()
    a[0, 0] = value
    return Layer(layer.base_model, {**layer.factors, module: Factors(a, b)})


# -- which niche -----------------------------------------------------------------------------


def test_the_weakest_niche_is_the_largest_weighted_shortfall() -> None:
    """Behind by .3, .5 and .1; being ahead counts nothing; weights turn the choice."""
    profile, reference = [0.4, 0.3, 0.8, 0.9], [0.7, 0.8, 0.9, 0.1]
    rng = np.random.default_rng(0)
    assert weakest_niche(profile, reference, [1, 1, 1, 1], rng) == 1
    assert weakest_niche(profile, reference, [2, 1, 1, 9], rng) == 0
    assert weakest_niche(profile, reference, [0, 0, 1, 1], rng) == 2


def test_between_equals_chance_decides_and_the_seed_decides_chance() -> None:
    drawn = [
        weakest_niche([0.5] * 3, [0.9, 0.9, 0.5], [1] * 3, np.random.default_rng(s))
        for s in range(30)
    ]
    assert set(drawn) == {0, 1}
    again = [
        weakest_niche([0.5] * 3, [0.9, 0.9, 0.5], [1] * 3, np.random.default_rng(s))
        for s in range(30)
    ]
    assert drawn == again


def test_who_is_behind_nowhere_learns_where_most_is_left() -> None:
    rng = np.random.default_rng(0)
    assert weakest_niche([0.9, 0.6, 0.8], [0.85, 0.1, 0.5], [1, 1, 1], rng) == 1
    assert weakest_niche([1.0, 1.0], [1.0, 1.0], [1, 1], rng) in (0, 1)


@pytest.mark.parametrize("sizes", [(0, 0, 0), (2, 3, 2), (2, 2, 1)])
def test_niches_that_do_not_match_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(OperatorError):
        weakest_niche(*([0.5] * n for n in sizes), np.random.default_rng(0))


# -- plans -----------------------------------------------------------------------------------


def test_a_plan_draws_each_number_of_steps_and_passes_on_the_rest() -> None:
    plan = MemeticPlan(rows_per_step=3, learning_rate=0.02, pull=0.5)
    drawn = {plan.draw(np.random.default_rng(seed)) for seed in range(40)}
    assert drawn == {StudyPlan(k, 3, 0.02, 0.5) for k in STEPS}
    assert STEPS == (4, 16, 64)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": ()},
        {"steps": (0,)},
        {"rows_per_step": 0},
        {"learning_rate": 0.0},
        {"pull": -1.0},
    ],
)
def test_impossible_plans_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(OperatorError):
        replace(MemeticPlan(), **bad)


# -- litters ---------------------------------------------------------------------------------


def test_a_litter_of_different_plans_comes_back_in_order(base: BaseModel) -> None:
    """Each child as it would come out with its own plan alone, every token charged."""
    evaluator = LocalEvaluator(base)
    layers = [child(base, seed) for seed in (1, 2, 3)]
    lists = [questions(skill) for skill in ("sort", "case", "add")]
    longer = replace(PLAN, steps=3)
    raised = litter(evaluator, layers, None, lists, [PLAN, longer, PLAN])
    spent = evaluator.tokens.backward
    assert spent > 0
    for i, plan in enumerate((PLAN, longer, PLAN)):
        (alone,) = litter(LocalEvaluator(base), layers[i : i + 1], None, lists[i : i + 1], plan)
        assert alone.layer is not None and raised[i].layer is not None
        start = layers[i].factors
        for module, (a, b) in alone.layer.factors.items():
            moved = (b @ a - start[module].b @ start[module].a).norm()
            both = raised[i].layer.factors[module]
            assert (both.b @ both.a - b @ a).norm() < 0.1 * moved


def test_few_challenges_are_studied_again_and_again(base: BaseModel) -> None:
    """Two questions in a study of eight rows: trained on the two written out four times."""
    few = questions("sort", 2)
    layers = [child(base, 1)]
    (short,) = litter(LocalEvaluator(base), layers, None, [few], PLAN)
    rows = [base.rows(*prompts_and_answers(few * 4))]
    (long,) = train_litter(base, layers, rows, PLAN, TokenMeter())
    assert short.layer is not None
    assert short.layer.digest == long.digest != layers[0].digest


def test_more_challenges_than_a_study_holds_are_left_out(base: BaseModel) -> None:
    many, layers = questions("sort", 12), [child(base, 1)]
    some, first = (
        litter(LocalEvaluator(base), layers, None, [x], PLAN)[0].layer for x in (many, many[:8])
    )
    assert some is not None and first is not None
    assert some.digest == first.digest


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_child_is_discarded_with_its_cause_and_its_mates_do_not_notice(
    base: BaseModel, value: float
) -> None:
    """Bit for bit what they would be beside a healthy one."""
    layers = [child(base, seed) for seed in (1, 2, 3)]
    lists = [questions("sort")] * 3
    well = litter(LocalEvaluator(base), layers, None, lists, PLAN)
    layers[1] = broken(layers[1], value)
    plan = replace(PLAN, pull=0.0)
    beside = litter(LocalEvaluator(base), layers, None, lists, plan)
    assert beside[1].layer is None
    assert "not finite" in beside[1].cause and "layers.0" in beside[1].cause
    for i in (0, 2):
        ours, theirs = beside[i].layer, well[i].layer
        assert ours is not None and theirs is not None
        assert ours.digest == theirs.digest


def test_broken_mates_do_not_reach_through_what_ties_a_litter_together(base: BaseModel) -> None:
    """The same with a pull and with frozen layers below, whose losses are summed up."""
    layers, below = [child(base, 1), child(base, 2)], [Genome.of(child(base, 7))] * 2
    lists, plan = [questions("sort")] * 2, replace(PLAN, pull=0.1)
    well = litter(LocalEvaluator(base), layers, below, lists, plan)
    beside = litter(LocalEvaluator(base), [layers[0], broken(layers[1])], below, lists, plan)
    assert beside[1].layer is None
    assert beside[0].layer is not None and well[0].layer is not None
    assert beside[0].layer.digest == well[0].layer.digest


def test_a_rate_that_explodes_loses_one_child_only(base: BaseModel) -> None:
    layers = [child(base, 1), child(base, 2)]
    raised = litter(
        LocalEvaluator(base),
        layers,
        None,
        [questions("sort")] * 2,
        PLAN,
        rates=[0.01, float("inf")],
    )
    assert [one.layer is None for one in raised] == [False, True]


def test_checking_counts_the_bad_numbers() -> None:
    good = Layer("tiny", {"m": Factors(torch.ones(1, 3), torch.ones(2, 1))})
    assert checked(good) == (good, "")
    bad = Layer("tiny", {"m": Factors(torch.ones(1, 3), torch.tensor([[1.0], [float("inf")]]))})
    assert checked(bad) == (None, "1 of 2 numbers of B at 'm' are not finite after study")


def test_litters_that_do_not_fit_together_are_refused(base: BaseModel) -> None:
    evaluator, layers = LocalEvaluator(base), [child(base, 1)]
    for below, lists, plan, rates in (
        ([], [questions("sort")], PLAN, None),
        (None, [], PLAN, None),
        (None, [questions("sort")], [PLAN, PLAN], None),
        (None, [questions("sort")], PLAN, [0.1, 0.1]),
        (None, [[]], PLAN, None),
    ):
        with pytest.raises(OperatorError):
            litter(evaluator, layers, below, lists, plan, rates=rates)
    assert evaluator.tokens.equivalents == 0
    assert litter(evaluator, [], None, [], PLAN) == []
