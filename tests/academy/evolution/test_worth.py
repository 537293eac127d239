"""Worth follows demand, cost, rivals and proven harm; species breed by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from academy.evolution.society import added_cost, quotas, worth
from academy.evolution.state import Candidate, Evolution, Genes
from academy.evolution.workbench import Workbench
from academy.selection.demand import Demand
from genome.base_model import BaseModel
from tests.support.academy import bench_of, run_of
from tests.support.genome import random_layer, tiny_base


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


@pytest.fixture
def bench(base: BaseModel) -> Workbench:
    return bench_of(base)


def run_with_base(bench: Workbench, accuracy: float = 0.4) -> Evolution:
    run = run_of(bench)
    run.base_accuracy = np.full(3, accuracy)
    return run


def persona(
    bench: Workbench,
    number: int,
    profile: list[float],
    *,
    rank: int = 1,
    asked: float = 0.0,
    species: int = 0,
) -> Candidate:
    made = random_layer(bench.base.model, bench.base.fingerprint, rank=rank, seed=number)
    known = np.array(profile)
    return Candidate(
        number,
        Genes((bench.pool.add(made),), (1.0,)),
        (),
        0,
        "x",
        -1,
        number,
        known,
        known * asked,
        np.full(3, asked),
        species,
    )


def test_the_wanted_specialist_is_worth_more(bench: Workbench) -> None:
    """Two specialists alike but for their niche: worth goes as demand for it."""
    run = run_with_base(bench)
    both = [persona(bench, 1, [0.9, 0.4, 0.4]), persona(bench, 2, [0.4, 0.9, 0.4])]
    bench.demand = Demand(bench.skills, np.array([0.6, 0.2, 0.2]))
    first, second = worth(run, bench, both)
    assert first == pytest.approx(3 * second)


def test_a_copy_a_larger_genome_and_proven_harm_cost(bench: Workbench) -> None:
    """The second of two equals shares; four times the rank costs more; a proven loss is 0."""
    run = run_with_base(bench)
    alone = worth(run, bench, [persona(bench, 1, [0.9, 0.4, 0.4])])[0]
    twin = worth(run, bench, [persona(bench, i, [0.9, 0.4, 0.4]) for i in (1, 2)])
    assert twin[0] == pytest.approx(alone) and twin[1] == pytest.approx(alone / 2)
    large = persona(bench, 3, [0.9, 0.4, 0.4], rank=4)
    assert added_cost(bench, large) > added_cost(bench, persona(bench, 1, [0.9, 0.4, 0.4])) > 1
    assert worth(run, bench, [large])[0] < alone
    run.base_accuracy = np.full(3, 0.9)
    harmful = persona(bench, 4, [1.0, 0.1, 0.9], asked=200.0)
    assert worth(run, bench, [harmful])[0] == 0


def test_species_have_children_by_their_mean_worth(bench: Workbench) -> None:
    """One good member against three poor ones: no species wins by numbers."""
    run = run_with_base(bench)
    everyone = [persona(bench, 1, [0.9, 0.4, 0.4], species=5)] + [
        persona(bench, i, [0.4, 0.5 + i / 1000, 0.4], species=8) for i in (2, 3, 4)
    ]
    dealt = quotas(run, bench, everyone, 12)
    assert len(dealt) == 12 and set(dealt) <= {5, 8}
    assert dealt.count(5) > 8
