"""Who speaks next in a room, and why everybody else is silent.

Deterministic: the same rules, seed, events and bids make the same decisions, in whatever order bids
arrive. Nothing here reads a clock or a model; what a persona says of itself may be garbage, and the
limits hold all the same.

Score of a bid, in [0, 1]: .4 confidence + .3 relevance + .2 quickness + .1 thrift, each in [0, 1].
(Its origin adds confidence to 1/ms, which lies between 0 and .001, and raises by age a priority
that the score does not contain.) What decides is

    turn = score * (priority + 1) / 256 + waits / ageing

with waits the decisions in a row in which it wanted to speak and was not let. Turns that lie in the
same twentieth are a tie, won by who has had least of the floor. So whoever goes on wanting to speak
does so after at most ageing + n decisions, n personas being in the room, those apart that
mentions decide: the first `ageing + 1` let anybody overtake, after them everyone can once.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple
from zlib import crc32

from pydantic import BaseModel as Checked
from pydantic import ConfigDict, Field

HALF_S = 4.0
"""Seconds to an answer's first token at which quickness is a half."""
HALF_TOKENS = 256.0
"""Tokens that an answer takes at which thrift is a half."""
NEAR = 0.05
"""Turns this close are a tie."""
REMEMBERED = 20
"""Turns of the floor that count for a tie."""
MOST_MENTIONED = 16
"""Who may answer a human that names them all, however few may answer otherwise."""
MOST_IGNORED = 3
"""Who was silent of its own accord is asked at every second, fourth, at last eighth message of
another persona; a human, or a mention, is heard at once."""
MENTION = re.compile(r"(?<![\w@])@([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)

State = Literal["ready", "running", "blocked", "sleeping"]
Why = Literal[
    "muted",
    "spoke",
    "running",
    "blocked",
    "hops",
    "too many",
    "ping-pong",
    "sleeping",
    "unsure",
    "outscored",
]
SAID: dict[Why, str] = {
    "muted": "muted",
    "spoke": "said this",
    "running": "speaking",
    "blocked": "cannot answer now",
    "hops": "long enough without a human",
    "too many": "said enough until a human speaks",
    "ping-pong": "long enough between two",
    "sleeping": "resting",
    "unsure": "not sure enough",
    "outscored": "outscored",
}


class Rules(Checked):
    """Of a room.

    Raises:
        pydantic.ValidationError: A value is out of its bounds; it names which.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    speakers: Annotated[int, Field(ge=1, le=16)] = 1
    """Who may answer one message."""
    least: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Confidence below which a persona keeps silent unless it is mentioned."""
    someone: bool = True
    """Whether the best answers a human's message if nobody is sure."""
    hops: Annotated[int, Field(ge=0, le=64)] = 4
    """Answers to answers in a row without a human's message in between."""
    turns: Annotated[int, Field(ge=1, le=1000)] = 12
    """Messages of personas between two of humans."""
    per_minute: Annotated[int, Field(ge=1, le=1000)] = 30
    """Messages of personas in any minute, counted anew from a human's message."""
    ping_pong: Annotated[int, Field(ge=2, le=64)] = 4
    """Messages in a row by the same two, taking turns, after which both wait."""
    ageing: Annotated[int, Field(ge=1, le=20)] = 8
    """Decisions after which who waits outdoes whoever does not."""
    energy: Annotated[float, Field(ge=1, le=1000)] = 8.0
    """Messages to other personas before one rests."""
    rest_s: Annotated[float, Field(gt=0, le=86_400)] = 15.0
    """Seconds in which one of them is regained."""
    lease_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """How long an answer may take."""


class Event(NamedTuple):
    """A message, as those hear it who may answer."""

    number: int
    """In the room, rising."""
    author: str
    human: bool
    text: str = ""
    at: float = 0.0
    """Room's time in seconds, which never goes back."""
    hops: int = 0
    """Answers since a human's message: 0 = it is one."""
    answers: str = ""
    """Whose message it answers; naming that one is no mention."""


class Bid(NamedTuple):
    """What a persona says of its answer before there is one; out of bounds counts as the bound."""

    confidence: float
    """That it would be right, in [0, 1]."""
    relevance: float = 0.0
    """How near the message is to what it knows, in [0, 1]."""
    latency_s: float = 0.0
    """To its first token."""
    tokens: float = 0.0
    """That it expects to take."""
    own: float | None = None
    """Its own confidence, where outcomes have changed it."""

    def score(self) -> float:
        """In [0, 1]."""
        quickness = HALF_S / (HALF_S + _positive(self.latency_s))
        thrift = HALF_TOKENS / (HALF_TOKENS + _positive(self.tokens))
        own = 0.4 * unit(self.confidence) + 0.3 * unit(self.relevance)
        return own + 0.2 * quickness + 0.1 * thrift


class Turn(NamedTuple):
    """Somebody who may speak."""

    persona: str
    turn: float
    score: float
    mentioned: bool
    until: float
    """Room's time at which its lease ends."""


class Silence(NamedTuple):
    """Somebody who may not, or would not."""

    persona: str
    why: Why
    turn: float | None = None
    """None where it was not asked."""


class Decision(NamedTuple):
    """Who answers a message, and why nobody else does."""

    event: int
    speakers: tuple[Turn, ...]
    silences: tuple[Silence, ...]
    margin: float | None
    """From the last of those chosen by score to the best of those outscored; None = no contest."""

    def line(self) -> str:
        """For people."""
        chosen = ", ".join(
            f"{t.persona} ({'mentioned' if t.mentioned else f'{t.turn:.2f}'})"
            for t in self.speakers
        )
        silent: dict[str, list[str]] = {}
        for name, why, turn in self.silences:
            shown = name if turn is None else f"{name} ({turn:.2f})"
            silent.setdefault(SAID[why], []).append(shown)
        reasons = "".join(f"; {why}: {', '.join(names)}" for why, names in silent.items())
        return f"{chosen or 'nobody'} speaks{reasons}"

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Decision:
        """From `facts`."""
        speakers = tuple(Turn(**turn) for turn in facts["speakers"])
        silences = tuple(Silence(**silence) for silence in facts["silences"])
        return cls(facts["event"], speakers, silences, facts["margin"])

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "event": self.event,
            "speakers": [turn._asdict() for turn in self.speakers],
            "silences": [silence._asdict() for silence in self.silences],
            "margin": self.margin,
            "line": self.line(),
        }


@dataclass(slots=True)
class _Member:
    """What is known of one persona in the room."""

    name: str
    priority: int
    muted: bool = False
    state: State = "ready"
    waits: int = 0
    energy: float = 0.0
    energy_at: float = 0.0
    ignored: int = 0
    """Messages in a row that it had nothing to say to."""
    of_floor: int = 0
    """Of the last turns."""

    known_as: str = ""
    """As it is mentioned."""
    encoded: bytes = b""


class _Heard(NamedTuple):
    """What a message means for everybody."""

    mentioned: Collection[str]
    limit: Why | None
    """What forbids all personas to answer."""
    ping_pong: Collection[str]


class ThoughtStream:
    """The turns of one room."""

    def __init__(self, rules: Rules | None = None, seed: int = 0) -> None:
        self.rules = rules or Rules()
        self.seed = seed
        self._members: dict[str, _Member] = {}
        self._humans: deque[Event] = deque()
        self._others: deque[Event] = deque()
        self._floor: deque[str] = deque(maxlen=REMEMBERED)
        self._spoken: deque[tuple[float, str]] = deque()
        """When, and by whom: messages of personas since the last human's."""
        self._now = 0.0

    # -- who is here -----------------------------------------------------------------------

    def join(self, name: str, priority: int = 128) -> None:
        """Let a persona take part.

        Args:
            priority: 0 to 255; higher is sooner.

        Raises:
            ValueError: It is not.
        """
        if not 0 <= priority <= 255:
            raise ValueError(f"a priority is 0 to 255, not {priority}")
        own = _Member(
            name,
            priority,
            energy=self.rules.energy,
            energy_at=self._now,
            known_as=name.casefold(),
            encoded=name.encode(),
        )
        self._members = dict(sorted({**self._members, name: own}.items()))

    def leave(self, name: str) -> None:
        """Nothing more is asked of it."""
        self._members.pop(name, None)

    def mute(self, name: str, on: bool = True) -> None:
        """Absolute: a mention does not help."""
        self._members[name].muted = on

    def set_state(self, name: str, state: State) -> None:
        """Whether it can answer: `blocked` is for what waits for something else."""
        if name in self._members:
            self._members[name].state = state

    def states(self) -> dict[str, State]:
        """Of all, for a screen; who has no energy left is sleeping."""
        return {m.name: self._state(m) for m in self._members.values()}

    def _state(self, member: _Member) -> State:
        tired = member.state == "ready" and self._energy(member) < 1
        return "sleeping" if tired else member.state

    # -- what waits to be heard ------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Queue a message: humans have a queue of their own, which goes first."""
        (self._humans if event.human else self._others).append(event)

    def next(self) -> Event | None:
        """The message to be decided on now."""
        queue = self._humans or self._others
        return queue.popleft() if queue else None

    def stop(self) -> list[Event]:
        """Forget all that waits, and all who do; returns what is not answered any more."""
        left = [*self._humans, *self._others]
        self._humans.clear()
        self._others.clear()
        for member in self._members.values():
            member.waits = 0
        return left

    # -- the decision ----------------------------------------------------------------------

    def asked(self, event: Event) -> list[str]:
        """Whose bids are worth having, by name; the others' silence costs nothing."""
        heard = self._heard(event)
        return [m.name for m in self._members.values() if self._barred(m, event, heard) is None]

    def decide(self, event: Event, bids: Mapping[str, Bid]) -> Decision:
        """Give the turns of a message.

        Args:
            bids: Of those `asked`; who does not bid cannot answer now.
        """
        heard, rules = self._heard(event), self.rules
        chance = crc32(f"{self.seed} {event.number} ".encode())
        silences: list[Silence] = []
        willing: list[tuple[tuple[Any, ...], float, float, _Member]] = []
        unsure: list[tuple[tuple[Any, ...], float, float, _Member]] = []
        for member in self._members.values():
            name = member.name
            if why := self._barred(member, event, heard):
                silences.append(Silence(name, why))
                continue
            bid, named = bids.get(name), name in heard.mentioned
            score = bid.score() if bid else 0.0
            turn = score * (member.priority + 1) / 256 + member.waits / rules.ageing
            tie = crc32(member.encoded, chance)
            order = (not named, -math.floor(turn / NEAR), member.of_floor, -turn, tie, name)
            if named or (bid and unit(bid.confidence) >= rules.least):
                willing.append((order, turn, score, member))
            elif bid and event.human and rules.someone:
                unsure.append((order, turn, score, member))
            else:
                silences.append(Silence(name, "unsure", turn) if bid else Silence(name, "blocked"))
        if not willing and unsure:
            willing.append(unsure.pop(unsure.index(min(unsure, key=itemgetter(0)))))
        silences += [Silence(member.name, "unsure", turn) for _, turn, _, member in unsure]
        willing.sort(key=itemgetter(0))
        room = self._room(event)
        if event.human:
            room = max(room, min(len(heard.mentioned), MOST_MENTIONED))
        until = event.at + rules.lease_s
        speakers = tuple(
            Turn(member.name, turn, score, member.name in heard.mentioned, until)
            for _, turn, score, member in willing[:room]
        )
        silences += [Silence(m.name, "outscored", turn) for _, turn, _, m in willing[room:]]
        contest = [one.turn for one in speakers if not one.mentioned]
        margin = contest[-1] - willing[room][1] if contest and willing[room:] else None
        decision = Decision(event.number, speakers, tuple(silences), margin)
        self.recall(decision)
        for turn_ in speakers:
            self.set_state(turn_.persona, "running")
        return decision

    def recall(self, decision: Decision) -> None:
        """Go on from a decision: who waits, and who has nothing to say."""
        for turn in decision.speakers:
            if member := self._members.get(turn.persona):
                member.waits, member.ignored = 0, 0
        for name, why, _ in decision.silences:
            member = self._members.get(name)
            if member and why == "outscored":
                member.waits, member.ignored = member.waits + 1, 0
            elif member and why == "unsure":
                member.waits, member.ignored = 0, member.ignored + 1

    def spoke(self, name: str, at: float, *, to_human: bool) -> None:
        """A turn is over, and something was said."""
        self._now = max(self._now, at)
        self._spoken.append((self._now, name))
        if len(self._floor) == REMEMBERED and (first := self._members.get(self._floor[0])):
            first.of_floor -= 1
        self._floor.append(name)
        if member := self._members.get(name):
            member.of_floor += 1
            member.energy = max(0.0, self._energy(member) - (not to_human))
            member.energy_at = self._now
        self.set_state(name, "ready")

    def passed(self, event: Event) -> None:
        """Go on from a message that was said before."""
        self._heard(event)
        if not event.human:
            self.spoke(event.author, event.at, to_human=event.hops == 1)

    def _heard(self, event: Event) -> _Heard:
        self._now = max(self._now, event.at)
        if event.human:
            self._spoken.clear()
        named = mentions(event.text) - (set() if event.human else {event.answers.casefold()})
        mentioned = {m.name for m in self._members.values() if m.known_as in named} if named else ()
        limit: Why | None = None
        if not event.human and event.hops >= self.rules.hops:
            limit = "hops"
        elif not self._room(event):
            limit = "too many"
        return _Heard(mentioned, limit, self._ping_pong())

    def _room(self, event: Event) -> int:
        """How many may speak now."""
        if event.human:
            return self.rules.speakers
        left = self.rules.turns - len(self._spoken) - self._n_running()
        return max(0, min(self.rules.speakers, left, self._left_this_minute()))

    def _n_running(self) -> int:
        return sum(m.state == "running" for m in self._members.values())

    def _left_this_minute(self) -> int:
        since = self._now - 60
        recent = sum(at > since for at, _ in self._spoken)
        return self.rules.per_minute - recent - self._n_running()

    def _ping_pong(self) -> Collection[str]:
        """The two who have taken turns until now, if for too long."""
        n = self.rules.ping_pong
        last = [self._spoken[-1 - i][1] for i in range(n)] if len(self._spoken) >= n else []
        taking_turns = len({*last}) == 2 and all(a != b for a, b in pairwise(last))
        return last if taking_turns else ()

    def _barred(self, member: _Member, event: Event, heard: _Heard) -> Why | None:
        """Why a persona cannot speak now, whatever it would say."""
        if member.muted:
            return "muted"
        if member.name == event.author:
            return "spoke"
        if heard.limit:
            return heard.limit
        if member.state != "ready":
            return "blocked" if member.state == "blocked" else "running"
        if event.human:
            return None
        if member.name in heard.ping_pong:
            return "ping-pong"
        if member.name in heard.mentioned:
            return None
        every = 1 << min(member.ignored, MOST_IGNORED)
        if event.number % every or self._energy(member) < 1:
            return "sleeping"
        return None

    def _energy(self, member: _Member) -> float:
        rested = (self._now - member.energy_at) / self.rules.rest_s
        return min(self.rules.energy, member.energy + rested)


def mentions(text: str) -> set[str]:
    """Names behind an @, in small letters; those in quoted lines (`> `) are somebody else's."""
    own = "\n".join(line for line in text.splitlines() if not line.startswith(">"))
    return {name.rstrip("._-").casefold() for name in MENTION.findall(own)}


def unit(number: float) -> float:
    """Within [0, 1]; what is no number is 0."""
    return min(1.0, max(0.0, number)) if number == number else 0.0


def _positive(number: float) -> float:
    """At least 0; what is no number is infinite."""
    return max(0.0, number) if number == number else math.inf
