"""A generation's record can be written whatever has become of its species."""

from __future__ import annotations

from typing import Any

from academy.evolution.report import record_of
from academy.species.species import Species, Taxonomy
from academy.training import TokenMeter
from tests.support.academy import bench_of, run_of
from tests.support.genome import tiny_base


def test_a_species_without_members_is_recorded_at_what_all_began_with(tokenizer: Any) -> None:
    """Its last members died after the census that counted them."""
    run = run_of(bench_of(tiny_base(tokenizer)))
    run.reference = run.base_accuracy + 0.25
    species = Species(0, "sorter-1", "sort", 0, None, 3, 1, 0.5, 0)
    run.taxonomy = Taxonomy((species,))
    run.generation = 1
    [found] = record_of(run, TokenMeter())["species"]
    assert (found["population"], found["accuracy"]) == (0, 0.25)
