"""Scores without generation are the scores of generation, on any path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from academy import evaluator as evaluator_module
from academy.answering import greedy_answers
from academy.challenge import Challenge
from academy.errors import SandboxUnavailableError, ScoringRefusedError
from academy.evaluator import LocalEvaluator, batches
from academy.exam import exam_sheet, general_sheet
from academy.sandbox.sandbox import Sandbox
from academy.scoring.numeric import numeric_score
from academy.scoring.scorer import choice_hits, first_slips, most_tokens
from academy.skills.letters import SKILL_NAMES
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel
from persona.engine import Engine
from persona.sampling import Sampling
from tests.support.genome import random_layer, subword_tokenizer, tiny_base, tiny_model


def test_teacher_forced_argmax_scores_exactly_what_greedy_generation_gives(
    embedded: BaseModel,
) -> None:
    """On the embedded base and on a layer that changes it, over every skill's questions.

    The base is right on about half of these, so both verdicts are exercised.
    """
    sheet = general_sheet(SKILL_NAMES, 8, "audit")
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.02)
    genomes = [Genome(embedded.fingerprint), Genome.of(layer)]
    scores = LocalEvaluator(embedded).scores(genomes, sheet)
    engine = Engine(embedded)
    generated = [
        [engine.answer(genome, c.prompt, Sampling(max_tokens=24)) == c.answer for c in sheet]
        for genome in genomes
    ]
    assert 0.2 < scores[0].mean() < 0.8
    np.testing.assert_array_equal(scores, np.array(generated, dtype=float))


@pytest.mark.parametrize("kind", ["bytes", "spaces"])
@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_every_score_on_subwords_is_that_of_the_text(kind: str, model_type: str) -> None:
    """Right answers are what random models say, and those cut short: texts in odd tokens.

    Every fourth token ends a turn, so that answers of all lengths come to an end. Teacher forcing
    alone is wrong on many of the right ones, for the tokenizer cuts them otherwise.
    """
    model = tiny_model(model_type, vocab_size=400)
    model.generation_config.eos_token_id = list(range(0, 400, 4))
    base = BaseModel("tiny", model, subword_tokenizer(kind))
    layers = [random_layer(model, base.fingerprint, scale=0.4, seed=s) for s in range(6)]
    genomes = [Genome(base.fingerprint), *map(Genome.of, layers)]
    prompts = [f"{word} {i}?" for word in ("yellow", "hello", "go") for i in range(6)]
    population = PopulationModel(model)
    slots = population.load(genomes)
    cut, said = (
        np.array([greedy_answers(base, population, [s] * len(prompts), prompts, n) for s in slots])
        for n in (30, 60)
    )  # (n_genomes, n_prompts) each
    ended = np.where(cut == said, said, "never")
    evaluator = LocalEvaluator(base)
    saved = right = 0
    for answers in (*ended, *np.char.add(ended[1:3], "s"), *np.char.replace(ended[1:3], "e", "")):
        asked = [
            Challenge(p, str(a) or "none", "s", "d") for p, a in zip(prompts, answers, strict=True)
        ]
        scores = evaluator.scores(genomes, asked)
        np.testing.assert_array_equal(scores, said == [c.answer for c in asked])
        rows = base.rows(prompts, [c.answer for c in asked])
        for slot, score in zip(slots, scores, strict=True):
            with torch.no_grad(), population.rows([slot] * len(prompts)):
                forced = first_slips(base, rows)[:, 0] < 0
            right += int(score.sum())
            saved += int((score > forced).sum())
    assert evaluator.failures == 0
    assert 10 < saved < right


def test_a_score_does_not_depend_on_batching(embedded: BaseModel, monkeypatch: Any) -> None:
    sheet = general_sheet(SKILL_NAMES, 4, "audit")
    genomes = [
        Genome.of(random_layer(embedded.model, embedded.fingerprint, scale=0.02, seed=s))
        for s in range(5)
    ]
    together = LocalEvaluator(embedded).scores(genomes, sheet)
    monkeypatch.setattr(evaluator_module, "BATCH_ROWS", len(sheet))
    one_by_one = LocalEvaluator(embedded).scores(genomes, sheet)
    np.testing.assert_array_equal(together, one_by_one)


def test_tokens_are_counted_padding_included(embedded: BaseModel) -> None:
    evaluator = LocalEvaluator(embedded)
    sheet = general_sheet(SKILL_NAMES, 1, "audit")
    rows = embedded.rows([c.prompt for c in sheet], [c.answer for c in sheet])
    evaluator.scores([Genome(embedded.fingerprint)] * 3, sheet)
    assert evaluator.tokens.forward == 3 * rows.n_tokens
    assert evaluator.tokens.equivalents == evaluator.tokens.forward


def test_rows_label_the_answer_and_its_end_only(embedded: BaseModel) -> None:
    rows = embedded.rows(["sort: cb"], ["bc"])
    answered = rows.labels[rows.labels != -100]
    assert answered.tolist() == [ord("b"), ord("c"), embedded.tokenizer.eos_token_id]
    assert torch.equal(rows.input_ids[0, -2:], answered[:2])


def _mixed() -> list[Challenge]:
    return [
        Challenge("sort: cb", "bc", "sort", "text"),
        Challenge("add: 12 30", "42", "add", "sums", tolerance=0.5),
        Challenge("upper: ab", "AB", "case", "text", choices=("AB", "ab", "BA")),
        Challenge("reverse: abc", "cba", "reverse", "text"),
        Challenge("def f", "", "code", "python", tests=("f(1) == 1",)),
        Challenge("max: 10 20", "10", "max", "odd", choices=("20", "10")),
    ]


def _no_code(challenge: Challenge, response: str) -> float:
    return 0.0


def test_mixed_kinds_are_scored_each_in_its_way_and_put_back_in_place(
    embedded: BaseModel,
) -> None:
    """Alone or among the others, in any order, a challenge scores the same."""
    genomes = [
        Genome(embedded.fingerprint),
        Genome.of(random_layer(embedded.model, embedded.fingerprint, scale=0.02)),
    ]
    scorers = {"numeric": numeric_score, "tests": _no_code}
    evaluator = LocalEvaluator(embedded, scorers=scorers)
    mixed = _mixed()
    together = evaluator.scores(genomes, mixed)
    alone = np.stack([evaluator.scores(genomes, [c])[:, 0] for c in mixed], 1)
    np.testing.assert_array_equal(together, alone)
    each = evaluator.scores_each(genomes, [mixed, mixed[::-1]])
    np.testing.assert_array_equal(each, np.stack([together[0], together[1][::-1]]))
    assert together[0].tolist() == [1, 1, 1, 0, 0, 0]  # it cannot reverse, and 20 > 10
    assert evaluator.failures == 0


def test_numbers_are_scored_as_generation_and_tolerance_say(embedded: BaseModel) -> None:
    genome, engine = Genome(embedded.fingerprint), Engine(embedded)
    sheet = [replace(c, tolerance=0.1) for c in exam_sheet("add", 12, "audit")]
    scores = LocalEvaluator(embedded).scores([genome], sheet)[0]
    answers = [engine.answer(genome, c.prompt) for c in sheet]
    assert scores.tolist() == [numeric_score(c, a) for c, a in zip(sheet, answers, strict=True)]
    assert scores.mean() > 0


def test_a_choice_is_the_option_of_least_loss_per_token(embedded: BaseModel) -> None:
    genomes = [Genome(embedded.fingerprint)]
    options = ("AB", "ab", "BA", "A")
    evaluator = LocalEvaluator(embedded)
    asked = [Challenge("upper: ab", o, "case", "text") for o in options]
    losses = evaluator.losses(genomes, asked)[0]
    best = options[int(losses.argmin())]
    choices = [replace(c, choices=options) for c in asked]
    assert evaluator.scores(genomes, choices)[0].tolist() == [float(o == best) for o in options]


def test_a_tie_between_options_is_no_answer() -> None:
    asked = [Challenge("q", "a", "s", "d", choices=("a", "b"))] * 3
    losses = np.array([0.5, 0.5, 0.4, 0.5, np.nan, np.nan])
    assert choice_hits(asked, losses).tolist() == [0, 1, 0]


def test_what_cannot_be_scored_costs_itself_only_and_is_counted(tokenizer: Any) -> None:
    """A lone surrogate cannot be encoded, a scorer raises, a prompt is too long: three zeros."""
    base = tiny_base(tokenizer)

    def broken(challenge: Challenge, response: str) -> float:
        raise RuntimeError("scorer broke")

    evaluator = LocalEvaluator(base, scorers={"numeric": numeric_score, "tests": broken})
    poison = Challenge("fine", "fine", "s", "d")
    object.__setattr__(poison, "prompt", "\ud800")
    good = exam_sheet("reverse", 5, "audit")
    bad = [
        poison,
        Challenge("code", "", "s", "d", tests=("f() == 1",)),
        Challenge("9" * 200, "1", "s", "d", tolerance=1.0),
    ]
    genomes = [Genome(base.fingerprint)]
    scores = evaluator.scores(genomes, [*good, *bad])
    np.testing.assert_array_equal(scores[:, 5:], 0)
    np.testing.assert_array_equal(scores[:, :5], LocalEvaluator(base).scores(genomes, good))
    assert evaluator.failures == 3 == len(evaluator.failed.causes)
    assert any("scorer broke" in cause for cause in evaluator.failed.causes)
    losses = evaluator.losses(genomes, [*good, poison])
    assert np.isfinite(losses).all() and losses[0, -1] == np.log(len(tokenizer))


def test_without_a_sandbox_code_is_refused_and_not_scored_zero(
    tokenizer: Any, monkeypatch: Any
) -> None:
    def none(cls: type) -> None:
        raise SandboxUnavailableError("nothing works here")

    monkeypatch.setattr(Sandbox, "available", classmethod(none))
    base = tiny_base(tokenizer)
    code = Challenge("f", "", "s", "d", tests=("f() == 1",))
    with pytest.raises(ScoringRefusedError, match="nothing works here"):
        LocalEvaluator(base).scores([Genome(base.fingerprint)], [code])


def test_scoring_costs_no_more_than_announced(embedded: BaseModel) -> None:
    mixed = _mixed()
    evaluator = LocalEvaluator(embedded, scorers={"numeric": numeric_score, "tests": _no_code})
    announced = most_tokens(embedded, mixed, evaluator.max_new_tokens)
    evaluator.scores([Genome(embedded.fingerprint)] * 2, mixed)
    assert 0 < evaluator.tokens.forward <= 2 * announced
    exact = [c for c in mixed if not (c.choices or c.tests or c.tolerance)]
    spent = evaluator.tokens.forward
    evaluator.scores([Genome(embedded.fingerprint)], exact)
    cost = most_tokens(embedded, exact, evaluator.max_new_tokens)
    assert evaluator.tokens.forward - spent == cost


def test_batch_borders_cover_every_genome_once(monkeypatch: Any) -> None:
    assert batches(5, 200) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert batches(2, 10_000) == [slice(0, 1), slice(1, 2)]
    assert batches(0, 3) == []
    monkeypatch.setattr(evaluator_module, "BATCH_ROWS", 4)
    assert batches(3, 2) == [slice(0, 2), slice(2, 3)]
