"""Scores without generation are the scores of generation, on any path."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from academy import evaluator as evaluator_module
from academy.evaluator import LocalEvaluator
from academy.exam import general_sheet
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.testing import random_layer
from persona.engine import Engine


def test_teacher_forced_argmax_scores_exactly_what_greedy_generation_gives(
    embedded: BaseModel,
) -> None:
    """On the embedded base and on a layer that changes it, over every skill's questions.

    The base is right on about half of these, so both verdicts are exercised.
    """
    sheet = general_sheet(8, "audit")
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.02)
    genomes = [Genome(embedded.fingerprint), Genome.of(layer)]
    scores = LocalEvaluator(embedded).scores(genomes, sheet)
    engine = Engine(embedded)
    generated = [
        [engine.answer(genome, c.prompt, max_new_tokens=24) == c.answer for c in sheet]
        for genome in genomes
    ]
    assert 0.2 < scores[0].mean() < 0.8
    np.testing.assert_array_equal(scores, np.array(generated, dtype=float))


def test_a_score_does_not_depend_on_batching(embedded: BaseModel, monkeypatch: Any) -> None:
    sheet = general_sheet(4, "audit")
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
    sheet = general_sheet(1, "audit")
    rows = embedded.rows([c.prompt for c in sheet], [c.answer for c in sheet])
    evaluator.scores([Genome(embedded.fingerprint)] * 3, sheet)
    assert evaluator.tokens.forward == 3 * rows.n_tokens
    assert evaluator.tokens.equivalents == evaluator.tokens.forward


def test_rows_label_the_answer_and_its_end_only(embedded: BaseModel) -> None:
    rows = embedded.rows(["sort: cb"], ["bc"])
    answered = rows.labels[rows.labels != -100]
    assert answered.tolist() == [ord("b"), ord("c"), embedded.tokenizer.eos_token_id]
    assert torch.equal(rows.input_ids[0, -2:], answered[:2])
