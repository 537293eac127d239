"""A litter learns in one pass what its members would learn alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from academy import training
from academy.challenge import prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.exam import exam_sheet
from academy.operators.noise import random_layer
from academy.skills.curriculum import skill_named
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, Tether, TokenMeter, train_litter
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.geometry import norms
from genome.layer import Layer
from genome.population import PopulationModel
from tests.support.genome import dense_updates, tiny_base
from tests.support.genome import random_layer as noisy_layer

PLAN = StudyPlan(steps=3, rows_per_step=8, learning_rate=0.005)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny matrices: a second thread only waits, and waits long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


# -- on top of frozen layers, tied to the parent ----------------------------------------------


@pytest.fixture(scope="module")
def tiny(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def noisy(base: BaseModel, seed: int, rank: int = 2) -> Layer:
    return noisy_layer(base.model, base.fingerprint, rank=rank, seed=seed)


def moved(before: Layer, after: Layer) -> float:
    """Length of the way an update has gone."""
    old, new = (dense_updates(Genome.of(layer)) for layer in (before, after))
    return float(sum((new[m] - old[m]).square().sum() for m in old)) ** 0.5


def test_layers_below_stay_bit_identical(tiny: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the model that was trained too, though they share its parameters; weights included.

    Ranks differ between slots, so that one slot's own ranks lie beside another's frozen ones.
    """
    seen: list[PopulationModel] = []

    class Seen(PopulationModel):
        def __init__(self, model: Any) -> None:
            super().__init__(model)
            seen.append(self)

    monkeypatch.setattr(training, "PopulationModel", Seen)
    layers = [noisy(tiny, 1, rank=1), noisy(tiny, 2, rank=3)]
    first, second = noisy(tiny, 3), noisy(tiny, 4, rank=4)
    below = [
        Genome(tiny.fingerprint, (first, second), (0.5, -1.0)),
        Genome(tiny.fingerprint, (first,), (1.0,)),
    ]
    plan = StudyPlan(steps=3, rows_per_step=4, learning_rate=0.05, pull=0.01)
    studies = [study(tiny, "case", plan, s) for s in (1, 2)]
    trained = train_litter(tiny, layers, studies, plan, TokenMeter(), below=below)
    for slot, (layer, genome) in enumerate(zip(layers, below, strict=True)):
        assert moved(layer, trained[slot]) > 0.1
        for module in layer.factors:
            own = layer.factors[module].a.shape[0]
            a, b = seen[0].factors(module, slot, own + sum(one.rank for one in genome.layers))
            stood_a = [one.factors[module].a for one in genome.layers]
            stood_b = [
                one.factors[module].b * weight
                for one, weight in zip(genome.layers, genome.weights, strict=True)
            ]
            assert torch.equal(a[own:], torch.cat(stood_a))
            assert torch.equal(b[:, own:], torch.cat(stood_b, dim=1))


def test_what_lies_below_changes_what_is_learned(tiny: BaseModel) -> None:
    """Another ancestor, another update; at weight 0 the same as none."""
    layers = [noisy(tiny, 1)]
    rows = [study(tiny, "case", PLAN, 1)]

    def on(weight: float | None) -> Layer:
        genome = Genome(tiny.fingerprint, (noisy(tiny, 3),), (weight or 0.0,))
        below = None if weight is None else [genome]
        return train_litter(tiny, layers, rows, PLAN, TokenMeter(), below=below)[0]

    none, nothing, something = on(None), on(0.0), on(3.0)
    way = moved(layers[0], none)
    assert moved(none, nothing) < 0.1 * way
    assert moved(none, something) > 0.3 * way


def test_a_layer_learns_for_the_stack_it_is_part_of(tiny: BaseModel) -> None:
    """The stack's loss on what was studied falls by more than that of the layer put elsewhere."""
    below = Genome(tiny.fingerprint, (noisy(tiny, 3),), (2.0,))
    layer, plan = noisy(tiny, 1), StudyPlan(steps=12, rows_per_step=16, learning_rate=0.03)
    rng = np.random.default_rng(0)
    asked = unique_questions(skill_named("case"), "train", plan.n_rows, rng)
    rows = [tiny.rows(*prompts_and_answers(asked))]
    (here,) = train_litter(tiny, [layer], rows, plan, TokenMeter(), below=[below])
    (elsewhere,) = train_litter(tiny, [layer], rows, plan, TokenMeter())
    stacks = [
        Genome(tiny.fingerprint, (one, *below.layers), (1.0, *below.weights))
        for one in (layer, here, elsewhere)
    ]
    before, on_it, off_it = LocalEvaluator(tiny).losses(stacks, asked[:48]).mean(1)
    assert on_it < before - 0.1
    assert on_it < off_it


def test_pull_keeps_a_layer_near_where_it_began(tiny: BaseModel) -> None:
    """The stronger, the nearer; with a huge one it hardly leaves."""
    layer = noisy(tiny, 1)
    ways = []
    for pull in (0.0, 1.0, 100.0):
        plan = StudyPlan(steps=16, rows_per_step=4, learning_rate=0.005, pull=pull)
        rows = [study(tiny, "case", plan, 1)]
        ways.append(moved(layer, train_litter(tiny, [layer], rows, plan, TokenMeter())[0]))
    assert ways[0] > 1.2 * ways[1] > 1.5 * ways[2]
    assert ways[2] < 0.5 * ways[0]
    assert ways[2] < 0.5 * float(norms([layer]))


def test_pull_is_the_dense_formula_and_so_is_its_gradient(tiny: BaseModel) -> None:
    """pull * ||BA - B0 A0||^2 by autograd on dense updates, with frozen layers beside them."""
    layers = [noisy(tiny, 1, rank=1), noisy(tiny, 2, rank=3)]
    below = noisy(tiny, 9)
    population = PopulationModel(tiny.model)
    population.load([Genome(tiny.fingerprint, (one, below), (1.0, 0.7)) for one in layers])
    population.train(True)
    ranks = [{m: f.a.shape[0] for m, f in one.factors.items()} for one in layers]
    masks = population.own_parts(ranks)
    tether = Tether(population, masks, 0.3)
    assert float(tether.penalty().detach()) == pytest.approx(0.0, abs=1e-4)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter, mask in zip(population.parameters(), masks, strict=True):
            step = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.05 * mask * step)
    tether.penalty().backward()
    expected = torch.zeros(())
    dense: dict[tuple[int, str], tuple[torch.Tensor, torch.Tensor]] = {}
    for slot, layer in enumerate(layers):
        for module, (a0, b0) in layer.factors.items():
            a, b = (x.requires_grad_() for x in population.factors(module, slot, a0.shape[0]))
            dense[slot, module] = a, b
            expected = expected + 0.3 * (b @ a - b0 @ a0).square().sum()
    expected.backward()
    assert float(tether.penalty().detach()) == pytest.approx(float(expected.detach()), rel=1e-3)
    gradients = iter(zip(population.parameters(), masks, strict=True))
    for stack in population._stacks:
        of_a = next(gradients)[0].grad
        for module, columns in stack.columns.items():
            of_b = next(gradients)[0].grad
            assert of_a is not None and of_b is not None
            for slot in range(2):
                a, b = dense[slot, module]
                n = a.shape[0]
                ours_a, ours_b = of_a[slot, :, columns].T, of_b[slot].T
                torch.testing.assert_close(ours_a[:n], a.grad, atol=1e-4, rtol=1e-3)
                torch.testing.assert_close(ours_b[:, :n], b.grad, atol=1e-4, rtol=1e-3)
                assert not ours_a[n:].any() and not ours_b[:, n:].any()


def test_mates_that_cannot_learn_leave_the_others_alone(tiny: BaseModel) -> None:
    """Bit for bit, with frozen layers and pull: NaN in a mate's factors, or no answer in its rows.

    The first comes out as NaN, the second does not.
    """
    plan = StudyPlan(steps=2, rows_per_step=4, learning_rate=0.01, pull=0.1)
    layer, mate, below = noisy(tiny, 1), noisy(tiny, 2), [Genome.of(noisy(tiny, 3))] * 2
    broken = Layer(
        mate.base_model,
        {m: f._replace(a=f.a.clone().fill_(torch.nan)) for m, f in mate.factors.items()},
    )
    good = study(tiny, "case", plan, 1)
    silent = Rows(good.input_ids, torch.full_like(good.labels, -100))  # mean over no token
    well, lost, idle = (
        train_litter(tiny, [layer, other], [good, rows], plan, TokenMeter(), below=below)
        for other, rows in ((mate, good), (broken, good), (mate, silent))
    )
    assert well[0].digest == lost[0].digest == idle[0].digest
    assert all(f.b.isnan().any() for f in lost[1].factors.values())
    assert all(f.b.isfinite().all() for f in idle[1].factors.values())


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


@pytest.mark.parametrize("pull", [0.0, 0.5])
def test_a_step_too_large_for_memory_is_the_same_step_in_parts(
    embedded: BaseModel, monkeypatch: pytest.MonkeyPatch, pull: float
) -> None:
    """One document-sized row among short ones: same layers up to rounding, same charge."""
    plan = StudyPlan(steps=2, rows_per_step=6, learning_rate=0.005, pull=pull)
    prompts = [f"upper: {c}" for c in "abcdefghijk"] + ["upper: " + "z" * 90]
    studies = [
        embedded.rows(prompts, [p[7:8].upper() for p in prompts]),
        study(embedded, "case", plan, 3),
    ]
    layers = [founder(embedded, s) for s in (1, 2)]
    whole, charged = TokenMeter(), TokenMeter()
    together = train_litter(embedded, layers, studies, plan, whole)
    monkeypatch.setattr(training, "half_precision", lambda: torch.autocast("cpu", enabled=False))
    exact = train_litter(embedded, layers, studies, plan, TokenMeter())
    monkeypatch.setattr(training, "STEP_BYTES", 3 * embedded.footprint.training(30, 30))
    seen: list[tuple[int, ...]] = []
    real = training.run_body
    monkeypatch.setattr(
        training, "run_body", lambda m, x, past: seen.append(tuple(x.shape)) or real(m, x, past)
    )
    in_parts = train_litter(embedded, layers, studies, plan, charged)
    assert charged == whole and len(together) == len(in_parts)
    assert len(seen) > 4 and all(n == 1 or width <= 30 for n, width in seen)
    for one, other in zip(exact, in_parts, strict=True):
        for module, (a, b) in one.factors.items():
            split = other.factors[module]
            torch.testing.assert_close(split.b @ split.a, b @ a, rtol=1e-3, atol=1e-4)
