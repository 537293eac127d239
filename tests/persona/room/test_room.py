"""One message in, the chosen answers out: who fails, says nothing or never ends harms no one."""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from persona.errors import BackendError, PersonaError
from persona.room.log import MOST_CHARACTERS, RoomLog
from persona.room.room import Failed, Piece, Room, What
from persona.room.thought_stream import Bid, Decision, Event, Rules, Silence
from persona.sampling import Ended, Said
from persona.stream import Answer


class _Script(Answer):
    """An answer of these words; an error among them is raised."""

    def __init__(self, words: Iterator[str | Exception]) -> None:
        super().__init__(self, queue.SimpleQueue())
        self.words, self.closed = words, False

    def __next__(self) -> Said | Ended:
        word = next(self.words, None) if not self.closed else None
        time.sleep(0.001)
        if word is None:
            raise StopIteration
        if isinstance(word, Exception):
            raise word
        return Said(1, text=word)

    def cancel(self) -> None:
        self.closed = True

    close = cancel


class _Minds:
    """Personas that say what they were told to."""

    def __init__(self, **says: Sequence[str | Exception] | Exception) -> None:
        self.says, self.bids = says, dict.fromkeys(says, Bid(0.2))
        self.begun: list[_Script] = []
        self.seeds: list[int] = []
        self.heard: dict[str, Sequence[Mapping[str, Any]]] = {}

    def bid(self, persona: str, _text: str) -> Bid:
        if isinstance(self.says[persona], Exception):
            raise PersonaError("gone")
        return self.bids[persona]

    def begin(self, persona: str, turns: Sequence[Mapping[str, Any]], seed: int) -> Answer:
        self.seeds.append(seed)
        self.heard[persona] = turns
        words = self.says[persona]
        if isinstance(words, Exception):
            raise words
        endless = itertools.repeat("x") if words == "endless" else iter(words)
        self.begun.append(_Script(endless))
        return self.begun[-1]


def _room(home: Path, minds: _Minds, **rules: Any) -> Room:
    log = RoomLog(home)
    log.create("lab", Rules.model_validate(rules))
    log.join("lab", "ann", human=True)
    for name in minds.says:
        log.join("lab", name, human=False)
    return Room(log, "lab", minds)


def _said(found: Sequence[What]) -> list[tuple[str, str]]:
    return [(what.author, what.text) for what in found if isinstance(what, Event)]


def test_a_message_is_answered_once_and_all_of_it_is_kept(tmp_path: Path) -> None:
    minds = _Minds(ada=["go", "od"], bob=["no"])
    minds.bids["ada"] = Bid(0.9)
    room = _room(tmp_path, minds)
    found = list(room.say("ann", "how are you?"))
    assert [type(what) for what in found] == [Event, Decision, Piece, Piece, Event, Decision]
    assert _said(found) == [("ann", "how are you?"), ("ada", "good")]
    kept = room.log.messages("lab")
    assert [m.event for m in kept] == [what for what in found if isinstance(what, Event)]
    assert [m.decision for m in kept] == [what for what in found if isinstance(what, Decision)]
    assert minds.heard == {"ada": [{"role": "user", "content": "how are you?"}]}


def test_own_words_are_the_assistants_and_several_others_are_named(tmp_path: Path) -> None:
    minds = _Minds(ada=["one"], bob=["two"])
    room = _room(tmp_path, minds)
    list(room.say("ann", "@ada hello"))
    list(room.say("ann", "@bob hello"))
    list(room.say("ann", "@ada again"))
    assert minds.heard["ada"] == [
        {"role": "user", "content": "ann: @ada hello"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "ann: @bob hello\nbob: two\nann: @ada again"},
    ]


def test_personas_may_answer_each_other_until_the_rules_end_it(tmp_path: Path) -> None:
    minds = _Minds(ada=["yes, @bob"], bob=["yes, @ada"])
    minds.bids = dict.fromkeys(minds.says, Bid(1, 1))
    found = list(_room(tmp_path, minds, hops=3).say("ann", "hello"))
    authors = [author for author, _ in _said(found)]
    assert authors in (["ann", "ada", "bob", "ada"], ["ann", "bob", "ada", "bob"])
    last = found[-1]
    assert isinstance(last, Decision) and not last.speakers
    assert {silence.why for silence in last.silences} == {"spoke", "hops"}


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (BackendError("cloud", "is down", "try later"), "backend cloud is down: try later"),
        ([], "had nothing to say"),
        ([" ", "\n"], "had nothing to say"),
        (["par", BackendError("cloud", "broke", "try later")], "backend cloud broke: try later"),
    ],
)
def test_who_fails_is_named_what_it_said_is_kept_and_others_answer(
    tmp_path: Path, says: Any, why: str
) -> None:
    minds = _Minds(ada=says, bob=["fine"])
    room = _room(tmp_path, minds)
    found = list(room.say("ann", "@ada @bob hello"))
    assert [what for what in found if isinstance(what, Failed)] == [Failed("ada", why)]
    partly = [("ada", "par")] if "broke" in why else []
    assert sorted(_said(found)[1:]) == sorted([*partly, ("bob", "fine")])
    assert ("bob", "fine") in _said(list(room.say("ann", "@bob still there?")))


def test_a_turn_that_never_ends_ends_with_its_lease(tmp_path: Path) -> None:
    minds = _Minds(ada="endless")
    room = _room(tmp_path, minds, lease_s=0.2)
    found = list(room.say("ann", "hello"))
    (failed,) = (what for what in found if isinstance(what, Failed))
    assert failed == Failed("ada", "its 0.2 s are over")
    assert minds.begun[0].closed
    assert set(_said(found)[1][1]) == {"x"}


def test_a_text_that_never_ends_is_cut(tmp_path: Path) -> None:
    minds = _Minds(ada=["x" * 50_000] * 9)
    found = list(_room(tmp_path, minds).say("ann", "hello"))
    assert Failed("ada", "it went on for too long") in found
    assert len(_said(found)[1][1]) == MOST_CHARACTERS


def test_stop_from_elsewhere_ends_every_turn_and_what_waits(tmp_path: Path) -> None:
    minds = _Minds(ada="endless", bob="endless")
    room = _room(tmp_path, minds)
    told = room.say("ann", "@ada @bob go")
    while not isinstance(next(told), Piece):
        pass
    RoomLog(tmp_path).add("lab", "ann", "Stop!")
    rest = list(told)
    assert all(answer.closed for answer in minds.begun)
    stopped = [what for what in rest if isinstance(what, Failed)]
    assert {what.author for what in stopped} == {"ada", "bob"}
    assert sum(isinstance(what, Decision) for what in rest) == 0
    assert [type(what) for what in room.say("ann", "STOP")] == [Event]


def test_who_stops_reading_stops_them_all_and_what_was_said_is_kept(tmp_path: Path) -> None:
    minds = _Minds(ada="endless")
    room = _room(tmp_path, minds)
    told = room.say("ann", "go")
    while not isinstance(next(told), Piece):
        pass
    told.close()
    assert minds.begun[0].closed
    assert [m.event.text for m in room.log.messages("lab")] == ["go", "x"]


def test_who_leaves_while_it_speaks_is_named_and_others_go_on(tmp_path: Path) -> None:
    minds = _Minds(ada=["yes"] * 9, bob=["no"])
    room = _room(tmp_path, minds)
    found = []
    for what in room.say("ann", "@ada @bob go"):
        found.append(what)
        if found[-1] == Piece("ada", "yes") and found.count(what) == 1:
            room.log.leave("lab", "ada")
    (failed,) = (what for what in found if isinstance(what, Failed))
    assert failed.author == "ada" and "'ada' is not in room lab" in failed.why
    assert _said(found)[1:] == [("bob", "no")]


def test_who_cannot_even_be_asked_cannot_answer_now(tmp_path: Path) -> None:
    minds = _Minds(ada=BackendError("cloud", "is down", "try later"), bob=["no"])
    decision = list(_room(tmp_path, minds).say("ann", "go"))[1]
    assert isinstance(decision, Decision)
    assert decision.silences == (Silence("ada", "blocked"),)
    assert decision.line() == "bob (0.19) speaks; cannot answer now: ada"


def test_muted_in_the_log_is_muted_in_the_room(tmp_path: Path) -> None:
    minds = _Minds(ada=["yes"], bob=["no"])
    room = _room(tmp_path, minds)
    room.log.mute("lab", "ada")
    assert _said(list(room.say("ann", "@ada hello")))[1:] == [("bob", "no")]
    room.log.mute("lab", "ada", False)
    assert _said(list(room.say("ann", "@ada hello")))[1:] == [("ada", "yes")]


def test_every_decision_can_be_made_again_from_the_log(tmp_path: Path) -> None:
    minds = _Minds(ada=["yes, @bob"], bob=["well"], eve=["no, @ada"])
    room = _room(tmp_path, minds, speakers=2, hops=3)
    for i in range(12):
        minds.bids = {name: Bid((7 * i + j) % 10 / 10, 0.5) for j, name in enumerate(minds.says)}
        list(room.say("ann", f"message {i}"))
    decided = [m for m in RoomLog(tmp_path).messages("lab") if m.decision]
    assert len(decided) > 20
    for message in decided:
        thoughts = room.thoughts(message.event.number, message.seen)
        bids = {name: Bid(*bid) for name, bid in (message.bids or {}).items()}
        again = thoughts.decide(message.event, bids)
        assert again.facts() == message.decision.facts()


def test_each_answer_has_a_seed_of_its_own_that_the_room_gives(tmp_path: Path) -> None:
    seeds = []
    for place in ("a", "b"):
        minds = _Minds(ada=["yes"], bob=["no"])
        room = _room(tmp_path / place, minds)
        for _ in range(3):
            list(room.say("ann", "@ada @bob hello"))
        seeds.append(minds.seeds)
    assert seeds[0] == seeds[1] and len({*seeds[0]}) == 6


def test_two_hundred_personas_are_a_room(tmp_path: Path) -> None:
    minds = _Minds(**{f"p{i}": ["yes"] for i in range(200)})
    room = _room(tmp_path, minds)
    found = list(room.say("ann", "hello"))
    assert len(_said(found)) == 2
    (first, _) = (what for what in found if isinstance(what, Decision))
    assert len(first.silences) == 199
