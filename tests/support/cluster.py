"""A cluster in this process whose workers die on cue and finish in any order; no Ray needed."""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from academy.cluster.cluster import Connection


class RayError(Exception):
    """Something is wrong with a worker, a node or an object."""


class ActorDiedError(RayError):
    """The worker is gone."""


class RayTaskError(RayError):
    """The call itself raised."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FakeRay:
    """Does what `WorkerPool` asks of Ray, one call at a time.

    Args:
        processors: Workers that ask for more than are free wait for ever.
        deaths: Ordinals (from 0) of those `run` calls during which the worker dies.
        seed: Decides in which order calls finish.
    """

    def __init__(self, processors: int = 2, deaths: Collection[int] = (), seed: int = 0) -> None:
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        self.free = self.processors = processors
        self.deaths = set(deaths)
        self.puts = self.runs = 0
        self._random = random.Random(seed)
        self._objects: dict[int, Any] = {}
        self._calls: dict[int, tuple[_Actor, str, bytes]] = {}
        self._numbers = itertools.count()

    def connection(self) -> Connection:
        """As `connect` would give it."""
        return Connection(self, lambda: None)

    def put(self, value: Any) -> int:
        """Keep a value; returns its reference."""
        self.puts += 1
        number = next(self._numbers)
        self._objects[number] = pickle.dumps(value)
        return number

    def get(self, reference: int) -> Any:
        """A copy of the value, or what the call raised."""
        found = self._objects[reference]
        if isinstance(found, Exception):
            raise found
        return pickle.loads(found)

    def wait(self, references: list[int], timeout: float) -> tuple[list[int], list[int]]:
        """Carry out one of the calls that can be."""
        able = [r for r in references if r in self._calls and self._calls[r][0].placed]
        if not able:
            return [], references
        chosen = self._random.choice(able)
        self._carry_out(chosen)
        return [chosen], [r for r in references if r != chosen]

    def _carry_out(self, reference: int) -> None:
        actor, name, arguments = self._calls.pop(reference)
        if name == "run":
            if self.runs in self.deaths:
                self.kill(actor)
            self.runs += 1
        if actor.dead:
            self._objects[reference] = ActorDiedError("the actor died: its node has gone")
            return
        try:
            result = getattr(actor.body, name)(*pickle.loads(arguments))
            self._objects[reference] = pickle.dumps(result)
        except Exception as error:
            self._objects[reference] = RayTaskError(error)

    def kill(self, actor: _Actor) -> None:
        """End a worker and free its processors."""
        if not actor.dead:
            actor.dead = True
            self.free += actor.size if actor.placed else 0

    def call(self, actor: _Actor, name: str, arguments: tuple[Any, ...]) -> int:
        """Note a call of a worker; returns the reference of its result."""
        number = next(self._numbers)
        self._calls[number] = (actor, name, pickle.dumps(arguments))
        return number

    def cluster_resources(self) -> dict[str, float]:
        """All processors."""
        return {"CPU": float(self.processors)}

    def available_resources(self) -> dict[str, float]:
        """Processors that no worker has."""
        return {"CPU": float(self.free)}

    def remote(self, kind: type) -> Any:
        """A class whose `options(...).remote(...)` makes a worker."""
        return _ActorClass(self, kind)


class _ActorClass:
    def __init__(self, ray: FakeRay, kind: type) -> None:
        self._ray, self._kind, self._size = ray, kind, 1

    def options(self, *, num_cpus: int, **_: Any) -> _ActorClass:
        self._size = num_cpus
        return self

    def remote(self, *arguments: Any) -> _Actor:
        return _Actor(self._ray, self._kind(*arguments), self._size)


class _Actor:
    def __init__(self, ray: FakeRay, body: Any, size: int) -> None:
        self.ray, self.body, self.size, self.dead = ray, body, size, False
        self._has_room = False

    @property
    def placed(self) -> bool:
        """Whether it has its processors, taking them if they are free."""
        if not self._has_room and not self.dead and self.ray.free >= self.size:
            self.ray.free -= self.size
            self._has_room = True
        return self._has_room or self.dead

    def __getattr__(self, name: str) -> _Method:
        return _Method(self, name)


class _Method:
    def __init__(self, actor: _Actor, name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *arguments: Any) -> int:
        return self._actor.ray.call(self._actor, self._name, arguments)
