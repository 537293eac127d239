"""Scoring and joint training on a Ray cluster, with the results of one process to the bit.

Work is split at the borders at which `LocalEvaluator` splits it (a row's last bits depend on the
shapes of its batch), a litter is never split, workers use a fixed number of threads and check
that base and arithmetic are this process's. Results and costs are put together in the order of
the tasks, whoever did them; a task that lost its worker is done again and counted once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

import numpy as np
import torch

from academy.challenge import Challenge
from academy.cluster.cluster import Connection, RaySettings, connect
from academy.cluster.freight import Shipper, unpack_layer
from academy.cluster.pool import PoolSettings, WorkerPool
from academy.cluster.tasks import Litter, Measure, mapping, measuring, train_litters, training
from academy.cluster.worker import BaseSource, Task
from academy.errors import ClusterSettingsError
from academy.evaluator import LocalEvaluator, batches
from academy.scoring.scorer import Failures
from academy.training import Moments, StudyPlan, TokenMeter
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer
from genome.memory import allowed
from genome.running.stack import check_fit, linear_sites

__all__ = ["Litter", "RayEvaluator", "RaySettings", "train_litters"]

Item = TypeVar("Item")
Result = TypeVar("Result")
STANDARD = RaySettings()


class RayEvaluator:
    """Scores and trains on workers; to be used in a `with` block, or closed.

    What is begun here (cluster, workers) ends with `close`; a cluster that was there before
    goes on.

    Args:
        tokens: Is charged with what all workers compute.
        options: Settings of the workers' `LocalEvaluator` (`scorers`, `max_new_tokens`).

    Raises:
        ClusterError: Ray is not installed or not reachable, no worker has processors free, or
            a worker has not the same base or arithmetic.
    """

    def __init__(
        self,
        base: BaseModel,
        settings: RaySettings = STANDARD,
        tokens: TokenMeter | None = None,
        **options: Any,
    ) -> None:
        self.base = base
        self.tokens = TokenMeter() if tokens is None else tokens
        self.failed = Failures()
        """What could not be scored: it counted as 0 and the run went on."""
        self.threads = settings.threads or torch.get_num_threads()
        self._sites = linear_sites(base.model)
        self._ships = settings.ship_base or not base.revision  # (no revision: there are no files)
        self._connection = self._connect(settings)
        self._pool: WorkerPool | None = None
        try:
            ray = self._connection.ray
            self._shipper = Shipper(ray.put)
            self._pool = WorkerPool(ray, self._pool_settings(settings), self._source(), options)
            self._pool.wait_for_one()
        except BaseException:
            self.close()
            raise

    def _connect(self, settings: RaySettings) -> Connection:
        workers = settings.workers or max(1, (os.cpu_count() or 1) // self.threads)
        room = settings.store_bytes
        if self._ships:
            room += sum(t.nbytes for t in self.base.model.state_dict().values())
        return connect(settings.address, workers * self.threads, store_bytes=room)

    def _pool_settings(self, settings: RaySettings) -> PoolSettings:
        there = int(self._connection.ray.cluster_resources().get("CPU", 0))
        workers = settings.workers or max(1, there // self.threads)
        return PoolSettings(
            workers, self.threads, settings.retries, settings.patience, settings.alike
        )

    def _source(self) -> BaseSource:
        base = self.base
        path = os.path.abspath(base.path) if os.path.isdir(base.path) else base.path
        parts = None
        if self._ships:
            parts = [self._connection.ray.put((base.model, base.tokenizer))]
        return BaseSource(path, base.revision, base.fingerprint, allowed(), parts)

    @property
    def ready(self) -> int:
        """Workers that have the base; more may be on their way."""
        return 0 if self._pool is None else self._pool.ready

    def wait_for_all(self) -> None:
        """Return when every worker asked for is ready; work can begin before that.

        Raises:
            ClusterError: As the constructor.
        """
        self._open_pool.wait_for_all()

    @property
    def _open_pool(self) -> WorkerPool:
        if self._pool is None:
            raise ClusterSettingsError("the Ray evaluator is closed: make a new one")
        return self._pool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the workers go, and shut the cluster down if it was started here."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._connection.close()

    @property
    def failures(self) -> int:
        """Scorings that went wrong so far; `failed.causes` says how."""
        return self.failed.count

    @property
    def lost(self) -> int:
        """Tasks so far that were done again because their worker died."""
        return 0 if self._pool is None else self._pool.lost

    def check(self, genome: Genome) -> None:
        """Refuse a genome that this base cannot run.

        Raises:
            GenomeError: It changes what the model does not have, or of another size.
        """
        check_fit(genome, self._sites)

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Every genome on every challenge, (n_genomes, n_challenges) float."""
        return self.scores_each(genomes, [challenges] * len(genomes))

    def scores_each(
        self, genomes: Sequence[Genome], challenges: Sequence[Sequence[Challenge]]
    ) -> np.ndarray:
        """Genome i on its own list of challenges i, all lists equally long."""
        return self._measured("scores", genomes, challenges)

    def losses(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Mean negative log-likelihood per answer token, (n_genomes, n_challenges), in nats."""
        return self._measured("losses", genomes, [challenges] * len(genomes))

    def train(
        self,
        layers: Sequence[Layer],
        studies: Sequence[Rows],
        plan: StudyPlan,
        *,
        rates: Sequence[float] | None = None,
        below: Sequence[Genome] | None = None,
    ) -> list[Layer]:
        """Train one litter, on one worker; `train_all` keeps them all busy."""
        return self.train_all([Litter(layers, studies, plan, rates, below)])[0]

    def train_on(
        self, layer: Layer, study: Rows, plan: StudyPlan, moments: Moments | None = None
    ) -> tuple[Layer, Moments]:
        """One stretch of a longer study, on one worker."""
        return self.map(_stretch, [(layer, study, plan, moments)])[0]

    def train_all(self, litters: Sequence[Litter]) -> list[list[Layer]]:
        """Train litters side by side on the workers; each as `train` would."""
        trained = self._do(training(litter, self._shipper) for litter in litters)
        return [[unpack_layer(arrays) for arrays in litter] for litter in trained]

    def map(
        self, function: Callable[[LocalEvaluator, Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """Independent jobs on the workers, results in order.

        Args:
            function: Gets the worker's evaluator, whose tokens are charged to `tokens`, and an
                item. It may be called again for an item whose worker died.
        """
        return self._do(mapping(function, item) for item in items)

    def _measured(
        self,
        measure: Measure,
        genomes: Sequence[Genome],
        challenges: Sequence[Sequence[Challenge]],
    ) -> np.ndarray:
        n_each = len(challenges[0]) if challenges else 0
        values = np.zeros((len(genomes), n_each))
        if n_each:
            parts = batches(len(genomes), n_each)
            found = self._do(
                measuring(measure, genomes[part], challenges[part], self._shipper) for part in parts
            )
            for part, value in zip(parts, found, strict=True):
                values[part] = value
        return values

    def _do(self, tasks: Iterable[Task]) -> list[Any]:
        """Values of all tasks in order; costs are charged up to the first that raised."""
        outcomes = self._open_pool.run(list(tasks))
        for outcome in outcomes:
            self.tokens.forward += outcome.forward
            self.tokens.backward += outcome.backward
            self.failed.merge(outcome.failures, outcome.causes)
        for outcome in outcomes:
            outcome.reraise()
        return [outcome.value for outcome in outcomes]


def _stretch(
    local: LocalEvaluator, item: tuple[Layer, Rows, StudyPlan, Moments | None]
) -> tuple[Layer, Moments]:
    return local.train_on(*item)
