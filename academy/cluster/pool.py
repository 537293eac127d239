"""Hands tasks to workers, and again to another when a worker dies.

One task at a time goes to each worker, in the order given. A task whose worker, node or memory
is gone goes back to the head of the queue; only the outcome that arrives counts, so nothing is
charged twice. An error of the task itself is not tried again: tasks before it are finished,
those after it are not begun, so that what was spent does not depend on who was faster.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from academy.cluster.tasks import Job
from academy.cluster.worker import BaseSource, Outcome, Task, Worker, arithmetic
from academy.errors import (
    ClusterFullError,
    WorkerFailedError,
    WorkerLostError,
    WorkerMismatchError,
    cause_of,
)

TICK_S = 0.5
"""How often the pool looks up while nothing arrives."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many workers, how large, and how much is borne from them."""

    workers: int
    threads: int
    """Processors and torch threads of each."""
    retries: int
    """How often one task may lose its worker."""
    patience: float
    """Seconds without any worker before giving up."""
    alike: bool
    """Whether workers must do arithmetic as this process does."""


class WorkerPool:
    """Workers on a cluster, replaced when they die."""

    def __init__(
        self, ray: Any, settings: PoolSettings, source: BaseSource, options: dict[str, Any]
    ) -> None:
        self.ray = ray
        self.settings = settings
        self.lost = 0
        """Tasks that went to another worker because theirs died."""
        self.refused: list[WorkerMismatchError] = []
        """Why workers were turned away; raised when no other is left."""
        self._actor = ray.remote(Worker).options(
            num_cpus=settings.threads, max_restarts=0, scheduling_strategy="SPREAD"
        )
        self._arguments = settings.threads, source, options, ray.get
        self._starting: dict[Any, Any] = {}  # reference of greet() -> worker
        self._loading: dict[Any, Any] = {}  # reference of open() -> worker
        self.idle: list[Any] = []
        """Workers that are ready and have no task."""
        self._busy: dict[Any, tuple[Any, Job, int]] = {}  # reference of run() -> whose, which
        self._seen = time.monotonic()
        self._last_loss = "none"

    def wait_for_one(self) -> None:
        """Return when a worker has the base and waits for tasks.

        Raises:
            ClusterError: As `run`.
        """
        self._seen = time.monotonic()
        self._fill()
        while not self.idle and not self._busy:
            self.wait()

    def wait_for_all(self) -> None:
        """Return when every worker asked for is ready; work can begin before that.

        Raises:
            ClusterFullError: Some had no processors for `patience` seconds.
            ClusterError: As `run`.
        """
        end = time.monotonic() + self.settings.patience
        self._fill()
        while self._starting or self._loading:
            self.wait()
            if self._starting and time.monotonic() > end:
                raise self._full()

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Do all tasks; outcomes in their order, up to the first that holds an error.

        Raises:
            ClusterFullError: No worker had its processors for `patience` seconds.
            WorkerLostError: A task lost its worker more than `retries` times.
            WorkerMismatchError: A worker has another base or other arithmetic.
            WorkerFailedError: A worker could not take a task or give back its result.
        """
        job = Job.of(tasks)
        self._seen = time.monotonic()
        self._fill()
        while not job.finished:
            while self.idle and (index := job.next()) is not None:
                reference = _sent(self.idle[-1], tasks[index])
                self._busy[reference] = self.idle.pop(), job, index
            self.wait()
        return job.in_order()

    def close(self) -> None:
        """Let all workers go."""
        busy = [worker for worker, _, _ in self._busy.values()]
        for worker in [*self._starting.values(), *self._loading.values(), *self.idle, *busy]:
            self.ray.kill(worker)
        for held in (self._starting, self._loading, self.idle, self._busy):
            held.clear()

    @property
    def ready(self) -> int:
        """Workers that have the base."""
        return len(self.idle) + len(self._busy)

    def _fill(self) -> None:
        """Ask for as many workers as are missing."""
        there = len(self._starting) + len(self._loading) + self.ready
        for _ in range(self.settings.workers - len(self.refused) - there):
            self._greet(self._actor.remote(*self._arguments))

    def _greet(self, worker: Any) -> None:
        self._starting[worker.greet.remote()] = worker

    def wait(self) -> None:
        """Wait a little, and take in what has arrived."""
        references = [*self._starting, *self._loading, *self._busy]
        if not references and not self.idle:
            raise self.refused[-1] if self.refused else self._all_died()
        arrived, _ = self.ray.wait(references, timeout=TICK_S)
        for reference in arrived:
            self._take(reference)
        if self._loading or self.ready:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self.settings.patience:
            raise self.refused[-1] if self.refused else self._full()

    def _take(self, reference: Any) -> None:
        if reference in self._starting:
            worker = self._starting.pop(reference)
            if self._value(reference, worker) is not None:
                self._loading[worker.open.remote()] = worker
        elif reference in self._loading:
            worker = self._loading.pop(reference)
            if (outcome := self._value(reference, worker)) is not None:
                self._admit(worker, outcome)
        else:
            worker, job, index = self._busy.pop(reference)
            if (outcome := self._value(reference, worker)) is not None:
                self.idle.append(worker)
                job.outcomes[index] = outcome
            elif not job.finished:  # (a job that has raised no longer cares)
                self._return(job, index)

    def _value(self, reference: Any, worker: Any) -> Any:
        """What a worker's call gave; None if the worker is lost."""
        errors = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except errors.RayTaskError as error:  # the call itself raised
            if not isinstance(error.cause, (MemoryError, errors.RayError)):
                self.ray.kill(worker)
                raise _unfit(error.cause or error) from error
            loss: BaseException = error.cause
        except errors.RayError as error:  # worker, node or result gone
            loss = error
        self._last_loss = cause_of(loss, 160)
        self.ray.kill(worker)  # where it is only out of reach, its result is not wanted twice
        return None

    def _return(self, job: Job, index: int) -> None:
        """Put a lost task first in the queue, and ask for another worker."""
        self.lost += 1
        times = job.lost[index] = job.lost.get(index, 0) + 1
        if times > self.settings.retries:
            raise WorkerLostError(
                f"task {index + 1} of {len(job.tasks)} lost its worker {times} times (last: "
                f"{self._last_loss}): give the nodes more memory, or allow more retries"
            )
        job.waiting.appendleft(index)
        for worker in self.idle:  # those that died with it must not cost tasks their retries
            self._greet(worker)
        self.idle.clear()
        self._fill()

    def _admit(self, worker: Any, loaded: Outcome) -> None:
        """Take a worker that computes what this process does, turn any other away."""
        try:
            loaded.reraise()
            self._check_alike(loaded.value)
        except WorkerMismatchError as error:
            self.refused.append(error)
            self.ray.kill(worker)
            logging.getLogger(__name__).warning("A worker was turned away: %s", error)
        else:
            self.idle.append(worker)

    def _check_alike(self, theirs: str) -> None:
        if self.settings.alike and theirs != arithmetic():
            raise WorkerMismatchError(
                f"a worker computes with {theirs}, this process with {arithmetic()}, so results "
                "would differ in the last bits: use equal machines, or allow it (alike=False)"
            )

    def _all_died(self) -> WorkerLostError:
        return WorkerLostError(
            f"every worker died before it had the base (last: {self._last_loss}): see whether the "
            "nodes have the memory for it"
        )

    def _full(self) -> ClusterFullError:
        total = self.ray.cluster_resources().get("CPU", 0)
        free = self.ray.available_resources().get("CPU", 0)
        return ClusterFullError(
            f"a worker got no processors in {self.settings.patience:g} s (it needs "
            f"{self.settings.threads}, the cluster has {total:g}, free are {free:g}): free some, "
            "ask for fewer threads, or have more patience"
        )


def _sent(worker: Any, task: Task) -> Any:
    """Reference of the outcome to come."""
    try:
        return worker.run.remote(task)
    except Exception as error:  # PicklingError, TypeError, AttributeError, ...
        raise _unfit(error) from error


def _unfit(error: BaseException) -> WorkerFailedError:
    return WorkerFailedError(
        f"a worker cannot do its task ({cause_of(error, 160)}): install the same version of "
        "everything on all nodes, and pass only what can be pickled"
    )
