"""What was said stays, in order, whoever writes; who was not there does not know it."""

from __future__ import annotations

import json
import multiprocessing
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

from persona.errors import RoomError
from persona.room.calibration import Outcome
from persona.room.log import LONGEST_GAP_S, MOST_CHARACTERS, RoomLog, as_json
from persona.room.thought_stream import Bid, Event, Rules, ThoughtStream


@pytest.fixture
def log(tmp_path: Path) -> RoomLog:
    """A room of a human and a persona."""
    log = RoomLog(tmp_path)
    log.create("lab", Rules(speakers=2), seed=7)
    log.join("lab", "ann", human=True)
    log.join("lab", "ada", human=False)
    return log


def _heard(log: RoomLog, name: str) -> list[str]:
    return [event.text for event in log.heard_by("lab", name, last=100)]


def test_a_room_is_what_was_made_and_said_in_another_process(log: RoomLog) -> None:
    log.add("lab", "ann", "hello")
    log.add("lab", "ada", "héllo\n", hops=1, answers="ann")
    other = RoomLog(log.home)
    assert other.names() == ["lab"]
    assert other.rules("lab") == (Rules(speakers=2), 7)
    first, second = (message.event for message in other.messages("lab"))
    assert first == Event(1, "ann", True, "hello", 0.0)
    assert second[:4] == (2, "ada", False, "héllo\n") and second[5:] == (1, "ann")
    assert [m.event.number for m in other.messages("lab", after=1)] == [2]
    assert [m.event.number for m in other.messages("lab", last=1)] == [2]


def test_who_is_absent_does_not_know(log: RoomLog) -> None:
    """A thousand probes: members come and go, and hear what is said while they are there."""
    wanted: dict[str, list[str]] = {name: [] for name in ("ada", "bob", "eve")}
    there = {"ada"}
    for i in range(60):
        name = ("bob", "eve", "ada")[i % 3]
        if name in there:
            log.leave("lab", name)
            there.remove(name)
        else:
            log.join("lab", name, human=False)
            there.add(name)
        for j in range(2):
            text = f"message {i} {j}"
            log.add("lab", "ann", text)
            for one in there:
                wanted[one].append(text)
    for name, texts in wanted.items():
        assert _heard(log, name) == texts[-100:]
        assert 0 < len(texts) < 120
    assert _heard(log, "nobody") == []


def test_a_decision_is_kept_with_what_it_came_from(log: RoomLog) -> None:
    thoughts = ThoughtStream(Rules(speakers=2), 7)
    thoughts.join("ada")
    event = log.add("lab", "ann", "hello")
    bids = {"ada": Bid(0.9, 0.5, 1, 10)}
    decision = thoughts.decide(event, bids)
    log.decided("lab", decision, bids, seen=1)
    (message,) = log.messages("lab")
    assert message.decision == decision
    assert message.bids == {"ada": [0.9, 0.5, 1, 10, None]}
    assert json.loads(as_json(message))["decision"]["line"] == decision.line()


def test_an_answer_is_judged_by_how_sure_it_was(log: RoomLog) -> None:
    thoughts = ThoughtStream(Rules(speakers=2), 7)
    thoughts.join("ada")
    for number, bid in ((1, Bid(0.9)), (3, Bid(0.5, own=0.8))):
        event = log.add("lab", "ann", "hello")
        decision = thoughts.decide(event, {"ada": bid})
        log.decided("lab", decision, {"ada": bid}, seen=number)
        thoughts.spoke("ada", 0, to_human=True)
        log.add("lab", "ada", "yes", hops=1, answers="ann")
    for number, right in ((2, True), (4, True), (4, False)):
        log.judge("lab", number, right=right)
    assert log.outcomes() == [Outcome(0.9, True), Outcome(0.8, False)]
    for number in (1, 9):
        with pytest.raises(RoomError, match="is no persona's answer: they are 2, 4"):
            log.judge("lab", number, right=True)
    log.join("lab", "bob", human=False)
    unasked = log.add("lab", "bob", "no", hops=1)
    with pytest.raises(RoomError, match="was not kept: rate another"):
        log.judge("lab", unasked.number, right=True)


def test_names_and_messages_that_cannot_be_are_refused_in_one_line(log: RoomLog) -> None:
    for wrong, said in {
        "lab": "there is a room 'lab' already: choose another name",
        "../up": "a room's name is 1 to 64",
        "": "a room's name is 1 to 64",
    }.items():
        with pytest.raises(RoomError, match=said):
            log.create(wrong, Rules())
    with pytest.raises(RoomError, match=r"there is no room 'lap': did you mean lab\?"):
        log.add("lap", "ann", "hello")
    with pytest.raises(RoomError, match="'bob' is not in room lab, there are ada, ann: `continuum"):
        log.add("lab", "bob", "hello")
    with pytest.raises(RoomError, match="'bob' is not in room"):
        log.leave("lab", "bob")
    with pytest.raises(RoomError, match="ada is a persona in room lab"):
        log.join("lab", "ada", human=True)
    with pytest.raises(RoomError, match="is no name"):
        log.join("lab", "a b", human=True)
    for text in ("", " \n"):
        with pytest.raises(RoomError, match="has something in it"):
            log.add("lab", "ann", text)
    with pytest.raises(RoomError, match=f"at most {MOST_CHARACTERS} characters, not 1000000"):
        log.add("lab", "ann", "a" * 1_000_000)
    with pytest.raises(RoomError, match="UTF-8"):
        log.add("lab", "ann", "\udc80")
    assert log.messages("lab") == []
    assert not log.join("lab", "ada", human=False)


def test_the_rooms_time_never_goes_back_nor_leaps(
    log: RoomLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    walls = iter([1e9, 1e9 + 5, 1e9 - 1e6, 1e9 - 1e6 + 2, 4e9])
    monkeypatch.setattr("persona.room.log.time", SimpleNamespace(time=lambda: next(walls)))
    at = [log.add("lab", "ann", "hello").at for _ in range(5)]
    assert at == [0, 5, 5, 7, 7 + LONGEST_GAP_S]


def _say(home: Path, text: str) -> None:
    for i in range(25):
        RoomLog(home).add("lab", "ann", f"{text} {i}")


def test_processes_write_side_by_side_and_nothing_is_lost(log: RoomLog) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_say, args=(log.home, text)) for text in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    said = [message.event for message in log.messages("lab")]
    assert [event.number for event in said] == list(range(1, 76))
    for text in "abc":
        own = [event.text for event in said if event.text[0] == text]
        assert own == [f"{text} {i}" for i in range(25)]


def test_a_full_disk_is_told_and_nothing_is_lost(log: RoomLog) -> None:
    log.add("lab", "ann", "before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = sum(path.stat().st_size for path in log.home.glob("rooms.db*"))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
        with pytest.raises(RoomError, match=r"rooms\.db cannot be used"):
            _say(log.home, "a" * 60_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert log.messages("lab")[0].event.text == "before"
    log.add("lab", "ann", "after")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "rooms.db").write_text("not a database, but a text of some length" * 99)
    with pytest.raises(RoomError, match=r"rooms\.db cannot be used"):
        RoomLog(tmp_path).names()
