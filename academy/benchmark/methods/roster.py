"""The gradient-free competitors, by name, with the settings they start from."""

from __future__ import annotations

from academy.benchmark.methods.cycleqd import CycleQD
from academy.benchmark.methods.eggroll import Eggroll
from academy.benchmark.methods.genome_plus import GenomePlus
from academy.benchmark.methods.knots_ties import KnotsTies
from academy.benchmark.methods.lorahub import LoraHub
from academy.benchmark.methods.model_swarms import ModelSwarms
from academy.benchmark.methods.random_search import RandomSearch
from academy.benchmark.methods.search import BaseAlone, BestExpert, ExactMean
from academy.benchmark.problem import Method


def peers() -> dict[str, Method]:
    """Every baseline and peer that takes no gradient step, in the order of the tables."""
    methods: tuple[Method, ...] = (
        BaseAlone(),
        BestExpert(),
        ExactMean(),
        KnotsTies(),
        LoraHub("cma", "factors"),
        LoraHub("cma", "exact"),
        LoraHub("cobyla", "factors"),
        LoraHub("cobyla", "exact"),
        ModelSwarms("factors"),
        ModelSwarms("exact"),
        CycleQD(),
        CycleQD("router"),
        GenomePlus(),
        GenomePlus(succession=False),
        Eggroll(),
        RandomSearch(),
    )
    return {method.name: method for method in methods}
