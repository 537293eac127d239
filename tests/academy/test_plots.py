"""Pictures of a run: what is drawn is what was recorded."""

from __future__ import annotations

from typing import Any

from academy.plots import plot_skill_matrix, plot_species


def species(key: int, name: str, niche: str | None, population: int) -> dict[str, Any]:
    return {"id": key, "name": name, "niche": niche, "population": population, "profile": [0.5]}


def test_a_species_is_drawn_under_the_name_it_had_at_the_time() -> None:
    """Generation 0 consists of helpers, even those that became sorters; both are in the legend."""
    generations = [
        {"generation": 0, "species": [species(1, "helper-1", None, 100)]},
        {
            "generation": 1,
            "species": [species(1, "sorter-1", "sort", 60), species(2, "adder-1", "add", 40)],
        },
    ]
    plot = str(plot_species(generations))
    assert all(name in plot for name in ("helper-1", "sorter-1", "adder-1"))
    assert "helper-1" not in str(plot_species(generations[1:]))


def test_a_species_without_members_has_no_row() -> None:
    """What is recorded for it is what all began with, not what anybody showed."""
    last = {"species": [species(1, "sorter-1", "sort", 60), species(2, "adder-1", "add", 0)]}
    plot = str(plot_skill_matrix(last, ["sort"], []))
    assert ">sorter-1<" in plot and ">adder-1<" not in plot


def test_a_base_that_was_not_measured_has_no_row() -> None:
    """Rather than zeros for every skill."""
    last = {"species": [species(1, "sorter-1", "sort", 60)]}
    assert ">base<" in str(plot_skill_matrix(last, ["sort"], [0.4]))
    assert ">base<" not in str(plot_skill_matrix(last, ["sort"], []))
