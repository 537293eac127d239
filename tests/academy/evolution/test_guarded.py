"""An evaluator that raises costs the item or the child it raised for, and nothing else."""

from __future__ import annotations

import errno
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.cluster.tasks import Litter
from academy.errors import RunCorruptError, RunError
from academy.evaluator import LocalEvaluator
from academy.evolution.events import Event
from academy.evolution.guarded import Guarded
from academy.evolution.run import evolve
from academy.evolution.study import raise_litters
from academy.evolution.workbench import scoring_cost
from academy.operators.memetic import study_rows
from academy.operators.noise import random_layer
from academy.sources.builtin import BuiltinSource
from academy.training import StudyPlan
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer
from tests.support.academy import small_run
from tests.support.genome import tiny_base


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


@pytest.fixture
def sheet() -> list[Challenge]:
    return BuiltinSource(("sort",)).draw("sort", "select", 6, np.random.default_rng(0))


def layers_of(base: BaseModel, n: int) -> list[Layer]:
    rng = np.random.default_rng(1)
    return [random_layer(base.fingerprint, base.linear_shapes, 2, 0.02, rng) for _ in range(n)]


class Picky(LocalEvaluator):
    """Raises whenever one question, or one layer, is there."""

    hates: str = ""
    error: BaseException = RuntimeError("it fell\nover")

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        self.tokens.forward += 5
        if any(c.id == self.hates for c in challenges):
            raise self.error
        return super().scores(genomes, challenges)

    def losses(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        raise self.error

    def train(
        self, layers: Sequence[Layer], studies: Sequence[Rows], plan: StudyPlan, **options: Any
    ) -> list[Layer]:
        if any(layer.digest == self.hates for layer in layers):
            raise self.error
        return super().train(layers, studies, plan, **options)


def test_one_item_that_raises_costs_itself_and_is_charged_no_more_than_planned(
    base: BaseModel, sheet: list[Challenge]
) -> None:
    picky = Picky(base)
    picky.hates = sheet[2].id
    guarded = Guarded(picky, base)
    genomes = [Genome.of(layer) for layer in layers_of(base, 3)]
    scores = guarded.scores(genomes, sheet)
    wanted = LocalEvaluator(base).scores(genomes, sheet)
    wanted[:, 2] = 0.0
    np.testing.assert_array_equal(scores, wanted)
    assert guarded.failures == 3 and "it fell over" in guarded.failed.causes[-1]
    assert guarded.tokens.forward - 5 * 20 < scoring_cost(base, 3, sheet)


def test_what_raises_always_is_still_charged_so_that_a_run_comes_to_its_end(
    base: BaseModel, sheet: list[Challenge]
) -> None:
    guarded = Guarded(Picky(base), base)
    losses = guarded.losses([Genome(base.fingerprint)], sheet)
    assert (losses == math.log(len(base.tokenizer))).all()
    assert 0 < guarded.tokens.equivalents <= scoring_cost(base, 1, sheet)


def test_wrong_shapes_and_nan_count_as_failures(base: BaseModel, sheet: list[Challenge]) -> None:
    class Odd(LocalEvaluator):
        def scores(self, genomes: Any, challenges: Any) -> np.ndarray:
            return np.full((len(genomes), len(challenges)), np.nan)

    guarded = Guarded(Odd(base), base)
    assert not guarded.scores([Genome(base.fingerprint)], sheet).any()
    assert guarded.failures == 6


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), RunCorruptError("damaged")]
)
def test_a_person_a_full_disk_and_a_damaged_run_still_end_it(
    base: BaseModel, sheet: list[Challenge], error: BaseException
) -> None:
    picky = Picky(base)
    picky.hates, picky.error = sheet[0].id, error
    with pytest.raises(type(error)):
        Guarded(picky, base).scores([Genome(base.fingerprint)], sheet)
    layers = layers_of(base, 2)
    picky.hates = layers[0].digest
    with pytest.raises(type(error)):
        raise_litters(base, picky, [litter_of(base, layers, sheet)])


def litter_of(base: BaseModel, layers: Sequence[Layer], sheet: Sequence[Challenge]) -> Litter:
    plan = StudyPlan(2, 2, 1e-3)
    return Litter(list(layers), [study_rows(base, sheet, plan) for _ in layers], plan)


def test_a_child_whose_study_raises_is_lost_and_its_mates_learn_the_same(
    base: BaseModel, sheet: list[Challenge]
) -> None:
    layers = layers_of(base, 5)
    picky = Picky(base)
    picky.hates = layers[3].digest
    litters = [litter_of(base, layers[:2], sheet), litter_of(base, layers[2:], sheet)]
    raised = [one for litter in raise_litters(base, picky, litters) for one in litter]
    assert [one.layer is None for one in raised] == [False, False, False, True, False]
    assert raised[3].cause == "its study failed (RuntimeError: it fell over)"
    healthy = LocalEvaluator(base)
    wanted = [one for litter in raise_litters(base, healthy, litters) for one in litter]
    assert picky.tokens == healthy.tokens
    for ours, theirs in zip(raised[:2], wanted[:2], strict=True):
        assert ours.layer and theirs.layer and ours.layer.digest == theirs.layer.digest


def test_a_run_goes_on_when_scoring_raises_once_and_when_children_never_train(
    base: BaseModel,
) -> None:
    class Unlucky(LocalEvaluator):
        calls = 0

        def scores(self, genomes: Any, challenges: Any) -> np.ndarray:
            self.calls += 1
            if 6 <= self.calls <= 40:
                raise RuntimeError("gpu fell over")
            return super().scores(genomes, challenges)

        def train(self, *_: Any, **__: Any) -> list[Layer]:
            raise RuntimeError("out of memory")

    heard: list[Event] = []
    config = small_run()
    result = evolve(config, base=base, evaluator=Unlucky(base), observer=heard.append)
    assert result.run.phase == "finished" and result.run.failures > 0
    assert result.tokens.equivalents <= config.run.tokens
    facts = [event.plain() for event in heard]
    assert any("out of memory" in f["cause"] for f in facts if f["event"] == "Discarded")
    failed = [f for f in facts if f["event"] == "ScoringFailed"]
    assert sum(f["failures"] for f in failed) == result.run.failures
    assert "gpu fell over" in failed[0]["cause"]


def test_an_ancestor_that_cannot_be_trained_ends_the_run_with_a_line(base: BaseModel) -> None:
    class Broken(LocalEvaluator):
        def train_on(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("out of memory")

    with pytest.raises(RunError, match=r"train the ancestor \(RuntimeError: out of memory\)"):
        evolve(small_run(), base=base, evaluator=Broken(base))
