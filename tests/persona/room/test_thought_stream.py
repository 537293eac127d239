"""Who speaks next: mention, mute, limits, fairness, and a reason for each silence."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from persona.room.thought_stream import (
    MOST_MENTIONED,
    Bid,
    Decision,
    Event,
    Rules,
    ThoughtStream,
    mentions,
)

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
BIDS = st.builds(Bid, ANY_FLOAT, ANY_FLOAT, ANY_FLOAT, ANY_FLOAT)


def _stream(*names: str, seed: int = 0, **rules: float) -> ThoughtStream:
    stream = ThoughtStream(Rules.model_validate(rules), seed)
    for name in names:
        stream.join(name)
    return stream


def _asked(number: int, text: str = "", at: float | None = None) -> Event:
    return Event(number, "ann", human=True, text=text, at=number if at is None else at)


def _said(number: int, author: str, text: str = "", *, hops: int = 1, answers: str = "") -> Event:
    return Event(number, author, human=False, text=text, at=number, hops=hops, answers=answers)


def _speakers(decision: Decision) -> list[str]:
    return [turn.persona for turn in decision.speakers]


def _why(decision: Decision, name: str) -> str:
    (found,) = [s.why for s in decision.silences if s.persona == name]
    return found


def test_the_surest_speaks_and_each_silence_has_a_reason() -> None:
    stream = _stream("sorter", "adder", "poet")
    bids = {"sorter": Bid(0.9, 0.9), "adder": Bid(0.6, 0.2), "poet": Bid(0.1)}
    decision = stream.decide(_asked(1), bids)
    assert _speakers(decision) == ["sorter"]
    assert (_why(decision, "adder"), _why(decision, "poet")) == ("outscored", "unsure")
    assert decision.margin == pytest.approx((0.33 * 0 + 0.4 * 0.3 + 0.3 * 0.7) * 129 / 256)
    assert decision.line() == (
        "sorter (0.47) speaks; not sure enough: poet (0.17); outscored: adder (0.30)"
    )
    assert json.loads(json.dumps(decision.facts()))["speakers"][0]["persona"] == "sorter"


def test_a_score_is_the_stated_sum() -> None:
    assert Bid(1, 1, 0, 0).score() == pytest.approx(1)
    assert Bid(0.5, 0.2, 4, 256).score() == pytest.approx(0.2 + 0.06 + 0.1 + 0.05)
    assert Bid(math.nan, math.inf, math.nan, -5).score() == pytest.approx(0.3 + 0.1)


@given(BIDS)
def test_every_score_lies_between_0_and_1(bid: Bid) -> None:
    assert 0 <= bid.score() <= 1


def test_a_mention_beats_all_but_mute() -> None:
    stream = _stream("ada", "bob", "eve")
    bids = {"ada": Bid(1, 1), "bob": Bid(0), "eve": Bid(1, 1)}
    assert _speakers(stream.decide(_asked(1, "what do you say, @Bob?"), bids)) == ["bob"]
    stream.mute("eve")
    decision = stream.decide(_asked(2, "@eve?"), bids)
    assert _speakers(decision) == ["ada"]
    assert _why(decision, "eve") == "muted"
    assert "eve" not in stream.asked(_asked(2, "@eve?"))


def test_everybody_a_human_names_answers_and_nobody_else() -> None:
    names = [f"p{i}" for i in range(40)]
    stream = _stream(*names)
    bids = {name: Bid(1, 1) for name in names}
    three = stream.decide(_asked(1, "@p3 @p5, @p9!"), bids)
    assert sorted(_speakers(three)) == ["p3", "p5", "p9"]
    for name in names:
        stream.set_state(name, "ready")
    everybody = " ".join(f"@{name}" for name in names)
    assert len(stream.decide(_asked(2, everybody), bids).speakers) == MOST_MENTIONED


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@ada and @Bob: hello", {"ada", "bob"}),
        ("write to ada@bob.example", set()),
        ("> @ada said so\nI do not think so", set()),
        ("@@ada", set()),
        ("@code-review.", {"code-review"}),
        ("", set()),
    ],
)
def test_what_is_a_mention(text: str, named: set[str]) -> None:
    assert mentions(text) == named


def test_to_name_whom_one_answers_is_no_mention() -> None:
    stream = _stream("ada", "bob")
    event = _said(1, "ada", "thank you, @bob", answers="bob")
    assert _why(stream.decide(event, {"bob": Bid(0)}), "bob") == "unsure"
    event = _said(2, "ada", "thank you, @bob", answers="ann")
    assert _speakers(stream.decide(event, {"bob": Bid(0)})) == ["bob"]


def test_nobody_answers_itself() -> None:
    stream = _stream("ada")
    assert _why(stream.decide(_said(1, "ada", "@ada"), {"ada": Bid(1)}), "ada") == "spoke"


def test_who_speaks_is_not_given_a_second_turn() -> None:
    stream = _stream("ada")
    assert _speakers(stream.decide(_asked(1), {"ada": Bid(1)})) == ["ada"]
    assert stream.states() == {"ada": "running"}
    assert _why(stream.decide(_asked(2), {"ada": Bid(1)}), "ada") == "running"
    stream.spoke("ada", 2.5, to_human=True)
    assert _speakers(stream.decide(_asked(3), {"ada": Bid(1)})) == ["ada"]


def test_who_is_blocked_is_not_asked() -> None:
    stream = _stream("ada", "bob")
    stream.set_state("ada", "blocked")
    assert stream.asked(_asked(1)) == ["bob"]
    assert _why(stream.decide(_asked(1, "@ada"), {}), "ada") == "blocked"


def test_humans_are_heard_first() -> None:
    stream = _stream("ada")
    for number in range(5):
        stream.hear(_said(number, "bob"))
    stream.hear(_asked(9))
    heard = []
    while event := stream.next():
        heard.append(event.number)
    assert heard == [9, 0, 1, 2, 3, 4]


def test_stop_passes_every_queue_and_forgets_who_waited() -> None:
    stream = _stream("ada", "bob")
    stream.hear(_said(1, "bob"))
    stream.hear(_asked(2))
    bids = {"ada": Bid(1, 1), "bob": Bid(0.9)}
    stream.decide(_asked(3), bids)
    assert [event.number for event in stream.stop()] == [2, 1]
    assert stream.next() is None
    stream.set_state("ada", "ready")
    decision = stream.decide(_asked(4), bids)
    assert _speakers(decision) == ["ada"]
    assert decision.speakers[0].turn == decision.speakers[0].score * 129 / 256


def test_a_chain_of_answers_ends_and_a_human_begins_another() -> None:
    stream = _stream("ada", "bob", hops=2)
    assert _speakers(stream.decide(_said(1, "bob", hops=1), {"ada": Bid(1)})) == ["ada"]
    stream.spoke("ada", 1, to_human=False)
    assert _why(stream.decide(_said(2, "ada", "@bob", hops=2), {"bob": Bid(1)}), "bob") == "hops"
    assert _speakers(stream.decide(_asked(3), {"bob": Bid(1)})) == ["bob"]


def test_two_who_only_talk_to_each_other_wait_and_a_third_may_speak() -> None:
    stream = _stream("ada", "bob", "eve", hops=64)
    bids = {name: Bid(1) for name in ("ada", "bob")}
    for number, name in enumerate(["ada", "bob", "ada", "bob"]):
        stream.spoke(name, number, to_human=False)
    decision = stream.decide(_said(4, "bob", "@ada", hops=2), bids)
    assert _why(decision, "ada") == "ping-pong"
    assert stream.asked(_said(4, "bob", hops=2)) == ["eve"]
    stream.decide(_asked(5), {})
    assert _speakers(stream.decide(_said(6, "bob", hops=1), bids)) == ["ada"]


def test_messages_are_capped_by_minute_and_between_humans() -> None:
    stream = _stream("ada", "bob", per_minute=3, turns=5, hops=64, ping_pong=64)
    bid = {"ada": Bid(1), "bob": Bid(1)}

    def says(number: int) -> bool:
        decision = stream.decide(_said(number, "bob", "@ada", hops=1), bid)
        if decision.speakers:
            stream.spoke("ada", number, to_human=False)
        return bool(decision.speakers)

    assert [says(n) for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert [says(n) for n in (62, 63, 64)] == [True, True, False]
    assert not says(500)
    stream.decide(_asked(501), {})
    assert says(502)


def test_who_talks_much_to_others_rests_but_hears_humans_and_mentions() -> None:
    stream = _stream("ada", "bob", energy=2, rest_s=100, hops=64, ping_pong=64)
    for number in (8, 16):
        assert "ada" in stream.asked(_said(number, "bob"))
        stream.spoke("ada", number, to_human=False)
    assert stream.states() == {"ada": "sleeping", "bob": "ready"}
    assert stream.asked(_said(24, "bob")) == []
    assert stream.asked(_said(24, "bob", "@ada")) == ["ada"]
    assert stream.asked(_asked(25)) == ["ada", "bob"]
    assert stream.asked(_said(136, "bob")) == ["ada"]


def test_who_never_has_anything_to_say_is_asked_less_often_and_at_once_by_a_human() -> None:
    stream = _stream("ada", "bob")
    asked = []
    for number in range(1, 33):
        event = _said(number, "bob")
        if stream.asked(event):
            asked.append(number)
        stream.decide(event, {"ada": Bid(0)})
    assert asked == [1, 2, 4, 8, 16, 24, 32]
    assert stream.asked(_asked(33)) == ["ada", "bob"]


def test_the_clock_may_jump() -> None:
    stream = _stream("ada", per_minute=1)
    stream.spoke("ada", 1e9, to_human=False)
    assert stream.asked(_said(1, "bob")) == []  # a minute of the room's has not passed
    assert stream.asked(_asked(2, at=3)) == ["ada"]


@given(st.integers(2, 12), st.integers(1, 12), st.randoms(use_true_random=False))
def test_nobody_who_wants_to_speak_waits_longer_than_stated(
    n: int, ageing: int, chance: random.Random
) -> None:
    names = [f"p{i}" for i in range(n)]
    stream = ThoughtStream(Rules(ageing=ageing))
    for name in names:
        stream.join(name, chance.randrange(256))
    waits = dict.fromkeys(names, 0)
    for number in range(4 * (ageing + n)):
        bids = {name: Bid(chance.choice([0.5, 1, math.inf]), chance.random()) for name in names}
        (speaker,) = _speakers(stream.decide(_asked(number), bids))
        stream.spoke(speaker, number, to_human=True)
        waits = {name: 0 if name == speaker else waits[name] + 1 for name in names}
        assert max(waits.values()) <= ageing + n


@given(st.dictionaries(st.sampled_from("abcdefgh"), BIDS), st.integers(0, 5), st.randoms())
def test_the_order_in_which_bids_and_members_come_does_not_matter(
    bids: dict[str, Bid], seed: int, chance: random.Random
) -> None:
    names, other = sorted(bids), sorted(bids)
    chance.shuffle(other)
    shuffled = {name: bids[name] for name in other}
    assert _stream(*names, seed=seed).decide(_asked(1), bids) == _stream(*other, seed=seed).decide(
        _asked(1), shuffled
    ) or any(value != value for bid in bids.values() for value in bid)


@given(st.lists(BIDS, min_size=5, max_size=5), st.integers(1, 16))
def test_caps_hold_whatever_is_bid(all_bids: list[Bid], speakers: int) -> None:
    names = [f"p{i}" for i in range(5)]
    stream = _stream(*names, speakers=speakers)
    stream.mute("p0")
    decision = stream.decide(_asked(1), dict(zip(names, all_bids, strict=True)))
    assert len(decision.speakers) <= speakers
    assert "p0" not in _speakers(decision)
    assert {*_speakers(decision)} | {s.persona for s in decision.silences} == {*names}


@pytest.mark.parametrize("seed", range(10))
def test_no_loop_of_acknowledgements_in_a_hundred_random_rooms(seed: int) -> None:
    """All want to speak always, and thank and mention each other."""
    chance = random.Random(seed)
    for _ in range(100):
        names = [f"p{i}" for i in range(chance.randrange(2, 9))]
        rules = Rules(speakers=chance.randrange(1, 4), hops=chance.randrange(1, 20))
        stream = ThoughtStream(rules, seed)
        for name in names:
            stream.join(name)
        stream.hear(_asked(0))
        n_said, number = 0, 0
        while event := stream.next():
            bids = {name: Bid(chance.random() + 0.5, 1) for name in stream.asked(event)}
            for turn in stream.decide(event, bids).speakers:
                number, n_said = number + 1, n_said + 1
                stream.spoke(turn.persona, number / 10, to_human=event.human)
                other = chance.choice(names)
                stream.hear(
                    Event(
                        number,
                        turn.persona,
                        False,
                        f"Thanks, @{event.author} and @{other}!",
                        number / 10,
                        event.hops + 1,
                        event.author,
                    )
                )
        assert n_said <= rules.turns + rules.speakers - 1


def test_the_same_seed_decides_ties_alike_and_another_otherwise() -> None:
    names = [f"p{i}" for i in range(9)]
    bids = {name: Bid(1, 1) for name in names}
    chosen = [
        [_speakers(_stream(*names, seed=seed).decide(_asked(number), bids)) for number in range(9)]
        for seed in (1, 1, 2)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_among_near_ones_who_had_least_of_the_floor_speaks() -> None:
    stream = _stream("ada", "bob")
    bids = {"ada": Bid(0.801), "bob": Bid(0.8)}
    turns = []
    for number in range(6):
        (speaker,) = _speakers(stream.decide(_asked(number), bids))
        stream.spoke(speaker, number, to_human=True)
        turns.append(speaker)
    assert turns.count("ada") == turns.count("bob") == 3


def test_bad_rules_and_priorities_are_refused() -> None:
    with pytest.raises(ValidationError, match="speakers"):
        Rules(speakers=0)
    with pytest.raises(ValueError, match="0 to 255, not 256"):
        ThoughtStream().join("ada", 256)
