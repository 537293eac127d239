"""`continuum room`: who is there, who speaks and why, and each refusal in one line."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from genome.base_model import BaseModel
from persona.persona import PersonaStore
from persona.room.log import RoomLog
from tests.support.cli import Done, continuum
from tests.support.genome import put_ada_and_bob


@pytest.fixture
def home(tmp_path: Path, embedded: BaseModel) -> Path:
    """A room of two personas and a human called me."""
    put_ada_and_bob(tmp_path, embedded)
    store = PersonaStore(tmp_path)
    for name in store.names():
        store.change(replace(store.load(name), sampling={"temperature": 0.0}))
    assert continuum("room", "create", "lab", "ada", "bob", "--home", tmp_path).code == 0
    return tmp_path


def room(home: Path, *words: object) -> Done:
    return continuum("room", *words, "--home", home)


def test_who_is_chosen_answers_and_why_is_shown_and_kept(home: Path) -> None:
    found = room(home, "say", "lab", "@bob sort: cbda", "--why")
    assert found.code == 0 and not found.err
    decision, answer, *_ = found.out.splitlines()
    assert decision == "bob (mentioned) speaks; not sure enough: ada (0.20)"
    assert answer.startswith("bob: ")
    watched = room(home, "watch", "lab", "--why").out.splitlines()
    assert watched[:3] == ["1 me: @bob sort: cbda", f"  {decision}", f"2 {answer}"]
    lines = room(home, "watch", "lab", "--json").out.splitlines()
    assert json.loads(lines[0])["decision"]["speakers"][0]["persona"] == "bob"


def test_lines_are_messages_and_a_refused_one_ends_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["@ada ab", "", "x" * 70_000, "STOP", "@bob ab"]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    found = room(home, "say", "lab")
    assert found.code == 0
    assert found.err.count("\n") == 1 and "at most 65536 characters" in found.err
    authors = [message.event.author for message in RoomLog(home).messages("lab")]
    assert authors == ["me", "ada", "me", "me", "bob"]


def test_who_is_muted_or_has_left_says_nothing(home: Path) -> None:
    room(home, "mute", "lab", "ada")
    room(home, "leave", "lab", "bob")
    found = room(home, "say", "lab", "@ada @bob hello")
    assert found.out == "nobody speaks; muted: ada\n"
    assert "muted persona" in room(home, "show", "lab").out
    room(home, "mute", "lab", "ada", "--off")
    assert room(home, "join", "lab", "bob").out == "bob is in lab\n"
    assert room(home, "join", "lab", "bob").out == "bob was there already\n"
    assert "ada, bob, me" in room(home, "list").out


def test_several_humans(home: Path) -> None:
    said = room(home, "say", "lab", "hello", "--as", "eve").refusal
    assert said.startswith("'eve' is not in room lab, there are ada, bob, me: `continuum room join")
    said = room(home, "say", "lab", "hello", "--as", "ada").refusal
    assert said.startswith("ada is a persona, which speaks for itself")
    assert room(home, "join", "lab", "eve", "--human").code == 0
    assert room(home, "say", "lab", "@ada hello", "--as", "eve").out.startswith("ada: ")


def test_answers_are_judged_and_confidences_believed_accordingly(home: Path) -> None:
    room(home, "say", "lab", "@ada sort: cbda")
    assert room(home, "rate", "lab", 2, "--wrong").out == "message 2 was wrong\n"
    assert room(home, "rate", "lab", 2, "--right").out == "message 2 was right\n"
    found = room(home, "calibration").out
    assert "0.4" in found and "Brier score" in found and "calibrated" in found
    assert "ada (mentioned)" in room(home, "say", "lab", "@ada ab", "--why").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("create lab", "there is a room 'lab' already: choose another name"),
        ("create x y", "there is no persona 'y': did you mean ada, bob?"),
        ("create x --rule speaker=2", "--rule speaker: is no rule: they are speakers, least,"),
        ("create x --rule speakers=0", "--rule speakers: Input should be greater than or equal"),
        ("create x --rule speakers", "--rule takes KEY=VALUE, not 'speakers': give both"),
        ("say lap hi", "there is no room 'lap': did you mean lab?"),
        ("join lab eve", "there is no persona 'eve': did you mean"),
        ("leave lab eve", "'eve' is not in room lab"),
        ("mute lab eve", "'eve' is not in room lab"),
        ("watch lap", "there is no room 'lap': did you mean lab?"),
        ("rate lab 1 --right", "message 1 of room lab is no persona's answer: there are none yet"),
        ("rate lap 1 --right", "there is no room 'lap'"),
        ("calibration", "no answer was judged yet: `continuum room rate ROOM NUMBER --right"),
        ("show lap", "there is no room 'lap': did you mean lab?"),
    ],
)
def test_refusals_name_the_rule_and_the_remedy(home: Path, words: str, said: str) -> None:
    found = room(home, *words.split())
    assert said in (found.refusal if found.code == 1 else found.err)
    assert RoomLog(home).names() == ["lab"]


def test_a_layer_that_is_gone_is_told_and_the_room_lives(home: Path) -> None:
    store = PersonaStore(home)
    store.change(replace(store.load("ada"), layers=("ab" * 32,)))
    found = room(home, "say", "lab", "@ada @bob hello")
    assert found.code == 0 and "bob: " in found.out
    assert found.err.startswith("continuum: ada: ") and found.err.count("\n") == 1
