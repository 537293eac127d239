"""How fast the population engine scores, beside what one would write with PEFT alone."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer


def measure_throughput(
    base: BaseModel, layers: Sequence[Layer], sheet: Sequence[Challenge], rounds: int = 3
) -> dict[str, float]:
    """Scored answers per second, ours and a PEFT `set_adapter` + `generate` loop, interleaved.

    Both answer the whole sheet with every layer; the medians of `rounds` turns are compared.
    """
    genomes = [Genome.of(layer) for layer in layers]
    evaluator = LocalEvaluator(base)
    model = _peft_model(base, layers)
    ours, theirs = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        evaluator.scores(genomes, sheet)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        for i in range(len(layers)):
            model.set_adapter(f"layer{i}")
            _generate_and_score(base, model, sheet)
        theirs.append(time.perf_counter() - began)
    answers = len(layers) * len(sheet)
    fast, slow = answers / sorted(ours)[rounds // 2], answers / sorted(theirs)[rounds // 2]
    return {
        "evaluations_per_s": round(fast, 1),
        "peft_loop_evaluations_per_s": round(slow, 1),
        "ratio": round(fast / slow, 2),
    }


def _peft_model(base: BaseModel, layers: Sequence[Layer]):  # type: ignore[no-untyped-def]
    """The base wrapped by PEFT with every layer as an adapter, on a copy of the model."""
    import copy

    from peft import PeftModel

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # peft 0.21 reads a property that transformers 5.23 has renamed; harmless until v6
        warnings.simplefilter("ignore", FutureWarning)
        for i, layer in enumerate(layers):
            layer.to_peft(Path(folder) / f"layer{i}")
        model = PeftModel.from_pretrained(
            copy.deepcopy(base.model), f"{folder}/layer0", adapter_name="layer0"
        )
        for i in range(1, len(layers)):
            model.load_adapter(f"{folder}/layer{i}", adapter_name=f"layer{i}")
    return model.eval()


def _generate_and_score(base: BaseModel, model: object, sheet: Sequence[Challenge]) -> int:
    """Greedy answers to the whole sheet in one left-padded batch; how many are right."""
    tokenizer = base.tokenizer
    ids = base.prompt_ids([c.prompt for c in sheet])
    width = max(map(len, ids))
    pad = tokenizer.pad_token_id
    block = torch.tensor([[pad] * (width - len(row)) + row for row in ids])
    mask = (
        torch.arange(width)[None, :] >= torch.tensor([[width - len(row)] for row in ids])
    ).long()
    longest = max(len(tokenizer(c.answer, add_special_tokens=False)["input_ids"]) for c in sheet)
    with torch.no_grad():
        output = model.generate(  # type: ignore[attr-defined]
            input_ids=block, attention_mask=mask, max_new_tokens=longest + 1, do_sample=False,
            pad_token_id=pad,
        )  # fmt: skip
    answers = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return sum(a == c.answer for a, c in zip(answers, sheet, strict=True))
