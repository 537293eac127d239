"""Tokens are drawn as asked for, and texts end where asked, whoever else is being answered."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.population import PopulationModel
from persona.engine import Engine
from persona.sampling import Ended, Said, Sampler, Sampling, Spoken
from seeds.tokenizer import build_tokenizer
from tests.support.genome import random_layer

ASKED = [{"role": "user", "content": "sort: cbda"}]
LOGITS = torch.tensor([2.0, 1.0, 0.5, -1.0, -3.0])


def drawn(sampling: Sampling, n: int = 4_000) -> Counter[int]:
    """Tokens of many draws from the same logits."""
    sampler = Sampler(sampling, [])
    return Counter(sampler.choose(LOGITS).token for _ in range(n))


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(temperature=1, seed=1), 5),
        (Sampling(temperature=0.5, seed=2), 5),
        (Sampling(temperature=1, top_k=2, seed=3), 2),
        (Sampling(temperature=1, top_p=0.8, seed=4), 2),  # .60 and .22 are the first above .8
        (Sampling(temperature=1, min_p=0.2, seed=5), 3),  # of .60: .22 and .13 are enough
        (Sampling(temperature=2, top_k=4, top_p=0.9, seed=6), 3),
    ],
)
def test_tokens_come_as_often_as_their_probability_says(sampling: Sampling, kept: int) -> None:
    wanted = (LOGITS[:kept] / sampling.temperature).softmax(-1).tolist()
    found = drawn(sampling)
    assert set(found) <= set(range(kept))
    for token, share in enumerate(wanted):
        assert abs(found[token] / 4_000 - share) < 4 * math.sqrt(share * (1 - share) / 4_000) + 1e-3


@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p"])
def test_what_leaves_only_the_likeliest_is_greedy(name: str) -> None:
    extreme: dict[str, Any] = {"top_k": 1, "top_p": 0.01, "min_p": 1.0}
    assert set(drawn(Sampling(temperature=2, **{name: extreme[name]}), 200)) == {0}
    assert set(drawn(Sampling(), 3)) == {0}


def test_penalties_are_taken_off_what_the_answer_has_said() -> None:
    """OpenAI's formula: presence once, frequency for each time; the prompt does not count."""
    sampler = Sampler(Sampling(presence_penalty=0.4, frequency_penalty=0.7), [1, 1, 1])
    assert [sampler.choose(LOGITS).token for _ in range(4)] == [0, 1, 0, 2]
    # 2.0 | 1.0 > .9 | .9 > .5 (token 2) > -.1 | 2: .5 > 0: 2 - .4 - 1.4 = .2


@torch.no_grad()
def test_a_repetition_penalty_is_that_of_transformers(embedded: BaseModel) -> None:
    """Prompt and answer count, as in `generate`."""
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.1, seed=1)
    ids = torch.tensor(embedded.prompt_ids([ASKED[0]["content"]]))
    population = PopulationModel(embedded.model)
    with population.rows(population.load([Genome.of(layer)])):
        whole = embedded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=16,
            do_sample=False,
            repetition_penalty=1.3,
            eos_token_id=list(embedded.spelling.ends),
            pad_token_id=embedded.tokenizer.pad_token_id,
        )
    sampling = Sampling(max_tokens=16, repetition_penalty=1.3)
    said = [
        w.token
        for w in Engine(embedded).stream(Genome.of(layer), ASKED, sampling)
        if isinstance(w, Said)
    ]
    assert said == [t for t in whole[0, ids.shape[1] :].tolist() if t not in embedded.spelling.ends]


@pytest.mark.parametrize("seed", range(16))
def test_a_seed_says_the_same_alone_and_among_others(embedded: BaseModel, seed: int) -> None:
    genomes = [
        Genome.of(random_layer(embedded.model, embedded.fingerprint, scale=0.1, seed=s))
        for s in range(3)
    ]
    engine = Engine(embedded)
    others = [
        engine.stream(genomes[i % 3], ASKED, Sampling(temperature=1.5, max_tokens=20))
        for i in range(4)
    ]
    firsts = [next(other) for other in others]  # they are being answered meanwhile
    sampling = Sampling(temperature=1, top_p=0.95, seed=seed, max_tokens=12)
    among = list(engine.stream(genomes[0], ASKED, sampling))
    engine.close()
    assert firsts and among == list(Engine(embedded, rows=1).stream(genomes[0], ASKED, sampling))


def test_without_a_seed_answers_differ(embedded: BaseModel) -> None:
    engine, genome = Engine(embedded), Genome(embedded.fingerprint)
    sampling = Sampling(temperature=2, max_tokens=20)
    assert len({engine.answer(genome, "upper: abc", sampling) for _ in range(4)}) > 1


@torch.no_grad()
def test_log_probabilities_are_the_models_own(embedded: BaseModel) -> None:
    """Whatever penalties and temperature do to the choice."""
    genome = Genome(embedded.fingerprint)
    sampling = Sampling(temperature=1, seed=3, presence_penalty=1, logprobs=4, max_tokens=6)
    said = [w for w in Engine(embedded).stream(genome, ASKED, sampling) if isinstance(w, Said)]
    prompt = embedded.prompt_ids([ASKED[0]["content"]])[0]
    whole = torch.tensor([prompt + [w.token for w in said]])
    wanted = embedded.model(input_ids=whole).logits[0, len(prompt) - 1 :].float().log_softmax(-1)
    for w, row in zip(said, wanted, strict=False):
        assert w.logprob == pytest.approx(float(row[w.token]), abs=1e-4)
        assert [token for token, _ in w.likeliest] == row.topk(4).indices.tolist()
        assert [p for _, p in w.likeliest] == pytest.approx(row.topk(4).values.tolist(), abs=1e-4)


@given(
    text=st.text("abé€😀 ", max_size=30),
    stops=st.lists(st.text("abé€😀 ", min_size=1, max_size=4), max_size=3),
)
def test_a_text_ends_before_the_first_stop_and_none_of_it_was_shown(
    text: str, stops: list[str]
) -> None:
    """Characters of several byte tokens, stops that begin and do not come, one in another.

    First is the one that is complete first: of what would follow nothing is ever said.
    """
    tokenizer = build_tokenizer()
    spoken, shown = Spoken(tokenizer, stops), ""
    prefixes = (text[:n] for n in range(len(text) + 1))
    until = next((p for p in prefixes if any(stop in p for stop in stops)), text)
    end = min((at for stop in stops if (at := until.find(stop)) >= 0), default=len(text))
    for token in tokenizer.encode(text, add_special_tokens=False):
        shown += spoken.add(token)
        assert text[:end].startswith(shown)
    assert shown + spoken.rest() == text[:end]


def test_an_answer_stops_at_texts_and_tokens_and_says_why(embedded: BaseModel) -> None:
    layer = random_layer(embedded.model, embedded.fingerprint, scale=0.1, seed=1)
    engine, genome = Engine(embedded), Genome.of(layer)
    whole = list(engine.stream(genome, ASKED, Sampling(max_tokens=12)))
    text = "".join(what.text for what in whole)
    assert len(text) >= 3
    cut = list(engine.stream(genome, ASKED, Sampling(max_tokens=12, stop=(text[1],))))
    assert "".join(what.text for what in cut) == text[: text.index(text[1])]
    assert cut[-1] == Ended("stop") and len(cut) < len(whole)
    third = whole[2]
    assert isinstance(third, Said)
    by_token = list(engine.stream(genome, ASKED, Sampling(stop_ids=frozenset({third.token}))))
    assert isinstance(by_token[-1], Ended) and by_token[-1].reason == "stop"
    assert third.token not in [w.token for w in by_token if isinstance(w, Said)]
    short = list(engine.stream(genome, ASKED, Sampling(max_tokens=1)))
    assert isinstance(short[-1], Ended) and short[-1].reason == "length"


def test_logits_that_are_no_numbers_end_that_answer_alone(
    embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Sampler._chosen

    def chosen(self: Sampler, scores: torch.Tensor) -> int:
        return real(self, scores * math.nan if self.sampling.seed == 13 else scores)

    monkeypatch.setattr(Sampler, "_chosen", chosen)
    engine, genome = Engine(embedded), Genome(embedded.fingerprint)
    wanted = engine.answer(genome, "sort: cbda")
    other = engine.stream(genome, ASKED)
    first = next(other)
    with pytest.raises(RuntimeError):
        list(engine.stream(genome, ASKED, Sampling(temperature=1, seed=13)))
    assert "".join(w.text for w in [first, *other]) == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", math.nan),
        ("top_p", 0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("min_p", 1.1),
        ("repetition_penalty", 0),
        ("presence_penalty", 3),
        ("frequency_penalty", -3),
        ("seed", -1),
        ("seed", 1 << 63),
        ("stop", ["a"] * 17),
        ("logprobs", 21),
        ("best_of", 3),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        Sampling.model_validate({field: value})
