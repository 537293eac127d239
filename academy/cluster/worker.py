"""What runs on a worker: the base model is loaded once, then task after task on it.

An error of our own travels back as a value, so that the caller can raise it as it is; only
what is wrong with the worker itself ends it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from academy.cluster.freight import Key, LayerCache, Parcel
from academy.errors import WorkerMismatchError
from academy.evaluator import LocalEvaluator
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.errors import GenomeError
from genome.layer import Layer
from genome.memory import allow

Work = Callable[[LocalEvaluator, Any, Mapping[Key, Layer]], Any]
"""(evaluator of the worker, what to do it on, layers by name) -> result."""


@dataclass(frozen=True, slots=True)
class BaseSource:
    """Where a worker finds the base model."""

    path: str
    revision: str
    fingerprint: str
    memory: int
    """Bytes that a batch may take there: as here, so that batches are the same."""
    parts: list[Any] | None = None
    """Reference (in a list, so that Ray hands it on as it is) to model and tokenizer."""

    def load(self, fetch: Callable[[Any], Any]) -> BaseModel:
        """The base model, and it is the right one; its batches stay within the same memory.

        Raises:
            WorkerMismatchError: There is none at the path, or another one.
        """
        allow(self.memory)
        if self.parts is not None:
            model, tokenizer = fetch(self.parts[0])
            base = BaseModel(self.path, model, tokenizer, self.revision)
        else:
            base = self._read()
        if base.fingerprint != self.fingerprint:
            raise WorkerMismatchError(
                f"the base at {self.path} has fingerprint {base.fingerprint} on node "
                f"{os.uname().nodename}, {self.fingerprint} here: copy the same files there, or "
                "ship the base through the cluster (ship_base=True)"
            )
        return base

    def _read(self) -> BaseModel:
        try:
            return BaseModel.load(self.path)
        except GenomeError as error:
            raise WorkerMismatchError(
                f"node {os.uname().nodename} cannot read the base at {self.path}: put the same "
                "files there, or ship the base through the cluster (ship_base=True)"
            ) from error


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work that goes to one worker."""

    work: Work
    item: Any
    parcels: tuple[Parcel, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What a task gave and what it cost."""

    value: Any = None
    error: tuple[type[Exception], tuple[Any, ...], dict[str, Any]] | None = None
    forward: int = 0
    backward: int = 0
    failures: int = 0
    """Scorings that went wrong and counted as 0."""
    causes: list[str] = field(default_factory=list)

    def reraise(self) -> None:
        """Raise the worker's error, if there was one, as it was."""
        if self.error is not None:
            kind, args, facts = self.error
            error = kind.__new__(kind, *args)  # not kind(*args): __init__ may want other arguments
            error.__dict__.update(facts)
            raise error


def arithmetic() -> str:
    """What decides the last bits of a result besides the number of threads."""
    capabilities = torch.cpu.get_capabilities()
    half = "bf16" if capabilities.get("avx512_bf16", False) else "fp32"
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {half} training"


class Worker:
    """The body of a Ray actor."""

    def __init__(
        self, threads: int, source: BaseSource, options: dict[str, Any], fetch: Callable[[Any], Any]
    ) -> None:
        torch.set_num_threads(threads)  # Ray itself sets OMP_NUM_THREADS for the process
        self._source = source
        self._options = options
        self._fetch = fetch
        self._shelf = LayerCache(fetch)
        self._base: BaseModel | None = None

    def greet(self) -> str:
        """Shows that the worker has its processors."""
        return os.uname().nodename

    def open(self) -> Outcome:
        """Load the base if it is not there yet; the value says what arithmetic is done here."""
        try:
            self._base = self._base or self._source.load(self._fetch)
        except WorkerMismatchError as error:
            return Outcome(error=_taken_apart(error))
        return Outcome(arithmetic())

    def run(self, task: Task) -> Outcome:
        """Do one task on a fresh meter.

        Raises:
            MemoryError: There is too little on this node; another one may have more.
        """
        assert self._base is not None
        layers = self._shelf.open(task.parcels)
        outcome = Outcome()
        tokens = TokenMeter()
        local = LocalEvaluator(self._base, tokens, **self._options)
        try:
            outcome.value = task.work(local, task.item, layers)
        except Exception as error:
            if _is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            outcome.error = _taken_apart(error)
        outcome.forward, outcome.backward = tokens.forward, tokens.backward
        outcome.failures, outcome.causes = local.failed.count, local.failed.causes
        return outcome


def _is_out_of_memory(error: Exception) -> bool:
    """torch says it with a RuntimeError on a processor."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)


def _taken_apart(error: Exception) -> tuple[type[Exception], tuple[Any, ...], dict[str, Any]]:
    error.add_note("On a worker: " + "".join(traceback.format_exception(error)))
    return type(error), error.args, dict(vars(error))
