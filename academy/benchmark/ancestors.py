"""One ancestor for all variants of a seed that would train the same one.

Most ablations change what happens after the ancestor, which takes two thirds of a run's time.
A run's randomness is (seed, purpose, number), so a variant that goes on from a copy of the
state at the ancestor's end comes out bit for bit as if it had trained its own.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from academy.evolution import engine
from academy.evolution.config import RunConfig
from academy.evolution.events import Event
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench
from academy.training import TokenMeter
from genome.layer import Layer

KEPT = 3
"""Ancestors held at a time: a seed's variants need that many between them."""


@dataclass(frozen=True)
class _Raised:
    """A run at the moment its ancestor is grown."""

    run: str
    """`Evolution.plain` as JSON."""
    layers: tuple[Layer, ...]
    tokens: TokenMeter
    events: tuple[Event, ...]


@dataclass
class Ancestors:
    """Ancestors by everything they depend on."""

    _raised: OrderedDict[str, _Raised] = field(default_factory=OrderedDict)

    def begin(
        self, config: RunConfig, bench: Workbench, start: Callable[[], Evolution]
    ) -> Evolution:
        """A run of this configuration with its ancestor grown, charged in full.

        Args:
            start: Begins the run; called only for an ancestor that is not known yet.
        """
        if config.ancestor.share == 0:
            return start()
        key = what_it_depends_on(config, bench)
        if key not in self._raised:
            self._raised[key] = _raise(bench, start)
            while len(self._raised) > KEPT:
                self._raised.popitem(last=False)
        known = self._raised[key]
        self._raised.move_to_end(key)
        for layer in known.layers:
            bench.pool.add(layer)
        meter = bench.evaluator.tokens
        meter.forward, meter.backward = known.tokens.forward, known.tokens.backward
        for event in known.events:
            bench.observe(event)
        run = Evolution.restore(json.loads(known.run))
        return replace(run, config=config)


def what_it_depends_on(config: RunConfig, bench: Workbench) -> str:
    """Every setting that the time before species depends on."""
    population = {"items": config.population.items, "audition": config.population.audition}
    plain = config.plain()
    return json.dumps(
        [plain["run"], plain["ancestor"], plain["routing"], population, bench.source.name,
         bench.skills, bench.demand.shares.tolist(), bench.base.fingerprint]
    )  # fmt: skip


def _raise(bench: Workbench, start: Callable[[], Evolution]) -> _Raised:
    """Up to the last generation in which the ancestor alone is alive."""
    heard: list[Event] = []
    observe, bench.observe = bench.observe, heard.append
    try:
        run = start()
        state = _state(run, bench, heard)
        while run.phase == "ancestor":
            state = _state(run, bench, heard)
            engine.advance(run, bench)
    finally:
        bench.observe = observe
    return state


def _state(run: Evolution, bench: Workbench, heard: list[Event]) -> _Raised:
    layers = tuple(bench.pool.get(digest) for digest in dict.fromkeys(run.digests))
    tokens = bench.evaluator.tokens
    return _Raised(json.dumps(run.plain()), layers, replace(tokens), tuple(heard))
