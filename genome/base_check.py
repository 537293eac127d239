"""What a base model is like, found out by trying: ten probes that `continuum base check` makes."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from genome.base_folder import PLAIN_TEMPLATE
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.memory import allowed
from genome.population import PopulationModel

QUESTION = "What is the capital of France?"
THINKING = ("<think>", "</think>", "<|channel|>", "<reasoning>", "<thought>")
"""Tokens by which models set their thinking apart from what they answer."""
AGREEMENT = 1e-3
"""Largest difference of logits, as a share of their range, that is rounding."""
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found."""

    about: str
    text: str
    is_sound: bool = True
    """False where the base cannot be used as others are."""


def probe(base: BaseModel) -> list[Finding]:
    """All ten, in an order from what it is to what it does."""
    probes: tuple[Callable[[BaseModel], Finding], ...] = (
        _weights,
        _vocabulary,
        _ends,
        _template,
        _system,
        _thinking,
        _batch,
        _cache,
        _layers,
        _kernel,
    )
    return [one(base) for one in probes]


def _weights(base: BaseModel) -> Finding:
    parameters = dict(base.model.named_parameters())
    bad = [name for name, p in parameters.items() if not bool(torch.isfinite(p).all())]
    n = sum(p.numel() for p in parameters.values())
    kinds = sorted({str(p.dtype).removeprefix("torch.") for p in parameters.values()})
    head = base.model.get_output_embeddings()
    tied = head is not None and head.weight is base.model.get_input_embeddings().weight
    text = f"{n / 1e6:,.1f} M parameters, {', '.join(kinds)}, {'tied' if tied else 'own'} head"
    if bad:
        return Finding("weights", f"{text}; {len(bad)} not finite, such as {bad[0]}", False)
    return Finding("weights", text)


def _vocabulary(base: BaseModel) -> Finding:
    rows = base.model.get_input_embeddings().weight.shape[0]
    text = f"{len(base.tokenizer):,} tokens, {rows:,} rows"
    sample = "Naïve café: 12.5 €, 中文, x = [1, 2]\n"
    ids = base.tokenizer(sample, add_special_tokens=False)["input_ids"]
    back = base.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    return Finding("vocabulary", f"{text}; any text {'survives' if back == sample else 'changes'}")


def _ends(base: BaseModel) -> Finding:
    ends = base.spelling.ends
    names = [f"{base.tokenizer.convert_ids_to_tokens(token)} ({token})" for token in ends]
    pad = base.tokenizer.pad_token_id
    note = "; padding is one of them" if pad in ends else ""
    return Finding("end of turn", ", ".join(names) + note)


def _template(base: BaseModel) -> Finding:
    if base.tokenizer.chat_template == PLAIN_TEMPLATE:
        return Finding("chat template", "none: asked as Question and Answer")
    frame = base.prompt_ids([""])[0]
    return Finding("chat template", f"its own, {len(frame)} tokens around a question")


def _system(base: BaseModel) -> Finding:
    told = "yes" if base.has_system_role else "none: its text goes before the question"
    return Finding("system role", told)


def _thinking(base: BaseModel) -> Finding:
    known = base.tokenizer.get_vocab()
    found = [mark for mark in THINKING if mark in known]
    return Finding("thinking", " ".join(found) or "no markers")


def _batch(base: BaseModel) -> Finding:
    """A row's logits do not depend on longer rows beside it."""
    short = base.rows([QUESTION], ["Paris"])
    long = base.rows([QUESTION, QUESTION * 4], ["Paris"] * 2)
    with torch.no_grad():
        alone = base.model(input_ids=short.input_ids).logits[0]
        beside = base.model(input_ids=long.input_ids).logits[0, : alone.shape[0]]
    off = _difference(alone, beside)
    budget, width = allowed(), 64
    tokens = width * max(1, budget // base.row_bytes(width, width))
    text = f"up to {tokens:,} tokens in {budget >> 20:,} MB; rows differ by {off:.0e} from alone"
    return Finding("batch", text, off <= AGREEMENT)


def _cache(base: BaseModel) -> Finding:
    """Token by token with a cache is the same as all at once."""
    ids = torch.tensor(base.prompt_ids([QUESTION]))
    with torch.no_grad():
        whole = base.model(input_ids=ids).logits[0, -1]
        first = base.model(input_ids=ids[:, :-1], use_cache=True)
        last = base.model(
            input_ids=ids[:, -1:], past_key_values=first.past_key_values, use_cache=True
        ).logits[0, -1]
    off = _difference(whole, last)
    return Finding("cache", f"differs by {off:.0e} from all at once", off <= AGREEMENT)


def _layers(base: BaseModel) -> Finding:
    """A layer of nothing changes nothing, beside one that changes something."""
    population = PopulationModel(base.model)
    random = torch.Generator().manual_seed(0)  # ones would see nothing behind a layer norm
    factors = {
        name: Factors(
            torch.randn(8, site.n_in, generator=random) / site.n_in**0.5,
            torch.zeros(site.n_out, 8),
        )
        for name, site in population.sites.items()
        if not name.endswith("lm_head")
    }
    size = 4 * sum(f.a.numel() + f.b.numel() for f in factors.values())
    loud = {name: Factors(f.a, f.b + 1) for name, f in factors.items()}
    slots = population.load([Genome.of(Layer(base.fingerprint, some)) for some in (factors, loud)])
    ids = torch.tensor(base.prompt_ids([QUESTION]))
    with torch.no_grad():
        alone = base.model(input_ids=ids).logits[0]
        with population.rows(slots):
            both = base.model(input_ids=ids.repeat(2, 1)).logits
    off, on = _difference(alone, both[0]), _difference(alone, both[1])
    text = (
        f"{len(factors)} linear maps, {size / 1e6:.1f} MB at rank 8; nothing differs by {off:.0e}"
    )
    return Finding("layers", text, off <= AGREEMENT < on)


def _kernel(base: BaseModel) -> Finding:
    """Which attention, and which numbers, are quicker here, for four rows of 64 tokens."""
    ids = torch.tensor([(base.prompt_ids([QUESTION * 8])[0] * 64)[:64]] * 4)
    before = base.model.config._attn_implementation
    seconds: dict[str, float] = {}
    try:
        for kernel in ("eager", "sdpa"):
            try:
                base.model.set_attn_implementation(kernel)
            except (ValueError, ImportError):  # an architecture need not have it
                continue
            seconds[kernel] = _seconds(base.model, ids)
    finally:
        base.model.set_attn_implementation(before)
    if sum(p.numel() for p in base.model.parameters()) < 1_000_000_000:  # a copy is held meanwhile
        seconds["bfloat16"] = _seconds(
            copy.deepcopy(base.model).to(torch.bfloat16), ids, min(seconds.values())
        )
    best = min(seconds, key=seconds.__getitem__)
    told = ", ".join(f"{name} {1000 * taken:.0f} ms" for name, taken in seconds.items())
    return Finding("speed", f"{told} for 4 x 64 tokens: {best} is quickest")


def _seconds(model: Any, ids: torch.Tensor, best: float = math.inf) -> float:
    """Median of some passes; of the first alone where that is far from the best so far."""
    taken: list[float] = []
    with torch.no_grad():
        while len(taken) <= ROUNDS:
            start = time.perf_counter()
            model(input_ids=ids)
            taken.append(time.perf_counter() - start)
            if taken[0] > 3 * best:
                break
    return statistics.median(taken[1:] or taken)


def _difference(one: torch.Tensor, other: torch.Tensor) -> float:
    spread = float(one.max() - one.min()) or 1.0
    return float((one - other).abs().max()) / spread
