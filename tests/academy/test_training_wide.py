"""Training on a large vocabulary: logits of few positions at a time, the same layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from academy import training
from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.training import StudyPlan, TokenMeter, train_litter
from genome import base_model, opening
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.preamble import Preamble
from seeds.tokenizer import build_tokenizer
from tests.support.genome import ARCHITECTURES, random_layer, tiny_model


def _wide(kind: str, **extra: Any) -> BaseModel:
    """A base with more tokens than its head is run on everywhere."""
    model = tiny_model(kind, vocab_size=5_000, **extra)
    return BaseModel("wide", model, build_tokenizer())


def _with_head(base: BaseModel, seed: int) -> Layer:
    """A layer on every linear map, the head too where it is one."""
    layer = random_layer(base.model, base.fingerprint, scale=0.02, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(4, 32, generator=generator) * 0.02
    b = torch.randn(5_000, 4, generator=generator) * 0.02
    return Layer(layer.base_model, {**layer.factors, "lm_head": Factors(a, b)})


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        *((kind, {}) for kind in ARCHITECTURES),
        ("gemma2", {"head_dim": 8, "final_logit_softcapping": 3.0}),
        ("qwen2", {"tie_word_embeddings": True}),
    ],
)
@pytest.mark.parametrize("recomputed", [False, True])
def test_a_large_vocabulary_is_trained_in_pieces_to_the_same_layers(
    monkeypatch: pytest.MonkeyPatch, kind: str, extra: dict[str, Any], recomputed: bool
) -> None:
    """Logits of two columns at a time, of answers only; the head itself may be changed."""
    base = _wide(kind, **extra)
    monkeypatch.setattr(training, "half_precision", lambda: torch.autocast("cpu", enabled=False))
    plan = StudyPlan(steps=2, rows_per_step=3, learning_rate=0.01, pull=0.1)
    prompts, answers = ["a", "bcd", "ef"] * 2, ["uvwx", "y", "z12"] * 2
    studies = [base.rows(prompts, answers), base.rows(prompts[::-1], answers)]
    layers = [_with_head(base, seed) for seed in (1, 2)]
    monkeypatch.setattr(base_model, "WIDE_VOCABULARY", 10_000)
    base.__dict__.pop("is_wide", None)
    whole = train_litter(base, layers, studies, plan, TokenMeter())
    monkeypatch.undo()
    monkeypatch.setattr(training, "half_precision", lambda: torch.autocast("cpu", enabled=False))
    base.__dict__.pop("is_wide", None)
    seen: list[int] = []
    real = training.run_head
    monkeypatch.setattr(
        training, "run_head", lambda m, o, s: seen.append(s.shape[0] * s.shape[1]) or real(m, o, s)
    )
    monkeypatch.setattr(training, "LOGIT_BYTES", 2 * 6 * 4 * 5_000)
    if recomputed:
        one = base.footprint.training(studies[0].input_ids.shape[1], 0) + 3 * training.LOGIT_BYTES
        monkeypatch.setattr(training, "allowed", lambda: one - 1)
    pieces = train_litter(base, layers, studies, plan, TokenMeter())
    assert len(seen) >= 6 and max(seen) <= 12
    for one_layer, other in zip(whole, pieces, strict=True):
        for module, (a, b) in one_layer.factors.items():
            split = other.factors[module]
            torch.testing.assert_close(split.b @ split.a, b @ a, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_all_rows_begin_with_goes_through_once_to_the_same_layers(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Gradients of the opening are the sum over the rows that go on from it."""
    plain = _wide(kind)
    base = plain.after(Preamble("follow the low mellow cello, hello to all"))
    monkeypatch.setattr(training, "half_precision", lambda: torch.autocast("cpu", enabled=False))
    plan = StudyPlan(steps=2, rows_per_step=3, learning_rate=0.01)
    study = base.rows(["a", "bcd", "ef"] * 2, ["uvwx", "y", "z12"] * 2)
    layers = [random_layer(base.model, base.fingerprint, scale=0.02, seed=s) for s in (1, 2)]
    read: list[int] = []
    real = training.run_body
    monkeypatch.setattr(
        training, "run_body", lambda m, x, past: read.append(x.shape[1]) or real(m, x, past)
    )
    once = train_litter(base, layers, [study] * 2, plan, TokenMeter())
    monkeypatch.setattr(opening, "shared_length", lambda *_: 0)
    each = train_litter(base, layers, [study] * 2, plan, TokenMeter())
    assert max(read[:2]) < min(read[2:]) / 2, "the system prompt is most of a row"
    for one, other in zip(once, each, strict=True):
        for module, (a, b) in other.factors.items():
            torch.testing.assert_close(
                one.factors[module].b @ one.factors[module].a, b @ a, rtol=1e-3, atol=1e-4
            )


def test_a_base_in_half_precision_trains_and_scores_layers_in_full(tmp_path: Path) -> None:
    """Layers stay float32 and learn; scores are near those of the float32 base, not equal."""
    base = _wide("llama")
    base.model.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    half = BaseModel.load(tmp_path, dtype="bfloat16")
    assert half.model.dtype == torch.bfloat16
    plan = StudyPlan(steps=30, rows_per_step=2, learning_rate=0.05)
    study = half.rows(["a", "b"] * 30, ["one", "two"] * 30)
    layer = random_layer(half.model, half.fingerprint, scale=0.02)
    trained = train_litter(half, [layer], [study], plan, TokenMeter())[0]
    assert all(f.a.dtype == f.b.dtype == torch.float32 for f in trained.factors.values())
    asked = [Challenge("a", "one", "s", "d"), Challenge("b", "two", "s", "d")]
    before, after = LocalEvaluator(half).losses([Genome.of(layer), Genome.of(trained)], asked)
    assert after.mean() < before.mean() - 0.1
    full = LocalEvaluator(BaseModel.load(tmp_path))
    torch.testing.assert_close(
        torch.tensor(full.losses([Genome.of(layer)], asked)[0]),
        torch.tensor(before),
        rtol=0.02,
        atol=0.02,
    )
