"""A conversation in the terminal: who answers, what it remembers, what is refused in one line."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from economy.revocations import DATABASE, FILE, Kept
from genome.base_model import BaseModel
from genome.library import Library
from persona.engine import Engine
from persona.persona import Persona, PersonaStore
from persona.sampling import Sampling
from tests.support.cli import Done, continuum
from tests.support.genome import put_ada_and_bob


@pytest.fixture
def home(tmp_path: Path, embedded: BaseModel) -> Path:
    """Two personas that answer differently, and one of two layers."""
    digests = put_ada_and_bob(tmp_path, embedded)
    PersonaStore(tmp_path).save(
        Persona("both", embedded.fingerprint, tuple(digests), weights=(0.5, 0.7))
    )
    return tmp_path


def talk(monkeypatch: pytest.MonkeyPatch, home: Path, names: str, *lines: str) -> Done:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    words = (*names.split(), "--temperature", "0", "--max-tokens", "12", "--home", home)
    return continuum("chat", *words)


def answer(embedded: BaseModel, home: Path, name: str, *turns: str) -> str:
    """What a persona says to the last of these turns."""
    genome = PersonaStore(home).load(name).genome(Library.open(home))
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]
    told = Engine(embedded).stream(genome, messages, Sampling(max_tokens=12))
    return "".join(what.text for what in told)


def test_everybody_answers_and_remembers_what_was_said(
    monkeypatch: pytest.MonkeyPatch, home: Path, embedded: BaseModel
) -> None:
    first = {name: answer(embedded, home, name, "sort: cbda") for name in ("ada", "bob")}
    then = {
        name: answer(embedded, home, name, "sort: cbda", first[name], "upper: ab") for name in first
    }
    assert first["ada"] != first["bob"]
    found = talk(monkeypatch, home, "ada bob", "sort: cbda", "", "upper: ab")
    assert found.code == 0 and not found.err
    said = found.out.splitlines()[1:]
    assert said == [f"{name}: {text}" for turn in (first, then) for name, text in turn.items()]


def test_another_persona_goes_on_in_mid_conversation(
    monkeypatch: pytest.MonkeyPatch, home: Path, embedded: BaseModel
) -> None:
    first = answer(embedded, home, "ada", "sort: cbda")
    then = answer(embedded, home, "bob", "sort: cbda", first, "upper: ab")
    lines = ("sort: cbda", "/swap bob", "upper: ab", "/layers", "/stats", "/forget", "upper: ab")
    found = talk(monkeypatch, home, "ada", *lines).out.splitlines()
    swapped = "bob goes on from here, instead of ada"
    assert found[1:5] == [f"ada: {first}", swapped, f"bob: {then}", "bob: 1 x bob"]
    assert "tokens, first after" in found[-3] and "read again" in found[-2]
    assert found[-1] == f"bob: {answer(embedded, home, 'bob', 'upper: ab')}"


def test_the_base_alone_answers_where_nobody_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = talk(monkeypatch, tmp_path, "", "hello", "/layers", "/why", "/quit", "never read")
    assert found.code == 0 and found.out.count("base: ") == 2
    assert "reindex" in found.err


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("/swp bob", "did you mean /swap"),
        ("/swap", "/swap NEW OLD: OLD is one of ada, NEW another"),
        ("/swap bob carl", "OLD is one of ada"),
        ("/swap bbo", "did you mean bob"),
        ("a" * 5000, "positions"),
        ("\udcff", "UTF-8"),
        ("/why", "nothing was said yet"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_the_talk_goes_on(
    monkeypatch: pytest.MonkeyPatch, home: Path, line: str, refusal: str
) -> None:
    found = talk(monkeypatch, home, "ada", line, "sort: cbda", "/help")
    assert found.code == 0 and refusal in found.err + found.out
    assert len(found.err.splitlines()) <= 1
    assert "ada: " in found.out and "/forget" in found.out


def test_a_long_talk_leaves_out_what_was_said_first(
    monkeypatch: pytest.MonkeyPatch, home: Path, embedded: BaseModel
) -> None:
    n = embedded.positions // 3
    found = talk(monkeypatch, home, "ada", *(["sort: " + "a" * n] * 4))
    assert found.code == 0 and not found.err
    assert found.out.count("ada: ") == 4 and "no longer sees" in found.out


def test_a_revoked_layer_answers_no_more(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """From the turn on in which the home knows; what else is said goes on."""
    digest = PersonaStore(home).load("ada").layers[0]
    lines = ["sort: cbda", "upper: ab", "/layers"]

    def read(_: str = "") -> str:
        if not lines:
            raise EOFError
        if lines[0].startswith("upper"):
            known = {DATABASE: asdict(Kept("", 1, {digest: "was stolen"}, {}))}
            (home / FILE).write_text(json.dumps(known))
        return lines.pop(0)

    monkeypatch.setattr("builtins.input", read)
    found = continuum("chat", "ada", "bob", "--temperature", "0", "--home", home)
    assert found.out.count("ada: ") == 2 and found.out.count("bob: ") == 2  # one turn, /layers
    assert "was stolen" in found.err and len(found.err.splitlines()) == 1


def test_one_question_may_be_asked_with_chance_and_shown_token_by_token(home: Path) -> None:
    words = ("persona", "ask", "ada", "sort: cbda", "--home", home, "--max-tokens", "4")
    first, again = (continuum(*words, "--temperature", "1.5", "--seed", "7") for _ in range(2))
    assert first.code == 0 and first.out == again.out
    shown = continuum(*words, "--logprobs", "2").out.splitlines()
    assert shown[0] == continuum(*words).out.splitlines()[0]
    assert len(shown) >= 4 and all(row.count("-") >= 1 for row in shown[3:])
    assert continuum(*words, "--logprobs", "21").code == 2
