"""Which genome a request means by `model`.

ada                               a persona
smollm2                           the base alone
smollm2+sorter@2+0.5*polite       layers on it, first applied first, each with a weight or as is
auto                              the layer that knows most of this message; the base if none does
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from economy.revocations import refuse_revoked
from genome.base_model import BaseModel
from genome.errors import GenomeError, LibraryError
from genome.genome import Genome
from genome.library import Library
from genome.search.index_filter import Filter
from marketplace.errors import ProvenanceError
from persona.errors import PersonaError, PersonaNotFoundError
from persona.persona import Persona, PersonaStore
from persona.sampling import Sampling

AUTO = "auto"
MOST_LAYERS = 8
MOST_WEIGHT = 100
"""Of a layer that a request names."""


class ModelNotFoundError(PersonaError):
    """A request names nobody who answers here."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Who is to answer."""

    name: str
    genome: Genome
    listings: tuple[str, ...] = ()
    """Of a market: what a message is charged by."""
    why: dict[str, Any] | None = None
    """Of `auto`: which layer was chosen, and by what."""
    backend: str = ""
    """What computes it; empty = the engine."""
    persona: Persona | None = None
    """None = layers or a base by name."""

    def told(self, turns: Sequence[dict[str, Any]], base: BaseModel) -> list[dict[str, Any]]:
        """A conversation with what a persona is told to be before it."""
        if self.persona is None or not self.persona.system:
            return list(turns)
        seen = bool(self.backend) or base.has_system_role
        return self.persona.messages(turns, system_role=seen)

    def taking_up(self, found: Meant) -> Meant:
        """A persona with the layer that `auto` found, applied first, unless it has that already."""
        own, new = self.genome, found.genome.layers
        if new and new[0].digest not in {layer.digest for layer in own.layers}:
            own = Genome(own.base_model, (*new, *own.layers), (1.0, *own.weights))
        listings = tuple(sorted({*self.listings, *found.listings}))
        return replace(self, genome=own, listings=listings, why=found.why)

    def speaking(self, asked: Sampling, chosen: Collection[str]) -> Sampling:
        """How a persona speaks where a request does not choose.

        Args:
            chosen: Fields of `Sampling` that it chose.
        """
        if self.persona is None or not self.persona.sampling:
            return asked
        own = self.persona.sampled()
        names = {*self.persona.sampling} - {*chosen}
        return asked.model_copy(update={name: getattr(own, name) for name in names})


class Names:
    """Everybody who answers on one base in one home."""

    def __init__(
        self, home: Path, base: BaseModel, name: str, revoked: Callable[[Sequence[str]], Any]
    ) -> None:
        """
        Args:
            name: What the base is called here.
            revoked: Is told of layers that must not be used any more.
        """
        self.home, self.base, self.base_name = home, base, name
        self.library, self.personas = Library.open(home), PersonaStore(home)
        self._revoked = revoked
        self._encoder: tuple[str, Any] = ("", None)
        self._lock = threading.Lock()

    def every(self) -> list[dict[str, Any]]:
        """Facts of each, the base first; personas on other bases are left out."""
        facts = [self._facts(self.base_name, "the base alone", (), ())]
        for name, persona in self._readable():
            if persona.backend or persona.base_model == self.base.fingerprint:
                own = self._facts(name, persona.description, persona.layers, persona.weights)
                facts.append(own | self._elsewhere_facts(persona))
        if self.library.encoder_id(self.base.fingerprint):
            facts.append(self._facts(AUTO, "whoever knows most of the message", (), ()))
        return facts

    def _readable(self) -> Iterator[tuple[str, Persona]]:
        """Every persona but those whose file is spoilt: whoever asks for one is told."""
        for name in self.personas.names():
            with suppress(PersonaError):
                yield name, self.personas.load(name)

    def _sold(self, digests: Sequence[str]) -> tuple[str, ...]:
        """What a message is charged by where layers are named: a price is not asked around."""
        found = {p.listing for _, p in self._readable() if p.listing and {*p.layers} & {*digests}}
        return tuple(sorted(found))

    def _facts(
        self, name: str, description: str, layers: Sequence[str], weights: Sequence[float]
    ) -> dict[str, Any]:
        known = [digest for digest in layers if digest in self.library]
        parents = {p.digest for d in known for p in self.library.manifest(d).parents}
        return {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": "continuum",
            "description": description,
            "base": self.base_name,
            "fingerprint": self.base.fingerprint,
            "layers": list(layers),
            "weights": list(weights) or [1.0] * len(layers),
            "parents": sorted(parents),
            "max_model_len": self.base.positions,
        }

    def _elsewhere_facts(self, persona: Persona) -> dict[str, Any]:
        """What is otherwise of a persona that stands on a backend."""
        if not persona.backend:
            return {}
        if persona.base_model == self.base.fingerprint:
            return {"backend": persona.backend}
        known = self.library.bases.names().get(persona.base_model, persona.base_model)
        unknown = {"base": known or None, "fingerprint": persona.base_model or None}
        return {"backend": persona.backend, "max_model_len": None, **unknown}

    def meant(self, model: str) -> Meant:
        """Who is meant by any name but `auto`.

        Raises:
            ModelNotFoundError: Nobody; the nearest names are told.
            ProvenanceError: A market revoked one of the layers.
            GenomeError: A layer is not here, or is of another base.
        """
        base, *parts = model.split("+")
        if parts:
            if base not in (self.base_name, self.base.fingerprint):
                raise ModelNotFoundError(f"the base here is {self.base_name}, not {base!r}")
            weights, names = zip(*map(_weighed, parts), strict=True)
            digests = tuple(self.library.resolve(name) for name in names)
            if len({*digests}) < len(digests) or len(digests) > MOST_LAYERS:
                raise ModelNotFoundError(
                    f"a model is {MOST_LAYERS} different layers at most, {len(digests)} are named:"
                    " give each once, with its weight"
                )
            return Meant(model, self._genome(digests, weights), self._sold(digests))
        if model in (self.base_name, self.base.fingerprint):
            return Meant(model, Genome(self.base.fingerprint))
        try:
            persona = self.personas.load(model)
        except PersonaNotFoundError:
            known = [self.base_name, *self.personas.names(), AUTO]
            close = difflib.get_close_matches(model, known, n=3, cutoff=0.4)
            raise ModelNotFoundError(
                f"there is no model {model!r:.100}: did you mean {', '.join(close or known[:3])}?"
            ) from None
        if not persona.backend and persona.base_model != self.base.fingerprint:
            raise self.elsewhere(f"persona {model}", persona.base_model)
        genome = self._genome(persona.layers, persona.weights, persona.base_model)
        listings = (persona.listing,) if persona.listing else ()
        return Meant(model, genome, listings, backend=persona.backend, persona=persona)

    def _genome(self, digests: Sequence[str], weights: Sequence[float], base: str = "") -> Genome:
        """
        Args:
            base: Fingerprint; empty = the one that the server runs.
        """
        base = base or self.base.fingerprint
        try:
            refuse_revoked(self.home, digests)
        except ProvenanceError:
            self._revoked(digests)
            raise
        layers = tuple(self.library.get(digest) for digest in digests)
        for digest in digests:
            if (own := self.library.base_of(digest)) not in ("", base):
                raise self.elsewhere(f"layer {digest[:12]}", own)
        return Genome(base, layers, tuple(weights) or (1.0,) * len(layers))

    def elsewhere(self, what: str, fingerprint: str) -> GenomeError:
        """What is said of things for a base that this server does not run."""
        known = self.library.bases.names().get(fingerprint, fingerprint)
        return GenomeError(
            f"{what} is for base {known}, this server runs {self.base_name}:"
            f" `continuum serve --base {known}` runs that one"
        )

    def retrieves(self, meant: Meant) -> bool:
        """Whether a persona takes up a layer for each message, and there are any to be found."""
        own = meant.persona is not None and meant.persona.retrieves and not meant.backend
        return own and bool(self.library.encoder_id(self.base.fingerprint))

    def encoder(self) -> Any:
        """What encodes questions; loaded once, and again when another is chosen.

        Raises:
            LibraryError: Nothing was indexed yet.
        """
        with self._lock:
            chosen = self.library.encoder_id(self.base.fingerprint)
            if not chosen or self._encoder[0] != chosen:
                self._encoder = chosen, self.library.encoder(self.base)
            return self._encoder[1]

    def found(self, vectors: np.ndarray) -> Meant:
        """Who is meant by `auto`: the layer that knows most, if it is sure to be good at this.

        Args:
            vectors: (1, width), of the message.
        """
        fingerprint = self.base.fingerprint
        where, own = Filter(base_model=fingerprint), self.library.encoder_id(fingerprint)
        (found,) = self.library.search_vectors(vectors, own, where=where, k=8)
        sure = self.library.clear_match(fingerprint)
        why: dict[str, Any] = {"layer": None, "similarity": None, "sure_from": round(sure, 4)}
        for one in found:
            if one.similarity < sure:
                break
            try:
                genome = self._genome([one.digest], ())
            except (ProvenanceError, LibraryError):  # revoked, or gone meanwhile: the next one
                continue
            name = f"{one.manifest.name}@{one.manifest.version}"
            why |= {"layer": name, "digest": one.digest, "similarity": round(one.similarity, 4)}
            return Meant(f"{self.base_name}+{name}", genome, self._sold([one.digest]), why)
        if found:
            why |= {"similarity": round(found[0].similarity, 4)}
        return Meant(self.base_name, Genome(fingerprint), why=why)


def _weighed(part: str) -> tuple[float, str]:
    """The weight and the name in `0.5*name@version`."""
    weight, times, name = part.rpartition("*")
    try:
        found = float(weight) if times else 1.0
    except ValueError:
        found = float("nan")
    if not name or not abs(found) <= MOST_WEIGHT:
        raise ModelNotFoundError(
            f"{part!r:.100} is no layer: write NAME@VERSION or 0.5*NAME, with a weight of at most"
            f" {MOST_WEIGHT}"
        )
    return found, name
