"""What a run keeps back for its end: the audition's share and the router's sample."""

from __future__ import annotations

from academy.evolution.budget import width
from academy.evolution.router import SAMPLE
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench


def reserve(run: Evolution, bench: Workbench) -> int:
    """Token-equivalents that no earlier phase may touch."""
    return int(run.config.population.audition * run.config.run.tokens) + router_cost(run, bench)


def router_cost(run: Evolution, bench: Workbench) -> int:
    """About what fitting the router takes; 0 without one."""
    if not run.config.routing.enabled:
        return 0
    rng = run.rng("widths")
    some = [c for skill in bench.skills for c in bench.source.draw(skill, "train", 4, rng)]
    return 2 * SAMPLE * len(bench.skills) * width(bench.base, some)
