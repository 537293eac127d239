"""A seeded world around a market: messages get lost, doubled and late, and the power fails.

After TigerBeetle's simulator, in small: one process, one thread, a fake clock, every choice from
one seed, so that a failing seed fails again. Clients send their deeds with a key and repeat them
until an answer arrives. The server does what is waiting in one transaction, through the market's
own writer. Its machine may lose power

    before    the work is done but not committed
    after     it is committed but not answered
    torn      while it is being committed: only some of the log's new bytes are on disk, and the
              last of those may be noise

and comes back from a copy of the files as they were at that moment. Every answer is compared with
the model's, and so is everything stored, at the end and after every torn commit.
"""

import heapq
import random
from dataclasses import dataclass, field, replace
from itertools import count

from tests.support.proving.deed import Deed, Done, Outcome, Refused
from tests.support.proving.machine import Fate, Machine
from tests.support.proving.source import DeedSource

_FATES: tuple[Fate, ...] = ("before", "after", "torn", "none")


@dataclass(frozen=True, slots=True)
class Odds:
    """How often things go wrong: chances per message, and per transaction."""

    lost: float = 0.15
    doubled: float = 0.15
    before: float = 0.05
    after: float = 0.05
    torn: float = 0.08
    longest_delay_s: float = 20.0
    patience_s: float = 15.0
    """How long a client waits for an answer before it sends again."""


@dataclass(slots=True)
class Tally:
    """What happened in one world, to see that it was worth simulating."""

    answered: int = 0
    refused: int = 0
    repeated: int = 0
    power_cuts: int = 0


@dataclass(order=True, slots=True)
class _Message:
    """A deed on its way to the server, an answer on its way back, or a client's alarm clock."""

    at: float
    number: int
    client: int = field(compare=False)
    turn: int = field(compare=False)
    deed: Deed = field(compare=False)
    answer: Outcome | None = field(compare=False, default=None)
    alarm: bool = field(compare=False, default=False)

    @property
    def is_request(self) -> bool:
        """Whether it is on its way to the server."""
        return self.answer is None and not self.alarm


class World:
    """One seed's clients, network, clock and machine."""

    def __init__(
        self, seed: int, machine: Machine, *, n_clients: int = 3, n_deeds: int = 12, odds: Odds
    ) -> None:
        self._rng = random.Random(seed)
        self._machine, self._odds, self._n_deeds = machine, odds, n_deeds
        self._sources = [DeedSource(f"c{i}", self._rng) for i in range(n_clients)]
        self._turns = [0] * n_clients
        self._messages: list[_Message] = []
        self._numbers = count()
        self.tally = Tally()

    def run(self) -> Tally:
        """Live until every client has its answers.

        Raises:
            AssertionError: The ledger and its model disagree.
        """
        for client in range(len(self._sources)):
            self._ask(client, self._sources[client].next(self._machine.now))
        while self._messages:
            message = heapq.heappop(self._messages)
            self._machine.now = max(self._machine.now, message.at)
            if message.is_request:
                self._serve([message, *self._waiting()])
            else:
                self._client_hears(message)
        self._machine.check_everything()
        return self.tally

    def _serve(self, messages: list[_Message]) -> None:
        """Everything that has arrived, in one commit; then the answers go out, if it lived."""
        answers = self._machine.serve([one.deed for one in messages], self._fate())
        if answers is None:
            self.tally.power_cuts += 1
            return
        for message, answer in zip(messages, answers, strict=True):
            self._send(message, answer)

    def _waiting(self) -> list[_Message]:
        """Other deeds that arrived while the server was busy for a moment."""
        until = self._machine.now + self._rng.choice((0.0, 1.0, 5.0))
        ready = [one for one in self._messages if one.at <= until and one.is_request]
        for message in ready:
            self._messages.remove(message)
        heapq.heapify(self._messages)
        return sorted(ready)

    def _fate(self) -> Fate:
        odds = self._odds
        weights = (odds.before, odds.after, odds.torn, 1 - odds.before - odds.after - odds.torn)
        return self._rng.choices(_FATES, weights)[0]

    def _client_hears(self, message: _Message) -> None:
        client = message.client
        if message.turn != self._turns[client]:
            return  # late: an answer known already, or an alarm for it
        if message.alarm:
            self.tally.repeated += 1
            self._ask(client, message.deed)
            return
        self.tally.answered += isinstance(message.answer, Done)
        self.tally.refused += isinstance(message.answer, Refused)
        self._turns[client] += 1
        if self._turns[client] < self._n_deeds:
            self._ask(client, self._sources[client].next(self._machine.now))

    def _ask(self, client: int, deed: Deed) -> None:
        request = _Message(0.0, 0, client, self._turns[client], deed)
        self._send(request, None)
        alarm_at = self._machine.now + self._odds.patience_s
        self._post(replace(request, alarm=True, at=alarm_at))

    def _send(self, message: _Message, answer: Outcome | None) -> None:
        """Over the network: lost, once or twice, each copy with its own delay."""
        copies = 0 if self._rng.random() < self._odds.lost else 1
        copies += self._rng.random() < self._odds.doubled
        for _ in range(copies):
            delay_s = self._rng.random() ** 3 * self._odds.longest_delay_s
            self._post(replace(message, answer=answer, at=self._machine.now + delay_s))

    def _post(self, message: _Message) -> None:
        heapq.heappush(self._messages, replace(message, number=next(self._numbers)))
