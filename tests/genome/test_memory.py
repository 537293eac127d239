"""What is allowed is stated in plain words, and what a batch is said to take is what it takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from academy.challenge import Challenge
from academy.errors import RunSettingsError
from academy.evaluator import LocalEvaluator
from academy.evolution.fitting import FittingSource
from academy.sources.jsonl import JsonlSource
from academy.training import StudyPlan, TokenMeter, train_litter
from genome import memory
from genome.errors import MemoryTextError, TooLargeError
from genome.genome import Genome
from genome.memory import allowed, free_bytes, parse_bytes
from tests.support.cli import continuum
from tests.support.cost import Case, in_own_process
from tests.support.genome import random_layer, tiny_base


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what is allowed, for one test."""
    return lambda n_bytes: monkeypatch.setattr(memory, "_stated", [n_bytes])


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("4GB", 4e9), ("500 mb", 5e8), ("1.5GiB", 1.5 * 2**30), ("2G", 2e9), ("20000000", 2e7)],
)
def test_amounts_as_people_write_them(text: str, n_bytes: float) -> None:
    assert parse_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "4 apples", "-1GB", "4", "0GB", "1e9"])
def test_what_is_no_amount_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(MemoryTextError, match=re.escape("write --memory 4GB")):
        parse_bytes(text)


def test_most_of_what_is_free_is_allowed_and_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once: batches of one process do not change with what others take."""
    monkeypatch.setattr(memory, "_stated", [])
    monkeypatch.setattr(memory, "free_bytes", lambda: 10**9)
    assert allowed() == 6 * 10**8
    monkeypatch.setattr(memory, "free_bytes", lambda: 10**10)
    assert allowed() == 6 * 10**8


def test_free_is_what_the_machine_has_left() -> None:
    import psutil

    assert 0 < free_bytes() <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    "words",
    [("trial", "./a", "base"), ("exam", "./a", "--skill", "sort"), ("benchmark", "--seeds", "x")],
)
def test_commands_take_the_amount_or_say_how_to_write_it(
    words: tuple[str, ...], narrow: Any, tmp_path: Path
) -> None:
    """Before anything else is looked at."""
    narrow(1)
    words = ("academy", *words, "--home", str(tmp_path))
    continuum(*words, "--memory", "500MB")
    assert allowed() == 5 * 10**8
    said = continuum(*words, "--memory", "lots").refusal
    assert said == "'lots' is no amount of memory: write --memory 4GB or --memory 500MB"


CASES = {
    "short rows": Case(rows=512, positions=64),
    "long rows": Case(rows=8, positions=512, scored=4),
    "a large vocabulary": Case(vocabulary=50_000, rows=64, positions=64, scored=16),
    "training": Case(rows=256, positions=64, mode="train"),
    "training, a large vocabulary": Case(
        vocabulary=50_000, rows=64, positions=64, scored=32, mode="train"
    ),
    "training, activations again": Case(blocks=8, rows=64, positions=128, mode="recompute"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_batch_takes_what_is_said_of_it(name: str) -> None:
    """Never more than a twentieth above, and no small part of it: a budget is kept, and used."""
    for _ in range(3):  # what else the machine does only adds pages to a peak
        found = in_own_process(CASES[name])
        if found["taken"] <= 1.05 * found["expected"]:
            break
    assert found["taken"] <= 1.05 * found["expected"]
    assert found["taken"] >= 0.4 * found["expected"]


def test_a_question_that_cannot_fit_is_named_with_what_it_needs(
    tokenizer: Any, narrow: Any
) -> None:
    """Alone, before anything is computed; with what the message says it is answered."""
    base = tiny_base(tokenizer)
    asked = ["a", "x" * 100], ["b", "c"]
    needed = base.row_bytes(base.rows(*asked).input_ids.shape[1], 2)
    narrow(needed - 1)
    with pytest.raises(TooLargeError, match=r"'x+' takes .* GB .*: give --memory [\d.]+GB, or"):
        base.rows(*asked)
    narrow(needed)
    assert base.rows(*asked).n_tokens


def test_a_source_leaves_out_what_does_not_fit_into_memory(tokenizer: Any, narrow: Any) -> None:
    base = tiny_base(tokenizer)
    source = JsonlSource(
        "mixed", [Challenge(f"{'x' * (60 * (i % 2))} {i}", str(i), "s", "d") for i in range(80)]
    )
    narrow(base.row_bytes(50, 2))
    (said,) = FittingSource(source, base).notes()
    assert "GB of memory allowed (--memory): such questions are left out" in said
    narrow(base.row_bytes(2, 2))
    with pytest.raises(RunSettingsError, match=r"all \d+ questions .* larger than the"):
        FittingSource(source, base).notes()


def test_less_memory_changes_no_score(tokenizer: Any, narrow: Any) -> None:
    base = tiny_base(tokenizer)
    genome = Genome.of(random_layer(base.model, base.fingerprint, scale=0.02))
    sheet = [Challenge("x" * n, "yz", "s", "d") for n in range(1, 60)]
    narrow(1 << 30)
    whole = LocalEvaluator(base).losses([genome], sheet)
    narrow(2 * base.row_bytes(90, 3))
    assert len(base.batches([c.prompt for c in sheet], ["yz"] * len(sheet))) > 5
    assert abs(LocalEvaluator(base).losses([genome], sheet) - whole).max() < 1e-5


def test_a_row_that_cannot_be_trained_on_is_named(tokenizer: Any, narrow: Any) -> None:
    base = tiny_base(tokenizer)
    layer = random_layer(base.model, base.fingerprint)
    study = base.rows(["x" * 60], ["y"])
    plan = StudyPlan(1, 1, 0.01)
    narrow(base.footprint.training(study.n_tokens, study.n_tokens, recomputed=True) - 1)
    with pytest.raises(TooLargeError, match=r"x+.* takes .*: give --memory"):
        train_litter(base, [layer], [study], plan, TokenMeter())
