"""A conversation of humans and personas: one message in, the chosen answers out.

perceive (the log), understand (bids), coordinate (`ThoughtStream`), generate, act (say it); what a
persona answers is heard by the others in turn, until nobody has anything to say or the room's rules
end it. Nothing of a room is kept in memory: who says something goes on from its log, so that
several processes can be in one room, and what was decided can be decided again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from operator import itemgetter
from typing import Any, NamedTuple, Protocol
from zlib import crc32

from genome.errors import GenomeError
from persona.errors import PersonaError
from persona.room.log import MOST_CHARACTERS, RoomLog
from persona.room.thought_stream import Bid, Decision, Event, ThoughtStream
from persona.stream import Answer

REMEMBERED = 200
"""Messages from which waiting, rest and fair shares are reckoned."""
HEARD = 40
"""Of those that a persona heard, told to it at most."""
STOP = ("stop", "/stop")
"""A human's message that ends every turn."""
LOOKS_S = 0.1
"""Between two looks whether somebody said so elsewhere."""


class Minds(Protocol):
    """What personas think and say."""

    def bid(self, persona: str, text: str) -> Bid:
        """What it thinks of its answer to a message."""

    def begin(self, persona: str, turns: Sequence[Mapping[str, Any]], seed: int) -> Answer:
        """Its answer to a conversation, as it comes; the same seed draws the same words."""


class Piece(NamedTuple):
    """Some of an answer."""

    author: str
    text: str


class Failed(NamedTuple):
    """An answer that was not given, or not to its end."""

    author: str
    why: str


What = Event | Decision | Piece | Failed


class Room:
    """One room, for those of one process."""

    def __init__(self, log: RoomLog, name: str, minds: Minds) -> None:
        """
        Raises:
            RoomError: There is no such room.
        """
        self.log, self.name, self.minds = log, name, minds
        self.rules, self.seed = log.rules(name)

    def say(self, author: str, text: str) -> Iterator[What]:
        """Say something as a human, and hear what comes of it: messages, decisions, answers.

        Who stops reading stops them all.

        Raises:
            RoomError: It cannot be said.
        """
        said = self.log.add(self.name, author, text)
        yield said
        if _is_stop(said):
            return
        thoughts = self.thoughts(said.number)
        thoughts.hear(said)
        newest = said.number
        while event := thoughts.next():
            bids = {}
            for name in thoughts.asked(event):
                with suppress(PersonaError, GenomeError):  # no bid: it cannot answer now
                    bids[name] = self.minds.bid(name, event.text)
            decision = thoughts.decide(event, bids)
            self.log.decided(self.name, decision, bids, seen=newest)
            yield decision
            for what in self._answers(event, decision):
                yield what
                if isinstance(what, Event):
                    newest = what.number
                    thoughts.spoke(what.author, what.at, to_human=event.human)
                    thoughts.hear(what)
                elif isinstance(what, Failed):
                    thoughts.set_state(what.author, "ready")
            if self._stopped(said.number):
                thoughts.stop()

    def thoughts(self, number: int, seen: int | None = None) -> ThoughtStream:
        """As they were when a message was decided on.

        Args:
            seen: The newest message at that time; None = that one.
        """
        thoughts = ThoughtStream(self.rules, self.seed)
        for member in self.log.members(self.name):
            if not member.human:
                thoughts.join(member.name)
                thoughts.mute(member.name, member.muted)
        steps: list[tuple[tuple[int, int], Event | Decision]] = []
        for message in self.log.messages(self.name, after=max(0, number - REMEMBERED - 1)):
            steps.append(((message.event.number, 0), message.event))
            if message.decision:
                steps.append(((message.seen, message.event.number), message.decision))
        for place, step in sorted(steps, key=itemgetter(0)):
            if place >= (number if seen is None else seen, number):
                break
            if isinstance(step, Decision):
                thoughts.recall(step)
            elif _is_stop(step):
                thoughts.stop()
            else:
                thoughts.passed(step)
        return thoughts

    def turns(self, persona: str) -> list[dict[str, str]]:
        """What a persona heard, as it is told to it: its own words are the assistant's."""
        turns: list[dict[str, str]] = []
        heard = self.log.heard_by(self.name, persona, last=HEARD)
        several = len({event.author for event in heard} - {persona}) > 1
        for event in heard:
            own = event.author == persona
            role = "assistant" if own else "user"
            text = event.text if own or not several else f"{event.author}: {event.text}"
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] += f"\n{text}"
            elif turns or not own:
                turns.append({"role": role, "content": text})
        return turns

    def _answers(self, event: Event, decision: Decision) -> Iterator[Event | Piece | Failed]:
        """What those chosen say, begun at once and told one after the other."""
        begun, deadline = {}, time.monotonic() + self.rules.lease_s
        with ExitStack() as stack:
            for turn in decision.speakers:
                try:
                    seed = crc32(f"{self.seed} {event.number} {turn.persona}".encode())
                    answer = self.minds.begin(turn.persona, self.turns(turn.persona), seed)
                    begun[turn.persona] = stack.enter_context(closing(answer))
                except (PersonaError, GenomeError) as error:
                    yield Failed(turn.persona, str(error))
            for name, answer in begun.items():
                yield from self._heard(event, name, answer, deadline)

    def _heard(
        self, event: Event, name: str, answer: Answer, deadline: float
    ) -> Iterator[Event | Piece | Failed]:
        """One answer to its end; what was said is kept, however it ended."""
        text, why, looked = "", "", time.monotonic()
        try:
            for what in answer:
                text += what.text
                if what.text:
                    yield Piece(name, what.text)
                now = time.monotonic()
                if len(text) > MOST_CHARACTERS:
                    text, why = text[:MOST_CHARACTERS], "it went on for too long"
                elif now > deadline:
                    why = f"its {self.rules.lease_s:g} s are over"
                elif now - looked > LOOKS_S:
                    looked, why = now, "stopped" if self._stopped(event.number) else ""
                if why:
                    break
        except (PersonaError, GenomeError) as error:
            why = str(error)
        except GeneratorExit:  # nobody listens any more
            self._keep(event, name, text)
            raise
        answer.close()
        try:
            if kept := self._keep(event, name, text):
                yield kept
        except PersonaError as error:  # it has left meanwhile, or the disk is full
            why = str(error)
        if why or not text.strip():
            yield Failed(name, why or "had nothing to say")

    def _keep(self, event: Event, name: str, text: str) -> Event | None:
        if not text.strip():
            return None
        return self.log.add(self.name, name, text, hops=event.hops + 1, answers=event.author)

    def _stopped(self, after: int) -> bool:
        """Whether a human said so since."""
        return any(_is_stop(m.event) for m in self.log.messages(self.name, after=after))


def _is_stop(event: Event) -> bool:
    return event.human and event.text.strip().strip(".!").casefold() in STOP
