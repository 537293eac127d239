"""The Academy as a competitor: the full engine, its gradient-free form, and its ablations.

Every variant differs from the full engine in the one thing its name says.

One ancestor for all variants of a seed that would train the same one.

Most ablations change what happens after the ancestor, which takes two thirds of a run's time.
A run's randomness is (seed, purpose, number), so a variant that goes on from a copy of the
state at the ancestor's end comes out bit for bit as if it had trained its own.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from academy.benchmark.experts import Experts
from academy.benchmark.tracks import Tier, Track, source_of
from academy.evaluator import LocalEvaluator
from academy.evolution import engine
from academy.evolution.ancestor import raise_ancestor
from academy.evolution.config import RunConfig
from academy.evolution.events import Event, GenerationEnded
from academy.evolution.run import RunResult, evolve
from academy.evolution.state import Evolution, LayerPool
from academy.evolution.workbench import Budget, Workbench
from academy.selection import demand
from academy.sources.builtin import BuiltinSource
from academy.training import TokenMeter
from genome.base_model import BaseModel
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


Sections = dict[str, dict[str, Any]]
GRADIENT_FREE = ("cma", "merge", "extrapolate", "split", "weights")
FIRST_SHARE = 0.6
"""Track B: part of the budget spent on the skills before the compositions are seen."""
ADAPTED_SHARE = 0.9
"""Track B: by when the ancestor has also learned the compositions; then species part."""


@dataclass(frozen=True)
class Variant:
    """The engine with some settings changed."""

    name: str
    what: str
    """What is different, for the table."""
    changes: Sections = field(default_factory=dict)
    from_experts: bool = False
    """Begin with the shared experts instead of an ancestor."""
    routed: bool = True


FULL: Sections = {
    "ancestor": {"teacher": "learnable", "share": 0.7},
    "operators": {"names": ("memetic-16", "memetic-64", "merge", "extrapolate", "weights")},
    "population": {"size": 16, "births": 8, "items": 8},
    "species": {"target": 12},
}
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("academy", "radiation, memetic and exact operators, lexicase, archive, router"),
        Variant(
            "academy-gradient-free",
            "the shared experts, exact operators only",
            {
                "operators": {"names": GRADIENT_FREE, "max_layers": 4},
                "ancestor": {"share": 0.0},
                "population": {"size": 16, "births": 8, "items": 6, "audition": 0.12},
            },
            from_experts=True,
        ),
        Variant(
            "academy-random",
            "the same operators and ancestor, chance in place of every choice",
            {
                "selection": {"parents": "random", "mates": "random", "survival": "random"},
                "operators": {
                    "rates": {
                        "memetic-16": 1.0,
                        "memetic-64": 1.0,
                        "merge": 1.0,
                        "extrapolate": 1.0,
                        "weights": 1.0,
                    }
                },
                "ancestor": {"teacher": "even"},
            },
        ),
        Variant("no-radiation", "no common ancestor", {"ancestor": {"share": 0.0}}),
        Variant("no-teacher", "all skills asked alike", {"ancestor": {"teacher": "even"}}),
        Variant(
            "no-gradient",
            "no memetic mutation after the ancestor",
            {"operators": {"names": GRADIENT_FREE}},
        ),
        Variant(
            "no-exact-merge",
            "no crossover of any kind",
            {"operators": {"names": ("memetic-16", "memetic-64", "weights")}},
        ),
        Variant(
            "no-lexicase",
            "tournaments on the niche's estimate",
            {"selection": {"parents": "tournament"}},
        ),
        Variant("no-archive", "no dominated-novelty archive", {"selection": {"archive": 1}}),
        Variant("no-sharing", "the best on average stay", {"selection": {"survival": "top"}}),
        Variant("no-species", "nobody is told apart", {"species": {"target": 0}}),
        Variant(
            "two-islands",
            "two islands of half the size",
            {
                "islands": {"count": 2},
                "population": {"size": 8, "births": 4, "items": 8},
            },
        ),
        Variant("no-router", "the best single persona answers everything", routed=False),
    )
}


@dataclass(frozen=True)
class OurAnswer:
    """What an engine run came to, with the curve of its estimates."""

    result: RunResult
    curve: list[tuple[int, float]]
    tokens: int


def run_variant(
    variant: Variant,
    base: BaseModel,
    tier: Tier,
    track: Track,
    seed: int,
    experts: Experts,
    ancestors: Ancestors | None = None,
) -> OurAnswer:
    """One run of a variant within the tier's budget.

    Args:
        ancestors: Those that other variants of this seed have raised, if they are shared.
    """
    config = _config(variant, tier, track, seed)
    limit = tier.tokens[track]
    meter = TokenMeter()
    evaluator = LocalEvaluator(base, meter)
    shared = ancestors or Ancestors()
    if variant.from_experts:
        meter.forward += experts.tokens

    def begin(bench: Workbench) -> Evolution:
        given = None
        if not variant.from_experts and track == "B" and config.ancestor.share > 0:
            given = _ancestor_of_skills(base, evaluator, config, int(FIRST_SHARE * limit))
        return engine.begin(config, bench, given, experts.layers if variant.from_experts else ())

    curve: list[tuple[int, float]] = []

    def follow(event: Event) -> None:
        if isinstance(event, GenerationEnded):
            curve.append((event.tokens, float(np.mean(event.best_by_skill))))

    result = evolve(
        config,
        base=base,
        evaluator=evaluator,
        source=source_of(track),
        observer=follow,
        begin=lambda bench: shared.begin(config, bench, partial(begin, bench)),
    )
    return OurAnswer(result, curve, meter.equivalents)


def _config(variant: Variant, tier: Tier, track: Track, seed: int) -> RunConfig:
    sections: Sections = {
        "run": {"tokens": tier.tokens[track], "seed": seed, "threads": 1},
    }
    if tier.name == "smoke":
        sections["ancestor"] = {"rank": 8 * tier.rank, "rows": 16}
        sections["population"] = {"items": 2}
    else:
        sections["ancestor"] = {"rank": 8 * tier.rank}
    for changes in (FULL, variant.changes):
        for name, keys in changes.items():
            sections[name] = {**sections.get(name, {}), **keys}
    if tier.name == "smoke":
        sections["population"]["items"] = 2
    if track == "B" and sections["ancestor"].get("share", 0.7) > 0:
        sections["ancestor"] |= {
            "share": ADAPTED_SHARE,
            "learning_rate": 0.0015,
            "rows": 32,
            "teacher": "learnable",
        }
    return RunConfig().with_(**sections)


def _ancestor_of_skills(
    base: BaseModel, evaluator: LocalEvaluator, config: RunConfig, tokens: int
) -> Layer:
    """Track B: the ancestor learns the skills, not the compositions."""
    source = BuiltinSource()
    bench = Workbench(
        base,
        evaluator,
        source,
        LayerPool(base.fingerprint),
        Budget(tokens, evaluator.tokens),
        demand.even(source.skills),
    )
    n = len(source.skills)
    limit = int(tokens / 0.95)
    whole = config.with_(
        ancestor={"share": 0.95},
        run={"tokens": limit},
        population={"audition": 0.0},
        routing={"enabled": False},
    )
    bench.budget = Budget(limit, evaluator.tokens)
    run = Evolution(whole, source.skills, np.zeros(n))
    run.skill_hits, run.skill_asked = np.zeros(n), np.zeros(n)
    return raise_ancestor(run, bench)


def what_it_depends_on(config: RunConfig, bench: Workbench) -> str:
    """Every setting that the time before species depends on."""
    population = {"items": config.population.items, "audition": config.population.audition}
    plain = config.plain()
    return json.dumps(
        [
            plain["run"],
            plain["ancestor"],
            plain["routing"],
            population,
            bench.source.name,
            bench.skills,
            bench.demand.shares.tolist(),
            bench.base.fingerprint,
        ]
    )


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
