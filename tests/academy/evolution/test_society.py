"""Survival keeps every niche's best; species are told apart; clones travel between islands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from academy.evolution.events import Event
from academy.evolution.run import evolve
from academy.evolution.society import update_cosines
from academy.evolution.state import Candidate, Genes
from genome.base_model import BaseModel
from tests.support.academy import small_run
from tests.support.genome import random_layer, tiny_base, tiny_llama


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def heard(base: BaseModel, **sections: dict[str, Any]) -> list[Event]:
    events: list[Event] = []
    evolve(small_run(**sections), base=base, observer=events.append)
    return events


def of_kind(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [event.plain() for event in events if type(event).__name__ == kind]


def test_an_island_never_holds_more_than_its_size_after_a_generation(base: BaseModel) -> None:
    ended = of_kind(heard(base, population={"size": 3, "births": 5}), "GenerationEnded")
    assert max(one["n_alive"] for one in ended) == 3


def test_clones_travel_in_a_ring_and_the_original_stays(base: BaseModel) -> None:
    events = heard(
        base,
        islands={"count": 3, "interval": 1},
        population={"size": 3},
        run={"tokens": 90_000},
        ancestor={"share": 0.0},
    )
    journeys = of_kind(events, "Migrated")
    assert journeys
    assert all(j["target"] == (j["origin"] + 1) % 3 for j in journeys)
    assert all(j["clone"] > j["candidate"] for j in journeys)


def test_islands_with_own_operators_use_no_others(base: BaseModel) -> None:
    events = heard(
        base,
        islands={"count": 2, "operators": ("memetic-4", "memetic-4,noise"), "interval": 50},
        run={"tokens": 60_000},
    )
    assert {b["operator"] for b in of_kind(events, "Born")} <= {"memetic-4", "noise"}


def test_every_birth_and_death_is_in_the_phylogeny(base: BaseModel) -> None:
    events: list[Event] = []
    result = evolve(small_run(), base=base, observer=events.append)
    nodes = {node.id: node for node in result.run.phylogeny.nodes}
    for birth in of_kind(events, "Born"):
        assert nodes[f"c{birth['candidate']}"].parents == tuple(f"c{p}" for p in birth["parents"])
    for death in of_kind(events, "Died"):
        assert nodes[f"c{death['candidate']}"].died == death["generation"]
    alive = {f"c{c.id}" for c in result.run.population}
    assert alive == {n.id for n in nodes.values() if n.kind == "candidate" and n.died is None}


def test_species_have_names_that_are_announced(base: BaseModel) -> None:
    events: list[Event] = []
    result = evolve(small_run(), base=base, observer=events.append)
    born = {one["species"] for one in of_kind(events, "SpeciesBorn")}
    assert {s.id for s in result.run.taxonomy.species} <= born
    recorded = {n.id for n in result.run.phylogeny.nodes if n.kind == "species"}
    assert {f"species-{number}" for number in born} == recorded


def test_a_candidate_without_a_layer_of_its_own_is_like_nobody() -> None:
    layers = [random_layer(tiny_llama(), "x", seed=seed) for seed in (1, 2)]
    cosines = update_cosines([layers[0], None, layers[0], layers[1]])
    assert cosines[0, 2] == pytest.approx(1.0)
    assert cosines[1].tolist() == [0, 1, 0, 0]
    assert abs(cosines[0, 3]) < 0.5


def test_a_clone_shares_the_digest_and_nothing_that_changes() -> None:
    one = Candidate(
        3,
        Genes(("a",), (1.0,)),
        (),
        0,
        "founder",
        -1,
        3,
        np.zeros(2),
        np.zeros(2),
        np.zeros(2),
    )
    copy = one.clone(9)
    copy.record(np.array([0]), np.array([1.0]))
    assert copy.digest == one.digest and copy.id == 9 and copy.parents == (3,)
    assert one.hits.sum() == 0
