"""Slots hold genomes of any ranks, and can be given to others."""

from __future__ import annotations

import pytest
import torch

from genome.errors import GenomeError
from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel
from tests.support.genome import dense_updates, random_layer, tiny_llama

MODEL = tiny_llama().requires_grad_(False)
A, B = random_layer(MODEL, rank=3, seed=1), random_layer(MODEL, rank=5, seed=2)
HALF = Layer("tiny", {m: f for m, f in A.factors.items() if "mlp" in m})


def holds(population: PopulationModel, slot: int, genome: Genome) -> bool:
    """The slot's factors multiply to the genome's update, zero where it changes nothing."""
    wanted = dense_updates(genome)
    for module in A.factors:
        a, b = population.factors(module, slot, 8)
        if not torch.allclose(b @ a, wanted.get(module, torch.zeros(())), atol=1e-5):
            return False
    return True


def test_a_slot_holds_exactly_its_last_genome() -> None:
    population = PopulationModel(MODEL)
    population.reserve(2, rank=8)
    both = Genome("tiny", (A, B), (0.5, -1.0))
    for genome in (both, Genome.of(A), Genome.of(HALF), Genome("tiny"), both, Genome.of(B)):
        population.put(1, genome)
        assert holds(population, 1, genome)
        assert holds(population, 0, Genome("tiny"))


def test_a_genome_without_room_is_refused_and_the_slot_stays() -> None:
    population = PopulationModel(MODEL)
    population.reserve(1, rank=4)
    population.put(0, Genome.of(A))
    with pytest.raises(GenomeError, match=r"rank 5 .* the slots have room for 4"):
        population.put(0, Genome.of(B))
    strange = Layer("tiny", {"model.nothing": next(iter(A.factors.values()))})
    with pytest.raises(GenomeError, match="another architecture"):
        population.put(0, Genome.of(strange))
    assert holds(population, 0, Genome.of(A))


def test_maps_reserved_for_nobody_are_refused() -> None:
    population = PopulationModel(MODEL)
    population.reserve(1, rank=8, modules=[m for m in A.factors if "mlp" in m])
    population.put(0, Genome.of(HALF))
    with pytest.raises(GenomeError, match="room for 0"):
        population.put(0, Genome.of(A))
