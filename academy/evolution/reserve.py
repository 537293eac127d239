"""What a run keeps back for its end: audition, the router's sample, the routing genes."""

from __future__ import annotations

from academy.evolution.budget import width
from academy.evolution.router import SAMPLE
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench


def reserve(run: Evolution, bench: Workbench) -> int:
    """Token-equivalents that no earlier phase may touch."""
    return int(run.config.population.audition * run.config.run.tokens) + router_cost(run, bench)


def genes_budget(run: Evolution) -> int:
    """What evolving routing genes may take; 0 without them."""
    share = run.config.routing.genes if run.config.routing.enabled else 0.0
    return int(share * run.config.run.tokens)


def router_cost(run: Evolution, bench: Workbench) -> int:
    """About what fitting the router, genes included, takes; 0 without one."""
    if not run.config.routing.enabled:
        return 0
    rng = run.rng("widths")
    some = [c for skill in bench.skills for c in bench.source.draw(skill, "train", 4, rng)]
    return genes_budget(run) + 2 * SAMPLE * len(bench.skills) * width(bench.base, some)
