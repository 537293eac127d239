"""`continuum backend`: what else computes answers, and personas that stand on it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.library import Library
from genome.single import with_single
from persona.engine import Engine
from persona.persona import PersonaStore
from persona.sampling import Sampling
from tests.support.cli import Done, continuum
from tests.support.genome import put_ada_and_bob
from tests.support.single import save_single

QUESTION = "sort: cbda"


@pytest.fixture
def home(tmp_path: Path, embedded: BaseModel) -> Path:
    put_ada_and_bob(tmp_path / "home", embedded)
    return tmp_path / "home"


@pytest.fixture
def dora(tmp_path: Path, embedded: BaseModel) -> Path:
    save_single(embedded, tmp_path / "dora")
    return tmp_path / "dora"


def here(home: Path, *words: object) -> Done:
    return continuum(*words, "--home", home)


def said(base: BaseModel, question: str = QUESTION) -> str:
    engine = Engine(base)
    try:
        return engine.answer(Genome(base.fingerprint), question, Sampling(max_tokens=12))
    finally:
        engine.close()


def test_an_adapter_that_cannot_be_stacked_answers_as_a_persona(
    home: Path, dora: Path, embedded: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = here(home, "layer", "import", dora)
    assert refused.code == 1 and "`continuum backend add NAME FOLDER" in refused.err
    added = here(home, "backend", "add", "dora", dora)
    assert added.code == 0 and "never composed, evolved or sold" in added.out, added.err
    assert here(home, "persona", "create", "dori", "--backend", "dora").code == 0
    wanted = said(with_single(embedded, dora))
    assert wanted != said(embedded)
    asked = here(home, "persona", "ask", "dori", QUESTION, "--max-tokens", 12)
    assert asked.out.splitlines()[0] == wanted, asked.err
    shown = here(home, "backend", "list").out
    assert "dora" in shown and "peft" in shown and "dori" in shown
    assert "dora" in here(home, "persona", "show", "dori").out
    assert "dora" in here(home, "persona", "list").out
    assert wanted in here(home, "backend", "check", "dora", QUESTION).out
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n/layers\n/stats\n"))
    talk = here(home, "chat", "ada", "dori", "--temperature", 0, "--max-tokens", 12).out
    ada = PersonaStore(home).load("ada").genome(Library.open(home))
    assert f"ada: {Engine(embedded).answer(ada, QUESTION, Sampling(max_tokens=12))}" in talk
    assert f"dori: {wanted}" in talk and "dori: on backend dora alone" in talk


def test_bad_input(home: Path, dora: Path, tmp_path: Path) -> None:
    def refusal(*words: object) -> str:
        done = here(home, *words)
        assert done.code != 0 and done.err.count("\n") == 1, done.err
        return done.err

    assert "no backend 'dora'" in refusal("persona", "create", "dori", "--backend", "dora")
    assert "give --layer" in refusal("persona", "create", "dori")
    assert "does not exist" in refusal("backend", "add", "dora", tmp_path / "nowhere")
    assert "KEY=VALUE" in refusal("backend", "add", "vllm", "http://localhost:1", "--set", "model")
    assert "model" in refusal("backend", "add", "vllm", "http://localhost:1")
    assert "colour" in refusal(
        "backend", "add", "vllm", "http://localhost:1", "--set", "model=m", "--set", "colour=red"
    )
    assert here(home, "backend", "add", "dora", dora).code == 0
    assert "already" in refusal("backend", "add", "dora", dora)
    assert "leave --layer out" in refusal(
        "persona", "create", "dori", "--backend", "dora", "--layer", "ada"
    )
    assert here(home, "persona", "create", "dori", "--backend", "dora").code == 0
    for words in (
        ("academy", "exam", "dori", "--skill", "max"),
        ("persona", "export", "dori", tmp_path / "out", "--modelfile"),
        ("persona", "export", "dori", tmp_path / "out.gguf"),
    ):
        assert "what backend dora says and has no layers" in refusal(*words)
    assert "`continuum persona remove dori" in refusal("backend", "remove", "dora")
    assert here(home, "persona", "remove", "dori").code == 0
    assert here(home, "backend", "remove", "dora").code == 0
    assert "no backend" in refusal("backend", "remove", "dora")
