"""A run that is paid in scored answers: the demo's way, newborns alone are asked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.controls import random_search_config
from academy.errors import ConfigError, RunSettingsError
from academy.evaluator import LocalEvaluator
from academy.evolution.config import RunConfig, load_config
from academy.evolution.events import Event
from academy.evolution.generation import choose_parent
from academy.evolution.run import RunResult, evolve
from academy.evolution.sheet import Sheet, draw_sheet
from academy.evolution.state import Candidate, Genes
from academy.run_folder import RunFolder
from academy.sources.builtin import BuiltinSource
from genome.base_model import BaseModel
from tests.support.academy import bench_of, run_of, small_run
from tests.support.genome import tiny_base

SKILLS = ("reverse", "sort", "count")


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def small(**sections: dict[str, Any]) -> RunConfig:
    """Six helpers, 137 answers of which 20 are kept for the audition; a child answers 12."""
    settings: dict[str, dict[str, Any]] = {
        "run": {"interactions": 137},
        "population": {
            "size": 6,
            "births": 3,
            "items": 4,
            "own": 0.5,
            "base_items": 5,
            "audition": 20 / 137,
        },
        "ancestor": {"share": 0.0, "teacher": "even"},
        "operators": {"names": ("memetic-4", "merge"), "rank": 2, "rows": 2},
        "selection": {"parents": "best"},
    }
    for name, keys in sections.items():
        settings[name] = {**settings.get(name, {}), **keys}
    return small_run(**settings)


def facts(result: RunResult) -> str:
    spent = [result.tokens.forward, result.tokens.backward]
    return json.dumps([result.run.plain(), [m.candidate for m in result.cast], spent])


def drawn(base: BaseModel, config: RunConfig) -> Sheet:
    """The sheet of a run's first generation."""
    bench = bench_of(base)
    run = run_of(bench, config)
    run.generation = 0
    return draw_sheet(run, bench, 0)


def test_the_budget_is_spent_to_the_last_answer_and_counts_every_one(base: BaseModel) -> None:
    """Of candidates; what the base is measured on is not theirs."""

    class Counting(LocalEvaluator):
        answers = 0

        def scores(self, genomes: Any, challenges: Any) -> np.ndarray:
            self.answers += sum(bool(g.layers) for g in genomes) * len(challenges)
            return super().scores(genomes, challenges)

    records: list[Any] = []
    evaluator = Counting(base)
    run = evolve(small(), base=base, evaluator=evaluator, kept=records.append).run
    assert run.answers == evaluator.answers == 137
    assert records[0]["interactions"] == 6 * 3 + 3 * 12
    assert [r["interactions"] for r in records] == sorted(r["interactions"] for r in records)
    assert records[-1]["interactions"] == 137 and records[-1]["births"] == 0
    assert len(run.population) == 6
    assert all(c.asked.sum() >= (12 if c.parents else 3) for c in run.population)


@pytest.mark.parametrize("chance", [False, True])
def test_same_seed_same_run_other_seed_another(base: BaseModel, chance: bool) -> None:
    configs = [small(), small(), small(run={"interactions": 137, "seed": 2})]
    if chance:
        configs = [random_search_config(config) for config in configs]
    first, second, other = (facts(evolve(config, base=base)) for config in configs)
    assert first == second != other


def test_a_resumed_run_is_bit_identical_from_every_generation(
    base: BaseModel, tmp_path: Path
) -> None:
    """Interrupted after each generation in turn, answers and tokens included."""
    records: list[Any] = []
    whole = evolve(small(), base=base, kept=records.append)

    class StoppedError(Exception):
        pass

    for stop in range(len(records) - 1):
        folder = RunFolder(tmp_path / str(stop))
        heard: list[Any] = []

        def stopping(record: Any, stop: int = stop) -> None:
            if record["generation"] == stop:
                raise StoppedError

        with pytest.raises(StoppedError):
            evolve(small(), base=base, folder=folder, kept=stopping)
        resumed = evolve(small(), base=base, folder=folder, kept=heard.append)
        assert facts(resumed) == facts(whole)
        assert heard == records[stop + 1 :]


def test_neither_audit_nor_test_questions_are_opened(base: BaseModel) -> None:
    opened: set[str] = set()

    class Watched(BuiltinSource):
        def draw(self, skill: str, split: Any, *args: Any, **options: Any) -> list[Challenge]:
            opened.add(split)
            return super().draw(skill, split, *args, **options)

    evolve(small(), base=base, source=Watched(SKILLS))
    assert opened == {"train", "select"}


def test_most_of_a_childs_questions_are_of_its_kind_and_the_rest_of_all_others(
    base: BaseModel,
) -> None:
    """Half of 12; of a founder one a skill; the same for all of a niche."""
    sheet = drawn(base, small())
    for niche in range(3):
        asked = Counter(c.skill for c in sheet.asked(niche))
        assert asked == {skill: 6 if skill == SKILLS[niche] else 3 for skill in SKILLS}
        assert [sheet.skills[i] for i in sheet.places(niche)] == sorted(
            SKILLS.index(c.skill) for c in sheet.asked(niche)
        )
    assert Counter(c.skill for c in sheet.asked(-1)) == dict.fromkeys(SKILLS, 1)
    assert len({c.id for c in sheet.items}) == len(sheet.items)


def test_what_does_not_go_evenly_still_adds_up(base: BaseModel) -> None:
    config = small(population={"items": 3, "own": 0.4})  # 4 of 9, then 5 for two skills
    sheet = drawn(base, config)
    assert sorted(Counter(c.skill for c in sheet.asked(0)).values()) == [2, 3, 4]


def test_each_customer_goes_to_the_best_at_its_skill_the_older_of_equals() -> None:
    known = [[0.5, 0.5, 0.5], [0.9, 0.2, 0.2], [0.2, 0.9, 0.2], [0.9, 0.2, 0.2]]
    n = np.zeros(3)
    people = [
        Candidate(i, Genes(), (), 0, "x", -1, i, np.array(p), n.copy(), n.copy())
        for i, p in enumerate(known)
    ]
    sheet = Sheet([], np.arange(3), "nothing", own=1)
    chosen = [
        choose_parent(people, niche, sheet, np.random.default_rng(0), rule="best")
        for niche in range(3)
    ]
    assert chosen == [1, 2, 0]


def test_what_is_paid_in_tokens_cannot_be_bought_with_answers() -> None:
    with pytest.raises(ConfigError, match=r"run\.interactions is 137.*set ancestor\.share"):
        small(ancestor={"share": 0.5})


def test_too_few_answers_are_refused_before_any_is_given(base: BaseModel) -> None:
    config = small(run={"interactions": 40}, population={"audition": 0.5})
    with pytest.raises(RunSettingsError, match=r"run\.interactions is 40.*takes 50 interactions"):
        evolve(config, base=base)


def test_the_preset_is_the_demos() -> None:
    config = load_config("demo")
    assert (config.run.unit, config.run.limit, config.population.size) == (
        "interactions",
        10_000,
        100,
    )


def test_operators_with_fixed_rates_make_the_children(base: BaseModel) -> None:
    heard: list[Event] = []
    rates = {"memetic-4": 9.0, "merge": 1.0}
    evolve(small(operators={"rates": rates}), base=base, observer=heard.append)
    assert {e.plain()["operator"] for e in heard if type(e).__name__ == "Born"} <= set(rates)
