"""The kinds of task an evaluator sends out, and what a worker does with them.

How far one call of the pool has come: what waits, what has arrived, what was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from academy.challenge import Challenge
from academy.cluster.freight import (
    Arrays,
    Key,
    PackedGenome,
    Shipper,
    key_of,
    pack_layer,
)
from academy.cluster.worker import Outcome, Task
from academy.evaluator import Evaluator, LocalEvaluator
from academy.training import StudyPlan
from genome.base_model import Rows
from genome.genome import Genome
from genome.layer import Layer

Measure = Literal["scores", "losses"]


@dataclass(frozen=True, slots=True)
class Litter:
    """Layers that are trained together: what `Evaluator.train` takes."""

    layers: Sequence[Layer]
    studies: Sequence[Rows]
    """For each layer, (plan.n_rows, n_positions) rows."""
    plan: StudyPlan
    rates: Sequence[float] | None = None
    below: Sequence[Genome] | None = None


def train_litters(evaluator: Evaluator, litters: Sequence[Litter]) -> list[list[Layer]]:
    """Train every litter: at the same time where the evaluator can, else one after the other."""
    together = getattr(evaluator, "train_all", None)
    if together is not None:
        trained: list[list[Layer]] = together(litters)
        return trained
    return [
        evaluator.train(each.layers, each.studies, each.plan, rates=each.rates, below=each.below)
        for each in litters
    ]


def measuring(
    measure: Measure,
    genomes: Sequence[Genome],
    challenges: Sequence[Sequence[Challenge]],
    shipper: Shipper,
) -> Task:
    """Put genome i to its own list of challenges i; gives (n_genomes, n_each) float."""
    packed = [PackedGenome.of(genome) for genome in genomes]
    return Task(_measure, (measure, packed, challenges), shipper.parcels(_layers(genomes)))


def training(litter: Litter, shipper: Shipper) -> Task:
    """Train one litter; gives its layers as `Arrays`."""
    below = None if litter.below is None else [PackedGenome.of(genome) for genome in litter.below]
    keys = [key_of(layer) for layer in litter.layers]
    item = (keys, litter.studies, litter.plan, litter.rates, below)
    return Task(_train, item, shipper.parcels([*litter.layers, *_layers(litter.below or ())]))


def mapping(function: Callable[[LocalEvaluator, Any], Any], item: Any) -> Task:
    """Call a function with the worker's evaluator and an item."""
    return Task(partial(_call, function), item)


def _layers(genomes: Iterable[Genome]) -> list[Layer]:
    return [layer for genome in genomes for layer in genome.layers]


def _measure(
    local: LocalEvaluator,
    item: tuple[Measure, list[PackedGenome], Sequence[Sequence[Challenge]]],
    layers: Mapping[Key, Layer],
) -> np.ndarray:
    measure, packed, challenges = item
    genomes = [genome.unpack(layers) for genome in packed]
    if measure == "scores":
        return local.scores_each(genomes, challenges)
    return local.losses(genomes, challenges[0])


def _train(
    local: LocalEvaluator,
    item: tuple[
        list[Key], Sequence[Rows], StudyPlan, Sequence[float] | None, list[PackedGenome] | None
    ],
    layers: Mapping[Key, Layer],
) -> list[Arrays]:
    keys, studies, plan, rates, below = item
    under = None if below is None else [genome.unpack(layers) for genome in below]
    start = [layers[key] for key in keys]
    trained = local.train(start, studies, plan, rates=rates, below=under)
    return [pack_layer(layer) for layer in trained]


def _call(
    function: Callable[[LocalEvaluator, Any], Any],
    local: LocalEvaluator,
    item: Any,
    layers: Mapping[Key, Layer],
) -> Any:
    return function(local, item)


@dataclass
class Job:
    """One call of `run`: what waits, what has come, what was lost."""

    tasks: Sequence[Task]
    waiting: deque[int]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Job:
        """Nothing done yet."""
        return cls(tasks, deque(range(len(tasks))))

    @property
    def wanted(self) -> range:
        """All tasks, or those up to the first that failed."""
        failed = [i for i, outcome in self.outcomes.items() if outcome.error is not None]
        return range(min(failed, default=len(self.tasks) - 1) + 1)

    @property
    def finished(self) -> bool:
        return all(i in self.outcomes for i in self.wanted)

    def next(self) -> int | None:
        """The task to hand out next."""
        while self.waiting:
            if (index := self.waiting.popleft()) in self.wanted:
                return index
        return None

    def in_order(self) -> list[Outcome]:
        """Outcomes up to the first error."""
        return [self.outcomes[i] for i in self.wanted]
