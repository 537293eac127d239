"""How far two backends agree is counted by their answers and measured where they part."""

from __future__ import annotations

from typing import Any

import pytest

from genome.base_model import BaseModel
from genome.genome import Genome
from persona.agreement import Agreement, agreement
from persona.engine import Engine
from persona.sampling import GREEDY, Ended, Said, Sampling
from persona.stream import Tell
from tests.support.genome import random_layer

ASKED = ("sort: cbda", "reverse: abc", "upper: xyz", "max: 3 1 9")


class Scripted(Engine):
    """Says what it was told to."""

    def __init__(self, base: BaseModel, answers: dict[str, str]) -> None:
        super().__init__(base)
        self.answers = answers

    def submit(self, genome: Genome, prompt: Any, tell: Tell, sampling: Sampling = GREEDY) -> Any:
        tell(Said(0, text=self.answers[prompt[0]["content"]]))
        tell(Ended("stop"))


def test_the_same_engine_agrees(embedded: BaseModel) -> None:
    genomes = [
        Genome.of(random_layer(embedded.model, embedded.fingerprint, seed=s)) for s in (0, 1)
    ]
    engine = Engine(embedded)
    found = agreement(engine, engine, genomes, ASKED, max_tokens=8)
    engine.close()
    assert found == Agreement(4, 4, 0.0) and str(found) == "all 4 answers are the same"


@pytest.mark.parametrize("change", ["cut", "longer", "other"])
def test_a_difference_is_measured_where_it_begins(embedded: BaseModel, change: str) -> None:
    genome, engine = Genome(embedded.fingerprint), Engine(embedded)
    answers = {
        question: engine.answer(genome, question, Sampling(max_tokens=8)) for question in ASKED
    }
    messages = [{"role": "user", "content": ASKED[0]}]
    tokens = list(engine.stream(genome, messages, Sampling(max_tokens=8, logprobs=2)))
    first, text = tokens[0], answers[ASKED[0]]
    changed = {"cut": text[:-1], "longer": text + "!", "other": "\x00" + text[1:]}[change]
    found = agreement(
        engine, Scripted(embedded, answers | {ASKED[0]: changed}), [genome], ASKED, max_tokens=8
    )
    engine.close()
    assert (found.n, found.n_same) == (4, 3) and "3 of 4" in str(found)
    assert isinstance(first, Said)
    ahead = first.likeliest[0][1] - first.likeliest[1][1]
    assert (found.gap == pytest.approx(ahead)) == (change == "other") or len(text) < 2
    assert found.gap > 0


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_many_at_once_part_from_alone_only_near_a_tie(embedded: BaseModel, dtype: str) -> None:
    base, other = (BaseModel.load(embedded.path, dtype=dtype) for _ in range(2))
    genomes = [
        Genome.of(random_layer(base.model, base.fingerprint, scale=0.05, seed=s)) for s in range(8)
    ]
    questions = [
        f"{skill}: {word}"
        for skill in ("sort", "reverse")
        for word in ("cbda", "hello", "zyx", "mno")
    ]
    alone, many = Engine(base, rows=1), Engine(other)
    found = agreement(alone, many, genomes, questions, max_tokens=16)
    assert found.n == 8 and found.gap <= 0.25, found
    alone.close()
    many.close()
