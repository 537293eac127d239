"""Who answers in one home, outside a server: backends and bases, each opened once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from economy.revocations import refuse_revoked
from genome.base_model import BaseModel
from genome.errors import LibraryError, TooLongError
from genome.genome import Genome
from genome.library import Library
from genome.shelf.search_shelf import Found
from marketplace.errors import ProvenanceError
from persona.backend import Backend
from persona.backends import Backends
from persona.engine import Engine
from persona.errors import PersonaError
from persona.persona import Persona, PersonaStore
from persona.room.calibration import Calibration, Outcome
from persona.room.log import RoomLog
from persona.room.thought_stream import Bid
from persona.stream import Answer
from seeds.bases import load_base_of


class Answering:
    """Who answers in one command: backends and bases, each opened once."""

    def __init__(self, home: Path, reference: str | None = None) -> None:
        """
        Args:
            reference: The base that a person names instead of a persona's own.
        """
        self.home, self.reference = home, reference
        self.base = cache(self._base)
        self.library = Library.open(home)
        self._encoder = cache(lambda fingerprint: self.library.encoder(self.base(fingerprint)))
        self._opened: dict[str, Backend] = {}

    def _base(self, fingerprint: str) -> BaseModel:
        return load_base_of(self.home, fingerprint, self.reference, to_answer=True)

    def of(self, persona: Persona) -> tuple[Backend, Genome]:
        """What answers for a persona, and with what.

        Raises:
            ProvenanceError: A market revoked one of its layers.
        """
        refuse_revoked(self.home, persona.layers)
        if persona.layers or not persona.backend:
            genome = persona.genome(self.library)
        else:
            genome = Genome(persona.base_model)
        if not persona.backend:
            genome = genome.on(self.base(persona.base_model).fingerprint)
        return self.backend(persona.backend, persona.base_model), genome

    def assembled(self, persona: Persona, message: str) -> tuple[Backend, Genome, Found | None]:
        """The same for one message: with the layer that knows most of it, if that one is sure.

        It is applied first, as what is of a domain is; who has it already is as it was.
        """
        backend, genome = self.of(persona)
        own = persona.base_model
        if not persona.retrieves or persona.backend or not self.library.encoder_id(own):
            return backend, genome, None
        for match in self.nearest(own, message):
            if match.similarity < self.library.clear_match(own):
                break
            with suppress(ProvenanceError, LibraryError):  # revoked, or gone meanwhile: the next
                if match.digest not in persona.layers:
                    refuse_revoked(self.home, [match.digest])
                    layers = (self.library.get(match.digest), *genome.layers)
                    genome = Genome(genome.base_model, layers, (1.0, *genome.weights))
                return backend, genome, match
        return backend, genome, None

    def nearest(
        self, fingerprint: str, message: str, among: Collection[str] | None = None
    ) -> list[Found]:
        """Layers of a base that know most of a message, likeliest first.

        Args:
            among: Digests allowed; None = all.

        Raises:
            LibraryError: Nothing was indexed yet.
        """

        def search() -> list[Found]:
            return self.library.search(
                message,
                encoder=self._encoder(fingerprint),
                base_model=fingerprint,
                among=among,
                unbound=True,
                k=8,
            )

        engine = self._opened.get(fingerprint)  # whose the base is, but for between two tokens
        return engine.between_tokens(search).result() if isinstance(engine, Engine) else search()

    def messages(self, persona: Persona, turns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A conversation as it is put to a persona."""
        if not persona.system:
            return list(turns)
        seen = bool(persona.backend) or self.base(persona.base_model).has_system_role
        return persona.messages(turns, system_role=seen)

    def backend(self, name: str, fingerprint: str = "") -> Backend:
        """The one of this name; of none, the engine on a base."""
        key = name or fingerprint
        if key not in self._opened:
            if name:
                self._opened[key] = Backends(self.home).open(name, self.base)
            else:
                self._opened[key] = Engine(self.base(fingerprint))
        return self._opened[key]

    def close(self) -> None:
        """Close what was opened."""
        for backend in self._opened.values():
            backend.close()


USUAL = {"temperature": 0.7, "max_tokens": 256, "top_p": 0.95}
"""How a persona speaks in a conversation where neither its file nor a person says."""
UNKNOWN = Bid(confidence=0.4, relevance=0.0, latency_s=1.0, tokens=64)
"""Of a persona of which nothing is known that bears on a message."""


class HomeMinds:
    """What the personas of a home think of a message, and say to it (`persona.room.Minds`).

    Both come from the layer of its own that is nearest to the message. Confidence is the share of
    right answers in that layer's best exam, less so far as search is not sure of it. Relevance is
    0 where it is not similar at all, 1/2 where search begins to be sure, 1 where it is the same.
    Confidences are then calibrated by what answers in this home's rooms were worth.
    """

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self._store, self._log = PersonaStore(answering.home), RoomLog(answering.home)
        self._outcomes: list[Outcome] = []
        self._calibration = Calibration()

    def bid(self, name: str, text: str) -> Bid:
        """What one thinks of its answer, before there is one."""
        if (outcomes := self._log.outcomes()) != self._outcomes:
            self._outcomes, self._calibration = outcomes, Calibration.of(outcomes)
        own = self._own_bid(name, text)
        believed = self._calibration.probability(own.confidence) if outcomes else own.confidence
        return own._replace(confidence=believed, own=own.confidence)

    def _own_bid(self, name: str, text: str) -> Bid:
        persona, library = self._store.load(name), self.answering.library
        own = persona.base_model
        if persona.backend or not library.encoder_id(own):
            return UNKNOWN
        among = None if persona.retrieves else persona.layers
        found = self.answering.nearest(own, text, among) if among is None or among else []
        if not found:
            return UNKNOWN
        near, sure = found[0].similarity, library.clear_match(own)
        relevance = near / sure / 2 if near < sure else (1 + (near - sure) / (1 - sure)) / 2
        exams = [r.n_correct / r.n_questions for r in found[0].manifest.receipts if r.n_questions]
        confidence = max(exams, default=0.5) * min(1.0, near / sure)
        return UNKNOWN._replace(confidence=confidence, relevance=relevance)

    def begin(self, name: str, turns: Sequence[Mapping[str, Any]], seed: int) -> Answer:
        """One's answer; what was said first is left out where there is no room for it.

        Raises:
            PersonaError, GenomeError: There is none; says why.
        """
        persona, said = self._store.load(name), [dict(turn) for turn in turns]
        sampling = persona.sampled(**{**USUAL, **persona.sampling, "seed": seed})
        try:
            backend, genome, _ = self.answering.assembled(persona, said[-1]["content"])
        except ProvenanceError as error:
            raise PersonaError(str(error)) from None
        sampling = backend.prepare(sampling)
        while True:
            try:
                return backend.stream(genome, self.answering.messages(persona, said), sampling)
            except TooLongError:
                if len(said) < 3:
                    raise
                del said[:2]
