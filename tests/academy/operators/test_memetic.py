"""Children study where they are weakest; those that come out broken are told, not kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.operators.memetic import Raised, checked, study_rows
from academy.skills.curriculum import skill_named
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.genome import random_layer, tiny_base

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


def litter(
    base: BaseModel,
    layers: list[Layer],
    below: list[Genome] | None,
    lists: list[list[Challenge]],
    plan: StudyPlan,
    *,
    rates: list[float] | None = None,
) -> list[Raised]:
    """What becomes of some children, each on its own challenges, in one pass."""
    rows = [study_rows(base, challenges, plan) for challenges in lists]
    trained = train_litter(base, layers, rows, plan, TokenMeter(), rates=rates, below=below)
    return [checked(layer) for layer in trained]


# -- litters ---------------------------------------------------------------------------------


def test_few_challenges_are_studied_again_and_again(base: BaseModel) -> None:
    """Two questions in a study of eight rows: trained on the two written out four times."""
    few = questions("sort", 2)
    layers = [child(base, 1)]
    (short,) = litter(base, layers, None, [few], PLAN)
    rows = [base.rows(*prompts_and_answers(few * 4))]
    (long,) = train_litter(base, layers, rows, PLAN, TokenMeter())
    assert short.layer is not None
    assert short.layer.digest == long.digest != layers[0].digest


def test_more_challenges_than_a_study_holds_are_left_out(base: BaseModel) -> None:
    many, layers = questions("sort", 12), [child(base, 1)]
    some, first = (litter(base, layers, None, [x], PLAN)[0].layer for x in (many, many[:8]))
    assert some is not None and first is not None
    assert some.digest == first.digest


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_child_is_discarded_with_its_cause_and_its_mates_do_not_notice(
    base: BaseModel, value: float
) -> None:
    """Bit for bit what they would be beside a healthy one."""
    layers = [child(base, seed) for seed in (1, 2, 3)]
    lists = [questions("sort")] * 3
    well = litter(base, layers, None, lists, PLAN)
    layers[1] = broken(layers[1], value)
    plan = replace(PLAN, pull=0.0)
    beside = litter(base, layers, None, lists, plan)
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
    well = litter(base, layers, below, lists, plan)
    beside = litter(base, [layers[0], broken(layers[1])], below, lists, plan)
    assert beside[1].layer is None
    assert beside[0].layer is not None and well[0].layer is not None
    assert beside[0].layer.digest == well[0].layer.digest


def test_a_rate_that_explodes_loses_one_child_only(base: BaseModel) -> None:
    layers = [child(base, 1), child(base, 2)]
    raised = litter(
        base,
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
