"""The Academy as a competitor: the full engine, its gradient-free form, and its ablations.

Every variant differs from the full engine in the one thing its name says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from academy.benchmark.ancestors import Ancestors
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
            "academy-gradient-free", "the shared experts, exact operators only",
            {
                "operators": {"names": GRADIENT_FREE, "max_layers": 4},
                "ancestor": {"share": 0.0},
                "population": {"size": 16, "births": 8, "items": 6, "audition": 0.12},
            },
            from_experts=True,
        ),
        Variant(
            "academy-random", "the same operators and ancestor, chance in place of every choice",
            {
                "selection": {"parents": "random", "mates": "random", "survival": "random"},
                "operators": {
                    "rates": {
                        "memetic-16": 1.0, "memetic-64": 1.0, "merge": 1.0, "extrapolate": 1.0,
                        "weights": 1.0,
                    }
                },
                "ancestor": {"teacher": "even"},
            },
        ),
        Variant("no-radiation", "no common ancestor", {"ancestor": {"share": 0.0}}),
        Variant("no-teacher", "all skills asked alike", {"ancestor": {"teacher": "even"}}),
        Variant("no-gradient", "no memetic mutation after the ancestor",
                {"operators": {"names": GRADIENT_FREE}}),
        Variant("no-exact-merge", "no crossover of any kind",
                {"operators": {"names": ("memetic-16", "memetic-64", "weights")}}),
        Variant("no-lexicase", "tournaments on the niche's estimate",
                {"selection": {"parents": "tournament"}}),
        Variant("no-archive", "no dominated-novelty archive", {"selection": {"archive": 1}}),
        Variant("no-sharing", "the best on average stay", {"selection": {"survival": "top"}}),
        Variant("no-species", "nobody is told apart", {"species": {"target": 0}}),
        Variant("two-islands", "two islands of half the size", {
            "islands": {"count": 2}, "population": {"size": 8, "births": 4, "items": 8},
        }),
        Variant("no-router", "the best single persona answers everything", routed=False),
    )
}  # fmt: skip


@dataclass(frozen=True)
class OurAnswer:
    """What an engine run came to, with the curve of its estimates."""

    result: RunResult
    curve: list[tuple[int, float]]
    tokens: int


def run_variant(
    variant: Variant, base: BaseModel, tier: Tier, track: Track, seed: int, experts: Experts,
    ancestors: Ancestors | None = None,
) -> OurAnswer:  # fmt: skip
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
        config, base=base, evaluator=evaluator, source=source_of(track), observer=follow,
        begin=lambda bench: shared.begin(config, bench, partial(begin, bench)),
    )  # fmt: skip
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
            "share": ADAPTED_SHARE, "learning_rate": 0.0015, "rows": 32, "teacher": "learnable",
        }  # fmt: skip
    return RunConfig().with_(**sections)


def _ancestor_of_skills(
    base: BaseModel, evaluator: LocalEvaluator, config: RunConfig, tokens: int
) -> Layer:
    """Track B: the ancestor learns the skills, not the compositions."""
    source = BuiltinSource()
    bench = Workbench(
        base, evaluator, source, LayerPool(base.fingerprint), Budget(tokens, evaluator.tokens),
        demand.even(source.skills),
    )  # fmt: skip
    n = len(source.skills)
    limit = int(tokens / 0.95)
    whole = config.with_(
        ancestor={"share": 0.95}, run={"tokens": limit}, population={"audition": 0.0},
        routing={"enabled": False},
    )  # fmt: skip
    bench.budget = Budget(limit, evaluator.tokens)
    run = Evolution(whole, source.skills, np.zeros(n))
    run.skill_hits, run.skill_asked = np.zeros(n), np.zeros(n)
    return raise_ancestor(run, bench)
