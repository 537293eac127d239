"""A run stops at its budget, repeats itself, resumes bit for bit, and survives bad luck."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.errors import RunCorruptError, RunMismatchError, RunSettingsError
from academy.evaluator import LocalEvaluator
from academy.evolution.config import RunConfig
from academy.evolution.events import Event
from academy.evolution.run import RunResult, evolve
from academy.evolution.state import LayerPool
from academy.run_folder import RunFolder
from academy.training import StudyPlan, TokenMeter
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.academy import small_run
from tests.support.genome import tiny_base


class StoppedError(Exception):
    """What a test interrupts a run with."""


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def facts(result: RunResult) -> str:
    """Everything a run came to, tensors by digest."""
    run = result.run.plain()
    return json.dumps(
        [
            run,
            [[m.candidate, m.genes.layers, m.accuracy] for m in result.cast],
            result.tokens.forward,
            result.tokens.backward,
        ]
    )


def stop_after(n: int) -> Any:
    """An observer that interrupts at the n-th event."""
    seen = 0

    def observe(event: Event) -> None:
        nonlocal seen
        seen += 1
        if seen == n:
            raise StoppedError

    return observe


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ancestor": {"share": 0.0}},
        {"selection": {"survival": "nsga3", "parents": "tournament", "mates": "random"}},
        {"selection": {"survival": "random", "parents": "random"}, "routing": {"cast": 2}},
        {"islands": {"count": 2, "interval": 1, "topology": "random"}, "run": {"tokens": 90_000}},
        {"operators": {"rates": {"memetic-4": 1.0, "merge": 3.0}, "pull": 0.1}},
        {"operators": {"names": ("memetic-4", "cma", "merge")}},
        {"selection": {"survival": "demand"}, "species": {"target": 3, "spawning": True}},
    ],
)
def test_a_run_ends_within_its_budget_with_a_cast_for_every_skill(
    base: BaseModel, changes: dict[str, Any]
) -> None:
    config = small_run(**changes)
    result = evolve(config, base=base)
    assert 0.6 * config.run.tokens < result.tokens.equivalents <= config.run.tokens
    assert sorted(n for m in result.cast for n in m.niches) == ["count", "reverse", "sort"]
    assert result.run.phase == "finished"
    assert len(result.answers(["sort: ba"])) == 1


def test_the_same_seed_gives_the_same_run_and_another_seed_another(base: BaseModel) -> None:
    one, again = (evolve(small_run(), base=base) for _ in range(2))
    other = evolve(small_run(run={"seed": 2}), base=base)
    assert facts(one) == facts(again)
    assert facts(one) != facts(other)


@pytest.mark.parametrize("at", [1, 2, 5, 9, 14, 23])
def test_a_run_interrupted_anywhere_ends_like_one_that_was_not(
    base: BaseModel, tmp_path: Path, at: int
) -> None:
    """Interrupted at an event of its first process, and again of the second."""
    whole = evolve(small_run(), base=base, folder=RunFolder(tmp_path / "whole"))
    home = tmp_path / "torn"
    for n in (at, 3):
        try:
            evolve(small_run(), base=base, folder=RunFolder(home), observer=stop_after(n))
        except StoppedError:
            continue
    resumed = evolve(small_run(), base=base, folder=RunFolder(home))
    assert facts(resumed) == facts(whole)
    logs = [(folder / "run" / "events.jsonl").read_text() for folder in (tmp_path / "whole", home)]
    assert logs[0] == logs[1]


def test_a_finished_run_is_not_run_again(base: BaseModel, tmp_path: Path) -> None:
    first = evolve(small_run(), base=base, folder=RunFolder(tmp_path))
    again = evolve(small_run(), base=base, folder=RunFolder(tmp_path))
    assert [m.genes for m in again.cast] == [m.genes for m in first.cast]
    assert again.tokens == first.tokens


def test_a_damaged_checkpoint_is_replaced_by_the_one_before_and_said(
    base: BaseModel, tmp_path: Path
) -> None:
    whole = evolve(small_run(), base=base)
    with pytest.raises(StoppedError):
        evolve(small_run(), base=base, folder=RunFolder(tmp_path), observer=stop_after(14))
    newest = tmp_path / "run" / "state.json"
    newest.write_text(newest.read_text()[:-40])
    heard: list[Event] = []
    resumed = evolve(small_run(), base=base, folder=RunFolder(tmp_path), observer=heard.append)
    assert facts(resumed) == facts(whole)
    notices = [e.plain()["text"] for e in heard if type(e).__name__ == "Notice"]
    assert len(notices) == 1 and "damaged" in notices[0] and "generation before" in notices[0]


def test_with_both_checkpoints_damaged_the_run_says_so(base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        evolve(small_run(), base=base, folder=RunFolder(tmp_path), observer=stop_after(14))
    for name in ("state.json", "state.before.json"):
        (tmp_path / "run" / name).write_text("{}")
    with pytest.raises(RunCorruptError, match="no checkpoint"):
        evolve(small_run(), base=base, folder=RunFolder(tmp_path))


def test_a_full_disk_stops_the_run_and_it_can_go_on(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evolve(small_run(), base=base)
    save, calls = LayerPool.save, 0

    def full(pool: LayerPool, digests: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(pool, digests)

    monkeypatch.setattr(LayerPool, "save", full)
    with pytest.raises(OSError, match="No space"):
        evolve(small_run(), base=base, folder=RunFolder(tmp_path))
    monkeypatch.undo()
    assert facts(evolve(small_run(), base=base, folder=RunFolder(tmp_path))) == facts(whole)


def test_other_settings_in_the_same_folder_are_refused(base: BaseModel, tmp_path: Path) -> None:
    evolve(small_run(), base=base, folder=RunFolder(tmp_path))
    with pytest.raises(RunMismatchError, match=r"run\.seed=1, not run\.seed=9.*another folder"):
        evolve(small_run(run={"seed": 9}), base=base, folder=RunFolder(tmp_path))


def test_a_configuration_for_another_base_is_refused(base: BaseModel) -> None:
    with pytest.raises(RunSettingsError, match=r"run\.base_fingerprint is 0{16}, the base model"):
        evolve(small_run(run={"base_fingerprint": "0" * 16}), base=base)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"islands": {"count": 2, "skills": ("sort", "cuont")}}, "did you mean 'count'"),
        ({"run": {"tokens": 2000}}, r"run\.tokens is 2000"),
    ],
)
def test_what_is_refused_before_it_begins_is_not_remembered(
    base: BaseModel, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    evaluator = LocalEvaluator(base)
    with pytest.raises(RunSettingsError, match=words):
        evolve(small_run(**changes), base=base, evaluator=evaluator, folder=RunFolder(tmp_path))
    assert evaluator.tokens.equivalents == 0
    assert not RunFolder(tmp_path).has_begun()


def test_a_run_says_that_it_began_before_anything_is_asked(base: BaseModel, tmp_path: Path) -> None:
    class Looking(LocalEvaluator):
        seen: str = ""

        def scores(self, *args: Any) -> np.ndarray:
            self.seen = self.seen or RunFolder(tmp_path).status()["phase"]
            raise KeyboardInterrupt

    looking = Looking(base)
    with pytest.raises(KeyboardInterrupt):
        evolve(small_run(), base=base, evaluator=looking, folder=RunFolder(tmp_path))
    assert looking.seen == "beginning" and RunFolder(tmp_path).has_begun()


def test_a_log_that_is_no_text_is_one_line(base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        evolve(small_run(), base=base, folder=RunFolder(tmp_path), observer=stop_after(3))
    (tmp_path / "run" / "events.jsonl").write_bytes(b"\xff\xfe{\n")
    with pytest.raises(RunCorruptError, match=r"events\.jsonl is no text .* move it away"):
        evolve(small_run(), base=base, folder=RunFolder(tmp_path))


def test_a_hopeless_budget_is_refused_before_anything_is_spent(base: BaseModel) -> None:
    evaluator = LocalEvaluator(base)
    with pytest.raises(RunSettingsError, match=r"run\.tokens is 2000"):
        evolve(small_run(run={"tokens": 2000}), base=base, evaluator=evaluator)
    assert evaluator.tokens.equivalents == 0


class Poisoned(LocalEvaluator):
    """Every child comes out of its study with a NaN in it."""

    def train(
        self, layers: Sequence[Layer], studies: Sequence[Rows], plan: StudyPlan, **options: Any
    ) -> list[Layer]:
        trained = super().train(layers, studies, plan, **options)
        return [_spoiled(layer) for layer in trained]


def _spoiled(layer: Layer) -> Layer:
    module = sorted(layer.factors)[0]
    a, b = layer.factors[module]
    spoiled = a.clone()
    spoiled[0, 0] = float("nan")
    return Layer(layer.base_model, {**layer.factors, module: Factors(spoiled, b)})


def test_children_with_nan_are_discarded_with_the_cause_and_the_run_goes_on(
    base: BaseModel,
) -> None:
    heard: list[Event] = []
    config = small_run(operators={"names": ("memetic-4",)})
    result = evolve(config, base=base, evaluator=Poisoned(base), observer=heard.append)
    lost = [e.plain() for e in heard if type(e).__name__ == "Discarded"]
    assert lost and all("not finite" in one["cause"] for one in lost)
    assert [m.candidate for m in result.cast] == [0]  # the ancestor alone


def test_an_evaluator_that_raises_costs_the_item_and_is_counted(base: BaseModel) -> None:
    def broken(challenge: Challenge, response: str) -> float:
        raise RuntimeError("no verdict")

    class Numbers:
        """Number questions, which are scored by the broken scorer."""

        name, skills = "numbers", ("double",)

        def describe(self, skill: str) -> str:
            return "double a number"

        def draw(
            self, skill: str, split: str, n: int, rng: np.random.Generator, **_: Any
        ) -> list[Challenge]:
            asked = (
                Challenge(f"double {x}", str(2 * x), skill, "numbers", tolerance=0.0)
                for x in rng.permutation(2000)
            )
            return list(itertools.islice((c for c in asked if c.split == split), n))

    evaluator = LocalEvaluator(base, scorers={"numeric": broken}, max_new_tokens={"numeric": 4})
    heard: list[Event] = []
    result = evolve(
        small_run(run={"tokens": 90_000}),
        base=base,
        evaluator=evaluator,
        source=Numbers(),
        observer=heard.append,
    )
    assert result.run.failures == evaluator.failures > 0
    assert result.cast[0].accuracy[0] < 0.1
    said = [e.plain() for e in heard if type(e).__name__ == "ScoringFailed"]
    assert said and "no verdict" in said[0]["cause"]


def test_demand_decides_what_is_studied(base: BaseModel, tmp_path: Path) -> None:
    """With all demand on one skill nearly all children are made for it."""
    wanted = tmp_path / "demand.json"
    wanted.write_text(json.dumps({"sort": 1.0}))
    heard: list[Event] = []
    evolve(small_run(selection={"demand": str(wanted)}), base=base, observer=heard.append)
    niches = [e.plain()["niche"] for e in heard if type(e).__name__ == "Born"]
    assert niches and set(niches) == {"sort"}


def test_given_founders_begin_the_run(base: BaseModel) -> None:
    from academy.operators.noise import random_layer

    rng = np.random.default_rng(0)
    layers = [random_layer(base.fingerprint, base.linear_shapes, 2, 0.02, rng) for _ in range(3)]
    config: RunConfig = small_run(ancestor={"share": 0.0}, operators={"names": ("merge", "noise")})
    result = evolve(config, base=base, founders=layers, evaluator=LocalEvaluator(base))
    made = [n.operator for n in result.run.phylogeny.nodes if n.kind == "candidate"]
    assert set(made) <= {"founder", "merge", "noise"} and made.count("founder") == 3


def test_genomes_of_the_cast_are_what_was_scored(base: BaseModel, tmp_path: Path) -> None:
    """The layers on disk, read by another process's pool, are the cast's."""
    result = evolve(small_run(), base=base, folder=RunFolder(tmp_path))
    pool = LayerPool(base.fingerprint, tmp_path / "run" / "layers")
    again = [m.genes.genome(pool) for m in result.cast]
    assert [g.digest for g in again] == [g.digest for g in result.genomes]
    assert isinstance(again[0], Genome)
    assert result.tokens == TokenMeter(result.tokens.forward, result.tokens.backward)
