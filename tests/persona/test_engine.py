"""Answers are greedy generation, each with its own genome, whoever else is being answered."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from genome.base_model import BaseModel
from genome.errors import BaseModelMismatchError, GenomeError, TooLongError
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.population import PopulationModel
from persona.engine import Engine
from persona.errors import PersonaError, QueueFullError
from persona.sampling import Ended, Read, Said, Sampling
from persona.stream import Stream
from tests.support.genome import ARCHITECTURES, random_layer, tiny_base, tiny_model

QUESTION = "sort: cbda"


def asked(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def generated(base: BaseModel, genome: Genome, question: str, n: int = 12) -> list[int]:
    """What `generate` of transformers says with one genome, without the end."""
    ids = torch.tensor(base.prompt_ids([question]))
    population = PopulationModel(base.model)
    with population.rows(population.load([genome])):
        whole = base.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=n,
            do_sample=False,
            eos_token_id=list(base.spelling.ends),
            pad_token_id=base.tokenizer.pad_token_id,
        )
    said = whole[0, ids.shape[1] :].tolist()
    return said[:-1] if said[-1] in base.spelling.ends else said


def genomes_on(base: BaseModel, n: int) -> list[Genome]:
    """The base alone, then one random layer each."""
    layers = [random_layer(base.model, base.fingerprint, scale=0.1, seed=s) for s in range(1, n)]
    return [Genome(base.fingerprint), *map(Genome.of, layers)]


class Heard:
    """What an engine's thread told of one stream."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.failure: BaseException | None = None
        self.over = threading.Event()

    def __call__(self, told: Any) -> None:
        if isinstance(told, Said):
            self.tokens.append(told.token)
            return
        self.failure = told if isinstance(told, BaseException) else None
        self.over.set()


def test_an_answer_is_what_transformers_generates(embedded: BaseModel) -> None:
    for genome in genomes_on(embedded, 2):
        wanted = embedded.tokenizer.decode(generated(embedded, genome, QUESTION))
        assert Engine(embedded).answer(genome, QUESTION, Sampling(max_tokens=12)) == wanted


def test_streamed_pieces_make_the_whole_answer(embedded: BaseModel) -> None:
    engine = Engine(embedded)
    genome = Genome(embedded.fingerprint)

    async def collect() -> list[Any]:
        return [what.text async for _, what in engine.generate(genome, [asked(QUESTION)])]

    pieces = asyncio.run(collect())
    assert len(pieces) > 1
    assert "".join(pieces) == engine.answer(genome, QUESTION)


def test_two_personas_at_once_do_not_mix(embedded: BaseModel) -> None:
    """The fault that this engine is for: one's layers replaced the other's in mid-answer."""
    one, other = genomes_on(embedded, 3)[1:]
    engine = Engine(embedded)

    async def both() -> list[str]:
        async def whole(genome: Genome) -> str:
            pieces = [
                what.text async for _, what in engine.generate(genome, [asked("shift: hello")])
            ]
            return "".join(pieces)

        return list(await asyncio.gather(whole(one), whole(other)))

    alone = [engine.answer(genome, "shift: hello") for genome in (one, other)]
    assert alone[0] != alone[1]
    assert asyncio.run(both()) == alone


@pytest.mark.parametrize("seed", range(64))
def test_whoever_joins_and_leaves_nobody_elses_tokens_change(
    embedded: BaseModel, seed: int
) -> None:
    """Random genomes, prompts (some with a beginning in common) and lengths, more of them than
    rows; some leave in the middle."""
    rng = random.Random(seed)
    genomes = genomes_on(embedded, 4)
    engine = Engine(embedded, rows=rng.choice([2, 3, 5]), piece=rng.choice([1, 3, 128]))
    asks = [
        (
            rng.choice(genomes),
            rng.choice(["", "some of them begin alike: "])
            + "".join(rng.choices("abcdef ", k=rng.randint(1, 30))),
            rng.randint(1, 12),
        )
        for _ in range(8)
    ]
    leaves = {i: rng.randint(0, 4) for i in rng.sample(range(8), 2)}
    heard = [Heard() for _ in asks]
    streams: list[Stream] = []

    def tell(i: int, told: Any) -> None:
        heard[i](told)
        if i in leaves and len(heard[i].tokens) >= leaves[i]:
            streams[i].cancel()
            heard[i].over.set()

    for i, (genome, question, n) in enumerate(asks):
        streams.append(
            engine.submit(
                genome, asked(question), lambda t, i=i: tell(i, t), Sampling(max_tokens=n)
            )
        )
        for _ in range(rng.randint(0, 2)):
            heard[rng.randrange(i + 1)].over.wait(0.002)
    assert all(ear.over.wait(60) and ear.failure is None for ear in heard)
    engine.close()
    for i, (genome, question, n) in enumerate(asks):
        wanted = generated(embedded, genome, question, n)
        said = heard[i].tokens
        assert said == (wanted[: len(said)] if i in leaves else wanted)


def test_a_prompt_is_read_once_for_all_who_ask_it_at_once(embedded: BaseModel) -> None:
    """One token each is left to the others; who wants the prompt's own numbers reads it all."""
    engine, genome = Engine(embedded, piece=5), genomes_on(embedded, 2)[1]
    n_prompt = len(embedded.prompt_ids([QUESTION * 4])[0])
    heard = [Heard() for _ in range(5)]
    start = threading.Event()
    engine.between_tokens(lambda: start.wait(60))
    scored = engine.stream(genome, asked(QUESTION * 4), Sampling(max_tokens=1, of_prompt=True))
    for ear in heard:
        engine.submit(genome, asked(QUESTION * 4), ear, Sampling(max_tokens=6))
    scored_too = engine.stream(genome, asked(QUESTION * 4), Sampling(max_tokens=1, of_prompt=True))
    start.set()
    for told in (list(scored), list(scored_too)):
        assert isinstance(told[0], Read) and len(told[0].tokens) == n_prompt
    assert all(ear.over.wait(60) and ear.failure is None for ear in heard)
    engine.close()
    wanted = generated(embedded, genome, QUESTION * 4, 6)
    assert all(ear.tokens == wanted for ear in heard)
    stats = engine.stats()
    assert stats.n_saved == len(heard) * (n_prompt - 1)
    n_answers = sum(max(len(ear.tokens) - 1, 0) for ear in heard)
    assert 0 <= stats.n_read - (2 * n_prompt + len(heard) + n_answers) <= len(heard)  # ends


@pytest.mark.parametrize("fails", [True, False])
def test_whoever_is_waited_for_may_fail_or_leave(
    embedded: BaseModel, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """In the middle of a prompt: the next one reads on, and the others wait for that one."""
    engine, genome = Engine(embedded, piece=1), genomes_on(embedded, 2)[1]
    monkeypatch.setattr("persona.engine.QUIET", 4)
    read, streams, heard = Engine._read, list[Stream](), [Heard() for _ in range(4)]

    def failing(self: Engine, shares: Any) -> Any:
        if any(share.stream is streams[0] for share in shares) and self.n_read >= 12:
            if fails:
                raise RuntimeError
            streams[0].cancel()
        return read(self, shares)

    monkeypatch.setattr(Engine, "_read", failing)
    start = threading.Event()
    engine.between_tokens(lambda: start.wait(60))
    for ear in heard:
        streams.append(engine.submit(genome, asked(QUESTION * 4), ear, Sampling(max_tokens=6)))
    start.set()
    assert all(ear.over.wait(60) and ear.failure is None for ear in heard[1:])
    engine.close()
    wanted = generated(embedded, genome, QUESTION * 4, 6)
    assert all(ear.tokens == wanted for ear in heard[1:])
    assert isinstance(heard[0].failure, RuntimeError) == fails and not heard[0].tokens
    assert engine.stats().n_saved >= 2 * (len(embedded.prompt_ids([QUESTION * 4])[0]) - 1)


WINDOWED = {"mistral": {}, "gemma2": {"head_dim": 8}, "gemma3_text": {"head_dim": 8}}
ODD: dict[str, dict[str, Any]] = {
    **{kind: {**extra, "sliding_window": 8} for kind, extra in WINDOWED.items()},
    "bloom": {"n_layer": 2, "n_head": 4},
}


@pytest.mark.parametrize(("kind", "extra"), [*((kind, {}) for kind in ARCHITECTURES), *ODD.items()])
def test_rows_of_any_architecture_answer_as_alone(
    tokenizer: Any, kind: str, extra: dict[str, Any]
) -> None:
    """Bloom has no positions to be given, which is found out: it runs one row at a time."""
    base = BaseModel(kind, tiny_model(kind, **extra), tokenizer)
    assert base.packs == (kind != "bloom")
    genomes, questions = genomes_on(base, 3), ("a", "abc def", "hello there, " * 3)
    engine, heard = Engine(base), [Heard() for _ in range(3)]
    for genome, question, ear in zip(genomes, questions, heard, strict=True):
        engine.submit(genome, asked(question), ear, Sampling(max_tokens=12))
    assert all(ear.over.wait(60) and ear.failure is None for ear in heard)
    for genome, question, ear in zip(genomes, questions, heard, strict=True):
        assert ear.tokens == generated(base, genome, question)


def test_an_engine_without_rows_answers_the_same(
    embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseModel, "packs", False)
    engine, genomes = Engine(embedded), genomes_on(embedded, 3)
    heard = [Heard() for _ in genomes]
    for genome, ear in zip(genomes, heard, strict=True):
        engine.submit(genome, asked(QUESTION), ear, Sampling(max_tokens=12))
    assert all(ear.over.wait(60) for ear in heard)
    for genome, ear in zip(genomes, heard, strict=True):
        assert ear.tokens == generated(embedded, genome, QUESTION)


def test_what_fails_fails_alone(embedded: BaseModel) -> None:
    """A genome that does not fit the model, among others that are answered meanwhile."""
    misfit = Genome.of(Layer(embedded.fingerprint, random_layer(tiny_model("gpt2")).factors))
    genomes = [*genomes_on(embedded, 3), misfit]
    engine, heard = Engine(embedded), [Heard() for _ in range(4)]
    for genome, ear in zip(genomes, heard, strict=True):
        engine.submit(genome, asked(QUESTION), ear, Sampling(max_tokens=12))
    assert all(ear.over.wait(60) for ear in heard)
    for genome, ear in zip(genomes[:3], heard, strict=False):
        assert ear.failure is None and ear.tokens == generated(embedded, genome, QUESTION)
    assert isinstance(heard[3].failure, GenomeError)
    with pytest.raises(GenomeError):
        engine.answer(misfit, QUESTION)
    assert engine.answer(genomes[0], QUESTION, Sampling(max_tokens=1))


def test_who_leaves_frees_the_row_for_who_waits(embedded: BaseModel) -> None:
    engine, genome = Engine(embedded, rows=1), Genome(embedded.fingerprint)
    first = engine.stream(genome, asked(QUESTION), Sampling(max_tokens=100))
    next(first)
    second = Heard()
    engine.submit(genome, asked(QUESTION), second, Sampling(max_tokens=2))
    first.close()
    assert second.over.wait(60) and second.tokens == generated(embedded, genome, QUESTION, 2)


def all_answer_as_alone(engine: Engine, genomes: Sequence[Genome], n: int = 8) -> None:
    heard = [Heard() for _ in genomes]
    for genome, ear in zip(genomes, heard, strict=True):
        engine.submit(genome, asked(QUESTION), ear, Sampling(max_tokens=n))
    assert all(ear.over.wait(60) and ear.failure is None for ear in heard)
    for genome, ear in zip(genomes, heard, strict=True):
        assert ear.tokens == generated(engine.base, genome, QUESTION, n)


def test_who_needs_larger_slots_waits_until_there_are(embedded: BaseModel) -> None:
    """Ranks that grow, two layers stacked, and a layer on the output head."""
    model, name = embedded.model, embedded.fingerprint
    plain, large = (random_layer(model, name, rank=r, scale=0.1, seed=r) for r in (2, 12))
    head = Factors(
        torch.randn(2, model.config.hidden_size), torch.randn(model.config.vocab_size, 2)
    )
    genomes = [
        Genome.of(plain),
        Genome.of(large),
        Genome(name, (plain, large), (0.5, 0.7)),
        Genome.of(Layer(name, {**plain.factors, "lm_head": head})),
    ]
    all_answer_as_alone(Engine(embedded), genomes * 2)


def test_more_genomes_than_slots_take_turns(
    embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slot for two rows: each waits for the slot, and none is changed while it runs."""
    monkeypatch.setattr("persona.engine.allowed", lambda: 0)
    all_answer_as_alone(Engine(embedded, rows=2), genomes_on(embedded, 4)[1:] * 3)


def test_no_room_for_a_genome_is_told_to_who_asked(
    embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong when a slot is made; who comes next is answered."""
    genome, engine = genomes_on(embedded, 2)[1], Engine(embedded)

    def full(*_: Any) -> int:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(PopulationModel, "reserve", full)
        with pytest.raises(MemoryError):
            engine.answer(genome, QUESTION)
    assert list(engine.stream(genome, asked(QUESTION), Sampling(max_tokens=2)))


def test_a_layer_of_another_base_is_refused(embedded: BaseModel) -> None:
    layer = random_layer(embedded.model, "another base")
    with pytest.raises(BaseModelMismatchError):
        Engine(embedded).answer(Genome.of(layer), QUESTION)


def test_a_listener_that_fails_harms_nobody(embedded: BaseModel) -> None:
    def gone(_: Any) -> None:
        raise RuntimeError("the loop is closed")

    engine, genome, heard = Engine(embedded), Genome(embedded.fingerprint), Heard()
    engine.submit(genome, asked(QUESTION), gone)
    engine.submit(genome, asked(QUESTION), heard, Sampling(max_tokens=3))
    assert heard.over.wait(60) and heard.tokens == generated(embedded, genome, QUESTION, 3)


def test_a_prompt_without_room_for_an_answer_is_refused(tokenizer: Any) -> None:
    """Before it waits; what fits ends where the positions do."""
    base = tiny_base(tokenizer)
    engine, genome = Engine(base), Genome(base.fingerprint)
    with pytest.raises(TooLongError):
        engine.submit(genome, asked("a" * base.positions), print)
    long = "a" * (base.positions - len(base.prompt_ids([""])[0]) - 2)
    said = list(engine.stream(genome, asked(long), Sampling(max_tokens=100)))
    assert len(said) <= 3 and isinstance(said[-1], Ended)


def test_what_the_prompt_is_to_the_model_is_told_as_a_plain_pass_has_it(
    embedded: BaseModel,
) -> None:
    """Of every token but the first; read in pieces, beside others, whatever was read before."""
    genome = genomes_on(embedded, 2)[1]
    ids = embedded.prompt_ids(["sort: cbda, then some more of it"])[0]
    population = PopulationModel(embedded.model)
    with torch.no_grad(), population.rows(population.load([genome])):
        logits = embedded.model(input_ids=torch.tensor([ids])).logits[0]
    wanted = logits.log_softmax(-1)
    engine = Engine(embedded, piece=5)
    others = [engine.stream(genome, asked("a" * n)) for n in (3, 40)]
    for _ in range(2):
        asking = Sampling(max_tokens=1, logprobs=2, of_prompt=True)
        read, said, *_ = engine.stream(genome, ids, asking)
        assert isinstance(read, Read) and isinstance(said, Said)
        assert [one.token for one in read.tokens] == ids and read.tokens[0].logprob is None
        for i, one in enumerate(read.tokens[1:]):
            assert one.logprob == pytest.approx(float(wanted[i, one.token]), abs=1e-4)
            assert one.likeliest[0][1] >= one.logprob and len(one.likeliest) == 2
        assert said.token == int(wanted[-1].argmax())
    assert all(isinstance(list(other)[-1], Ended) for other in others)


def test_several_answers_to_one_prompt_have_seeds_of_their_own(embedded: BaseModel) -> None:
    engine, genome = Engine(embedded, rows=2), Genome(embedded.fingerprint)
    sampling = Sampling(max_tokens=8, temperature=1.5, seed=7)

    async def collect() -> list[str]:
        texts = [""] * 3
        async for i, what in engine.generate(genome, [asked(QUESTION)], sampling, n=3):
            texts[i] += what.text
        return texts

    alone = [
        engine.answer(genome, QUESTION, sampling.model_copy(update={"seed": 7 + i}))
        for i in range(3)
    ]
    assert asyncio.run(collect()) == alone and len({*alone}) > 1


def test_more_than_may_wait_are_refused_and_told_when_to_come_again(embedded: BaseModel) -> None:
    engine, genome = Engine(embedded, rows=1, waiting=1), Genome(embedded.fingerprint)
    first = engine.stream(genome, asked(QUESTION), Sampling(max_tokens=200))
    next(first)
    second = engine.stream(genome, asked(QUESTION), Sampling(max_tokens=2))
    with pytest.raises(QueueFullError, match="1 requests wait already") as refused:
        engine.stream(genome, asked(QUESTION))
    assert refused.value.wait_s > 0
    assert engine.stats()[:2] == (1, 1)
    first.close()
    assert isinstance(list(second)[-1], Ended)
    engine.close()
    assert engine.stats()[:2] == (0, 0)


def test_who_has_no_room_for_its_cache_waits_for_who_ends(embedded: BaseModel) -> None:
    engine = Engine(embedded, cache_bytes=1)
    most: list[int] = []

    def tell(_: Any) -> None:
        most.append(engine.stats().running)

    heard = [Heard() for _ in range(3)]
    for ear in heard:
        engine.submit(
            Genome(embedded.fingerprint),
            asked(QUESTION),
            lambda told, ear=ear: (tell(told), ear(told)),
            Sampling(max_tokens=3),
        )
    assert all(ear.over.wait(60) and ear.failure is None for ear in heard)
    assert {*most} == {1}


def test_what_needs_the_model_is_done_between_two_tokens(embedded: BaseModel) -> None:
    engine, genome = Engine(embedded), genomes_on(embedded, 2)[1]
    stream = engine.stream(genome, asked(QUESTION), Sampling(max_tokens=12))
    first = next(stream)

    def alone() -> torch.Tensor:
        logits: torch.Tensor = embedded.model(input_ids=torch.tensor([[1, 2, 3]])).logits
        return logits

    found = engine.between_tokens(alone).result(60)
    rest = [what.token for what in stream if isinstance(what, Said)]
    assert isinstance(first, Said)
    assert [first.token, *rest] == generated(embedded, genome, QUESTION)
    engine.close()
    assert torch.equal(found, alone())
    with pytest.raises(ZeroDivisionError):
        engine.between_tokens(lambda: 1 // 0).result(60)


def test_what_was_read_with_a_layer_is_forgotten_with_it(embedded: BaseModel) -> None:
    engine, (base, one, other) = Engine(embedded), genomes_on(embedded, 3)
    for genome in (base, one, other):
        engine.answer(genome, QUESTION, Sampling(max_tokens=20))
    before = engine.stats()
    assert before.pager and before.pager.hot == 2
    engine.forget([one.layers[0].digest]).result(60)
    after = engine.stats()
    assert after.pager and after.pager.hot == 1
    saved = []
    for genome in (base, one, other):
        engine.answer(genome, QUESTION, Sampling(max_tokens=1))
        saved.append(engine.stats().n_saved)
    assert saved[0] == saved[1] < saved[2] or saved[0] == saved[1] == saved[2] == 0


@pytest.mark.parametrize("prompt", [[], [1, 264], [-1], [{"role": "user", "content": "\udcff"}]])
def test_a_prompt_that_nobody_can_read_is_refused(embedded: BaseModel, prompt: Any) -> None:
    with pytest.raises(PersonaError):
        Engine(embedded).stream(Genome(embedded.fingerprint), prompt)
