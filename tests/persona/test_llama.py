"""llama.cpp answers as the engine here does, each genome with its own adapter."""

from __future__ import annotations

import os
import queue
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import pytest
from pydantic import ValidationError

from genome.base_model import BaseModel
from genome.errors import GenomeError, TooLongError
from genome.genome import Genome
from persona.engine import Engine
from persona.errors import LlamaCppError, PersonaError, PromptError, QueueFullError
from persona.llama import LlamaCpp, LlamaSettings
from persona.sampling import Ended, Said, Sampling
from tests.support.genome import random_layer, tiny_model
from tests.support.gguf import small_base, write_gguf
from tui.cli.errors import extra_missing

QUESTION = "hello, who are you"
NEAR = 1e-4
"""Nats between llama.cpp and here; a missing permutation or scale is off by whole ones."""


@pytest.fixture(scope="module")
def base() -> BaseModel:
    """A small Llama."""
    return small_base()


@pytest.fixture(scope="module")
def file(base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as GGUF."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf", base.model)


def settings(file: Path, **more: Any) -> LlamaSettings:
    own = {"path": file, "n_ctx": 128, "n_parallel": 2, "threads": 1, "exact": True}
    return LlamaSettings(**{**own, **more})


@pytest.fixture(scope="module")
def llama(base: BaseModel, file: Path) -> Iterator[LlamaCpp]:
    """llama.cpp with room for all genomes of these tests."""
    with closing(LlamaCpp(settings(file), base)) as made:
        yield made


def genomes(base: BaseModel, n: int) -> list[Genome]:
    """One of no layers, one of two, and others of one each."""
    layers = [
        random_layer(base.model, base.fingerprint, rank=2 + s % 3, scale=0.4, seed=s)
        for s in range(n)
    ]
    two = Genome(base.fingerprint, tuple(layers[:2]), (0.5, -1.5))
    return [Genome(base.fingerprint), two, *map(Genome.of, layers[: n - 2])]


def said(answer: Any) -> list[Said]:
    return [what for what in answer if isinstance(what, Said)]


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_the_numbers_are_the_engines(kind: str, tmp_path: Path) -> None:
    """Of every kind of base that is exported, without layers, with one, with two weighted ones."""
    base = small_base(kind)
    file = write_gguf(tmp_path / "b.gguf", base.model, kind if "qwen" in kind else "llama")
    engine, choice = Engine(base), Sampling(max_tokens=8, logprobs=20)
    messages = [{"role": "user", "content": QUESTION}]
    with closing(LlamaCpp(settings(file), base)) as llama:
        for genome in genomes(base, 3):
            wanted, found = (list(b.stream(genome, messages, choice)) for b in (engine, llama))
            assert found[-1] == Ended("length", "", None, len(base.prompt_ids([QUESTION])[0]), 8)
            for one, other in zip(said(wanted), said(found), strict=True):
                assert (one.token, one.text) == (other.token, other.text)
                assert other.logprob == pytest.approx(one.logprob, abs=NEAR)
                assert len(other.likeliest) == 20
                known = dict(one.likeliest[:15])
                theirs = dict(other.likeliest)
                assert max(abs(known[t] - theirs[t]) for t in known) < NEAR


def test_one_prompt_read_for_another_genome_is_not_gone_on_from(
    base: BaseModel, llama: LlamaCpp
) -> None:
    """llama.cpp's cache of prompts would give the second what the first had read."""
    choice, engine = Sampling(max_tokens=1, logprobs=20), Engine(base)
    for genome in (*genomes(base, 4), *genomes(base, 4)):
        (wanted,), (found,) = (
            said(backend.stream(genome, base.prompt_ids([QUESTION])[0], choice))
            for backend in (engine, llama)
        )
        assert dict(found.likeliest) == pytest.approx(dict(wanted.likeliest), abs=NEAR)


def test_answers_of_many_genomes_at_once_are_each_its_own(base: BaseModel, file: Path) -> None:
    """Also where fewer adapters are held than are asked for."""
    engine, choice = Engine(base), Sampling(max_tokens=12)
    with closing(LlamaCpp(settings(file, max_adapters=2), base)) as llama:
        asked = genomes(base, 6) * 2
        answers = [llama.stream(g, [{"role": "user", "content": QUESTION}], choice) for g in asked]
        texts = ["".join(what.text for what in answer) for answer in answers]
        assert len([*llama._folder.glob("*.gguf")]) == 2
    assert texts == [engine.answer(genome, QUESTION, choice) for genome in asked]
    assert len({*texts}) == 6


@pytest.mark.parametrize(
    "choice",
    [
        {"repetition_penalty": 1.3},
        {"stop": ("\0",)},
        {"temperature": 0.7, "top_k": 1},
        {"temperature": 2.0, "top_p": 1e-6},
        {"temperature": 2.0, "min_p": 1.0},
        {"max_tokens": 500},
    ],
)
def test_choices_mean_what_they_mean_to_the_engine(
    base: BaseModel, llama: LlamaCpp, choice: dict[str, Any]
) -> None:
    """Those that leave nothing to chance."""
    genome, prompt = genomes(base, 3)[2], [{"role": "user", "content": QUESTION}]
    sampling = Sampling(**{"max_tokens": 24, **choice})
    if "stop" in choice:
        whole = Engine(base).answer(genome, QUESTION, Sampling(max_tokens=24))
        sampling = sampling.model_copy(update={"stop": ("never said", whole[10:13])})
    wanted, found = (list(b.stream(genome, prompt, sampling)) for b in (Engine(base), llama))
    assert said(found) == said(wanted)
    assert found[-1].reason == wanted[-1].reason and found[-1].text == wanted[-1].text
    assert found[-1].n_said == len(said(wanted))


def test_a_seed_chooses_the_same_again(base: BaseModel, llama: LlamaCpp) -> None:
    genome = genomes(base, 3)[2]
    drawn = [
        llama.answer(genome, QUESTION, Sampling(temperature=2, seed=seed, max_tokens=24))
        for seed in (1, 1, 2, None, (1 << 63) - 1)
    ]
    assert drawn[0] == drawn[1] and len({*drawn}) == 4


def test_a_cancelled_answer_says_nothing_more_and_makes_room(
    base: BaseModel, llama: LlamaCpp
) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    genome, prompt = Genome(base.fingerprint), base.prompt_ids([QUESTION])[0]
    streams = [llama.submit(genome, prompt, told.put, Sampling(max_tokens=99)) for _ in range(6)]
    told.get()
    for stream in streams:
        stream.cancel()
    assert llama.answer(genome, QUESTION, Sampling(max_tokens=3))
    n_told = told.qsize()
    assert n_told < 6 * 99 and llama.answer(genome, QUESTION) and told.qsize() == n_told


def test_what_is_not_done_here_is_refused_in_one_line(
    base: BaseModel, llama: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    genome, ids = Genome(base.fingerprint), base.prompt_ids([QUESTION])[0]
    for field, value in (
        ("of_prompt", True),
        ("grammar", "start: /a/"),
        ("presence_penalty", 0.1),
        ("frequency_penalty", -1),
    ):
        with pytest.raises(LlamaCppError, match=f"^{field} is not followed here: leave it out"):
            llama.stream(genome, ids, Sampling(**{field: value}))
    with pytest.raises(TooLongError):
        llama.stream(genome, ids * 20)
    with pytest.raises(PromptError):
        llama.stream(genome, [999])
    with pytest.raises(GenomeError):
        llama.stream(Genome.of(random_layer(tiny_model("gpt2"), base.fingerprint)), ids)
    monkeypatch.setattr("persona.llama.WAITING", 0)
    with pytest.raises(QueueFullError):
        llama.stream(genome, ids)


def test_a_process_that_is_gone_is_started_again(base: BaseModel, file: Path) -> None:
    """Who was being answered is told."""
    genome, prompt = genomes(base, 3)[1], base.prompt_ids([QUESTION])[0]
    with closing(LlamaCpp(settings(file), base)) as llama:
        answers = [llama.stream(genome, prompt, Sampling(max_tokens=99)) for _ in range(8)]
        next(answers[0])
        assert llama._server is not None
        os.kill(llama._server._process.pid, signal.SIGKILL)
        failures = []
        for answer in answers:
            try:
                list(answer)
            except LlamaCppError as failure:
                failures.append(str(failure))
        assert {*failures} == {"llama.cpp broke off (it ended with code -9): ask again"}
        assert llama.answer(genome, QUESTION) == Engine(base).answer(genome, QUESTION)


def test_forgotten_layers_leave_no_adapter(base: BaseModel, file: Path) -> None:
    one, two = genomes(base, 4)[2:]
    with closing(LlamaCpp(settings(file), base)) as llama:
        wanted = [llama.answer(genome, QUESTION) for genome in (one, two)]
        llama.forget([one.layers[0].digest]).result(20)
        assert [path.stem for path in llama._folder.glob("*.gguf")] == [two.digest]
        assert [llama.answer(genome, QUESTION) for genome in (one, two)] == wanted
    assert not llama._folder.exists()


def test_a_file_that_llama_cpp_refuses_is_one_line(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all its tensors are there."""
    monkeypatch.setattr(gguf.GGUFWriter, "add_layer_norm_rms_eps", lambda *_: None)
    file = write_gguf(tmp_path / "b.gguf", base.model)
    with pytest.raises(PersonaError, match=r"llama.cpp does not start with .*: give a whole"):
        LlamaCpp(settings(file), base)
    with pytest.raises(ValidationError):
        LlamaSettings(path=file, n_parallel=0)


def test_without_the_extra_one_line_says_how_to_have_it(
    base: BaseModel, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError) as refused:
        LlamaCpp(settings(file), base)
    assert "'continuum-personas[llama]'" in str(extra_missing(refused.value))
    assert "xllamacpp" not in sys.modules
