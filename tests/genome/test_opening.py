"""What all prompts begin with is read once for each genome, and nothing comes out otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from academy.answering import greedy_answers
from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.training import TokenMeter
from genome import base_model
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.opening import shared_length
from genome.population import PopulationModel
from genome.preamble import Preamble
from tests.support.genome import ARCHITECTURES, random_layer, subword_tokenizer, tiny_model

SYSTEM = "the yellow fellows yelled: follow the low mellow cello"


@pytest.mark.parametrize(
    ("prompts", "n_genomes", "shared"),
    [
        (["abcdefghij1", "abcdefghij23"], 1, 10),
        (["abcdefghij1", "abcdefghij23"], 2, 0),  # as many genomes as rows: nothing is saved
        (["abc1", "abc23"], 1, 0),  # too short to pay
        (["abcdefghij"] * 3, 1, 9),  # each keeps one of its own to go on from
        (["abcdefghij", "abcdefghijk"], 1, 9),
    ],
)
def test_as_much_is_shared_as_all_have_in_common(
    prompts: list[str], n_genomes: int, shared: int
) -> None:
    assert shared_length([list(map(ord, one)) for one in prompts], n_genomes) == shared


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_scores_losses_and_answers_are_those_of_whole_rows(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Several genomes, prompts and answers of different lengths, rows of each genome apart."""
    model = tiny_model(kind, seed=2, vocab_size=400)
    plain = BaseModel(kind, model, subword_tokenizer())
    base = plain.after(Preamble(SYSTEM, (("hello", "yellow"),)))
    layers = [random_layer(model, base.fingerprint, scale=0.4, seed=s) for s in range(2)]
    genomes = [Genome(base.fingerprint), *map(Genome.of, layers)]
    prompts = ["yellow?", "who yelled below 12?", "go", "hello to the low cello"]
    asked = [
        Challenge(p, a, "s", "d") for p, a in zip(prompts, ["a", "low", "bc", ""], strict=True)
    ]
    population = PopulationModel(model)
    slots = [slot for slot in population.load(genomes) for _ in prompts]

    def all_of_it() -> tuple[np.ndarray, np.ndarray, list[str], int]:
        base.__dict__.pop("is_wide", None)
        evaluator, meter = LocalEvaluator(base), TokenMeter()
        scores, losses = evaluator.scores(genomes, asked), evaluator.losses(genomes, asked)
        said = greedy_answers(base, population, slots, prompts * len(genomes), 8, meter)
        return scores, losses, said, evaluator.tokens.forward + meter.forward

    whole = all_of_it()
    monkeypatch.setattr(base_model, "WIDE_VOCABULARY", 300)
    shared = all_of_it()
    np.testing.assert_array_equal(shared[0], whole[0])
    np.testing.assert_allclose(shared[1], whole[1], atol=1e-4)
    assert shared[2] == whole[2] and len(set(whole[2])) > 1
    assert shared[3] < 0.6 * whole[3], "the system prompt and the example were most of it"


def test_who_can_no_longer_say_what_is_wanted_stops() -> None:
    """What is returned is the answer exactly where it would have been without stopping."""
    model = tiny_model("llama", seed=2, vocab_size=400)
    base = BaseModel("tiny", model, subword_tokenizer())
    layers = [random_layer(model, base.fingerprint, scale=0.4, seed=s) for s in range(6)]
    population = PopulationModel(model)
    slots = population.load([Genome.of(layer) for layer in layers])
    questions = ["yellow?", "hello?", "go?", "below?"]
    asked = [slot for slot in slots for _ in questions], questions * len(slots)
    free = TokenMeter()
    whole = greedy_answers(base, population, *asked, 24, free)
    # half of them want what is said, the other half something that begins alike
    wanted = [said if i % 2 else said[:2] + "?" for i, said in enumerate(whole)]
    stopped = greedy_answers(base, population, *asked, 24, wanted=wanted)
    pairs = zip(whole, stopped, wanted, strict=True)
    assert [a == w for a, _, w in pairs] == [b == w for b, w in zip(stopped, wanted, strict=True)]
    assert any(len(b) < len(a) for a, b in zip(whole, stopped, strict=True))
    greedy_answers(base, population, *asked, 24, none := TokenMeter(), wanted=["?"] * len(whole))
    assert none.forward < 0.6 * free.forward  # once nobody goes on, all are done
