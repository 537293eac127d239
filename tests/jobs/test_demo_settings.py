"""The demo's sizes, and the champions that it examines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.errors import RunSettingsError
from academy.evolution.config import load_config
from academy.evolution.state import Candidate, Evolution, Genes, Island
from academy.operators.bandit import FixedRates
from academy.skills.curriculum import skill_named
from academy.skills.letters import SKILL_NAMES
from academy.species.archive import Archive
from academy.species.species import Species, Taxonomy
from genome.base_model import BaseModel
from tests.support.genome import subword_tokenizer, tiny_model
from tui.jobs.settings import DemoSettings
from tui.jobs.specialists import champions

N = len(SKILL_NAMES)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"personas": 1}, "use --personas 2 or more"),
        ({"interactions": 0}, "use --interactions [0-9]+ or more, or fewer --personas"),
        ({"personas": 1000}, "use --interactions [0-9]+ or more, or fewer --personas"),
    ],
)
def test_impossible_settings_say_what_to_use_instead(
    embedded: BaseModel, changes: dict[str, int], remedy: str
) -> None:
    with pytest.raises(RunSettingsError, match=remedy):
        DemoSettings(Path("home"), **changes).plan(embedded)


def test_the_demo_is_the_preset_with_its_own_sizes(embedded: BaseModel) -> None:
    plan = DemoSettings(Path("home")).plan(embedded)
    assert plan.evolution == load_config("demo").with_(run={"source": "builtin"})
    assert (plan.personas, plan.interactions, plan.skills) == (100, 10_000, SKILL_NAMES)
    tiny = DemoSettings(Path("home"), 7, tiny=True).plan(embedded).evolution
    assert (tiny.run.seed, tiny.run.limit, tiny.population.size) == (7, 1_200, 20)
    assert round(tiny.population.audition * tiny.run.limit) == 100


def test_a_base_that_reads_words_is_asked_plain_english() -> None:
    """Eight skills of four domains at least, more examples than the toy's exams have."""
    wordy = BaseModel("w", tiny_model("llama", vocab_size=400), subword_tokenizer())
    plan = DemoSettings(Path("home")).plan(wordy)
    assert len(plan.skills) >= 8 and len({skill_named(s).domain for s in plan.skills}) >= 4
    assert (plan.sizes.niche_exam, plan.sizes.few_shot) == (400, 4)
    tiny = DemoSettings(Path("home"), 7, tiny=True).plan(wordy)
    assert set(tiny.skills) < set(plan.skills)


def person(number: int, skill: int, accuracy: float, species: int) -> Candidate:
    known = np.full(N, 0.2)
    known[skill] = accuracy
    n = np.zeros(N)
    return Candidate(
        number, Genes(), (), 0, "x", skill, number, known, n, n.copy(), species=species
    )


def kind(number: int, niche: str | None) -> Species:
    return Species(number, f"kind-{number}", niche, 0, None, 0, 1, 0.0, 0)


def test_the_champion_is_the_best_at_the_niche_older_first() -> None:
    """A species without a niche, or without anybody left, has none."""
    members: list[Any] = [
        person(0, 0, 0.9, 1),
        person(1, 0, 0.9, 1),
        person(2, 0, 0.8, 1),
        person(3, 1, 0.9, 2),
    ]
    run = Evolution(load_config("demo"), SKILL_NAMES, np.zeros(N))
    run.islands = [Island(members, Archive(4), FixedRates({"merge": 1.0}))]
    run.taxonomy = Taxonomy((kind(1, SKILL_NAMES[0]), kind(2, None), kind(3, SKILL_NAMES[2])))
    assert [(species.id, head.id) for species, head in champions(run)] == [(1, 0)]
