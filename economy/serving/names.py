"""Which genome a request means by `model`.

ada                               a persona
smollm2                           the base alone
smollm2+sorter@2+0.5*polite       layers on it, first applied first, each with a weight or as is
auto                              the layer that knows most of this message; the base if none does
"""

from __future__ import annotations

import difflib
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from economy.revocations import refuse_revoked
from genome.base_model import BaseModel
from genome.errors import GenomeError, LibraryError
from genome.genome import Genome
from genome.library import Library
from marketplace.errors import ProvenanceError
from persona.errors import PersonaError, PersonaNotFoundError
from persona.persona import PersonaStore

AUTO = "auto"


class ModelNotFoundError(PersonaError):
    """A request names nobody who answers here."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Who is to answer."""

    name: str
    genome: Genome
    listing: str = ""
    """Of a market: what a message is charged by."""
    why: dict[str, Any] | None = None
    """Of `auto`: which layer was chosen, and by what."""


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
        for name in self.personas.names():
            persona = self.personas.load(name)
            if persona.base_model == self.base.fingerprint:
                facts.append(
                    self._facts(name, persona.description, persona.layers, persona.weights)
                )
        if self.library.encoder_id(self.base.fingerprint):
            facts.append(self._facts(AUTO, "whoever knows most of the message", (), ()))
        return facts

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

    def meant(self, model: str, message: str) -> Meant:
        """Who is meant.

        Args:
            message: What is asked, for `auto`.

        Raises:
            ModelNotFoundError: Nobody; the nearest names are told.
            ProvenanceError: A market revoked one of the layers.
            GenomeError: A layer is not here, or is of another base.
        """
        if model == AUTO:
            return self._found(message)
        base, *parts = model.split("+")
        if parts:
            if base not in (self.base_name, self.base.fingerprint):
                raise ModelNotFoundError(f"the base here is {self.base_name}, not {base!r}")
            weights, names = zip(*map(_weighed, parts), strict=True)
            digests = tuple(self.library.resolve(name) for name in names)
            return Meant(model, self._genome(digests, weights))
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
        genome = self._genome(persona.layers, persona.weights)
        return Meant(model, genome.on(self.base.fingerprint), persona.listing)

    def _genome(self, digests: Sequence[str], weights: Sequence[float]) -> Genome:
        try:
            refuse_revoked(self.home, digests)
        except ProvenanceError:
            self._revoked(digests)
            raise
        layers = tuple(self.library.get(digest) for digest in digests)
        for digest in digests:
            if (own := self.library.base_of(digest)) not in ("", self.base.fingerprint):
                known = self.library.bases.names().get(own, own)
                raise GenomeError(
                    f"layer {digest[:12]} is for base {known}, this server runs {self.base_name}:"
                    f" `continuum serve --base {known}` runs that one"
                )
        return Genome(self.base.fingerprint, layers, tuple(weights) or (1.0,) * len(layers))

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

    def _found(self, message: str) -> Meant:
        """The layer that knows most, if it is known to be good at such questions."""
        fingerprint = self.base.fingerprint
        found = self.library.search(message, encoder=self.encoder(), base_model=fingerprint, k=8)
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
            return Meant(f"{self.base_name}+{name}", genome, why=why)
        if found:
            why |= {"similarity": round(found[0].similarity, 4)}
        return Meant(self.base_name, Genome(fingerprint), why=why)


def _weighed(part: str) -> tuple[float, str]:
    """The weight and the name in `0.5*name@version`."""
    weight, times, name = part.rpartition("*")
    try:
        found = float(weight) if times else 1.0
    except ValueError:
        found = math.nan
    if not name or not math.isfinite(found):
        raise ModelNotFoundError(f"{part!r:.100} is no layer: write NAME@VERSION or 0.5*NAME")
    return found, name
