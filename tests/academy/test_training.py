"""A litter learns in one pass what its members would learn alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from academy.challenge import prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet
from academy.operators.random_layer import random_layer
from academy.skills import skill_named, unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer

PLAN = StudyPlan(steps=3, rows_per_step=8, learning_rate=0.005)


def founder(base: BaseModel, seed: int) -> Layer:
    rng = np.random.default_rng(seed)
    return random_layer(base.fingerprint, base.linear_shapes, 4, 0.02, rng)


def study(base: BaseModel, skill: str, plan: StudyPlan, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    drawn = unique_questions(skill_named(skill), "train", plan.n_rows, rng)
    return base.rows(*prompts_and_answers(drawn))


def test_what_a_layer_learns_does_not_depend_on_its_litter(embedded: BaseModel) -> None:
    """Same update as alone, up to the rounding of batched products."""
    layers = [founder(embedded, s) for s in (1, 2, 3)]
    studies = [study(embedded, "case", PLAN, s) for s in (1, 2, 3)]
    together = train_litter(embedded, layers, studies, PLAN, TokenMeter())
    alone = train_litter(embedded, layers[1:2], studies[1:2], PLAN, TokenMeter())[0]
    for module, (a, b) in alone.factors.items():
        moved = (b @ a - layers[1].factors[module].b @ layers[1].factors[module].a).norm()
        both = together[1].factors[module]
        assert (both.b @ both.a - b @ a).norm() < 0.1 * moved


def test_training_is_repeatable_and_leaves_its_inputs_alone(embedded: BaseModel) -> None:
    layer = founder(embedded, 1)
    before = layer.digest
    rows = study(embedded, "sort", PLAN, 1)
    first, second = (
        train_litter(embedded, [layer], [rows], PLAN, TokenMeter())[0] for _ in range(2)
    )
    assert first.digest == second.digest != before
    vars(layer).pop("digest")  # the cached value, so that it is computed again
    assert layer.digest == before


def test_tokens_trained_are_counted(embedded: BaseModel) -> None:
    tokens = TokenMeter()
    rows = study(embedded, "add", PLAN, 1)
    train_litter(embedded, [founder(embedded, 1)], [rows], PLAN, tokens)
    assert 0 < tokens.backward <= rows.n_tokens
    assert tokens.equivalents == 3 * tokens.backward


@pytest.mark.slow
def test_sixty_steps_on_one_skill_lift_it_well_above_the_base(embedded: BaseModel) -> None:
    """Capital letters: base about one half, specialist above 0.85 on 200 unseen questions."""
    plan = StudyPlan(steps=60, rows_per_step=16, learning_rate=0.01)
    rows = study(embedded, "case", plan, 1)
    layer = train_litter(embedded, [founder(embedded, 1)], [rows], plan, TokenMeter())[0]
    genomes = [Genome(embedded.fingerprint), Genome.of(layer)]
    before, after = LocalEvaluator(embedded).scores(genomes, exam_sheet("case", 200)).mean(1)
    assert before < 0.65
    assert after > 0.85
    assert torch.isfinite(layer.factors[next(iter(layer.factors))].a).all()
