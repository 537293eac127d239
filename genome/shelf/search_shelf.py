"""The searching side of a library: encoder, vectors, nearest layers, advice.

Nothing here loads torch, numpy or FAISS before something is searched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from genome.errors import LibraryError
from genome.files import write_atomically, write_json
from genome.shelf.manifest import Manifest
from genome.shelf.shelf import Shelf

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from genome.embedding import Encoder
    from genome.search.finder import Advice, Calibration, Finder
    from genome.search.index_filter import Filter
    from genome.search.question_encoder import QuestionEncoder, SentenceEncoder

ADVICE_FOLDER = "advice"
ENCODER_FOLDER = "encoders"
ENCODER_FILE = "encoder.safetensors"
"""Where a library kept its one encoder, for one base, before each base had its own."""
SENTENCES_FILE = "encoder.json"
CLEAR_MATCH = 0.1
"""Similarity from which a layer counts as able, if nothing has been calibrated."""
NOTHING_CAN = "nothing here can do this"
"""What is said first when no layer is known to be good at a question."""


@dataclass(frozen=True)
class Found:
    """One search result."""

    digest: str
    manifest: Manifest
    similarity: float
    """Cosine of question and layer vector."""


class SearchShelf(Shelf):
    """Finds layers by what they can do; `Library` adds what changes them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._encoder_ids: dict[Path, tuple[int, str]] = {}

    def save_encoder(self, encoder: QuestionEncoder | SentenceEncoder) -> None:
        """Search with this encoder from now on; vectors made with others are hidden.

        A base's own encoder is for the layers on that base, a sentence model for all.
        """
        from genome.search.question_encoder import QuestionEncoder

        chosen = self.folder / SENTENCES_FILE
        if isinstance(encoder, QuestionEncoder):
            own = self.folder / ENCODER_FOLDER / f"{encoder.base.fingerprint}.safetensors"
            write_atomically(own, encoder.save)
            chosen.unlink(missing_ok=True)
        else:
            write_json(chosen, {"path": encoder.path, "identity": encoder.identity})

    def encoder(self, base: Any) -> Encoder:
        """What encodes questions for the layers on a loaded base model.

        Raises:
            LibraryError: Its file or its model cannot be read.
        """
        from genome.search.question_encoder import QuestionEncoder, SentenceEncoder

        chosen = self._sentences()
        if not chosen:
            own = self._encoder_file(base.fingerprint)
            if not own.exists():
                raise LibraryError(
                    "no layer on this base was examined yet, so none can be found: run "
                    "`continuum layer reindex`"
                )
            return QuestionEncoder.load(base, own)
        encoder = SentenceEncoder(chosen["path"])
        if encoder.identity != chosen["identity"]:
            raise LibraryError(
                f"{chosen['path']} is another sentence model than the one the library was indexed "
                "with: run `continuum layer reindex --sentences FOLDER`, or minilm for FOLDER"
            )
        return encoder

    def _encoder_file(self, base_model: str) -> Path:
        own = self.folder / ENCODER_FOLDER / f"{base_model}.safetensors"
        old = self.folder / ENCODER_FILE
        return old if old.exists() and not own.parent.exists() else own

    def _sentences(self) -> dict[str, str]:
        """Path and identity of the sentence model in use; empty for the default encoder."""
        path = self.folder / SENTENCES_FILE
        try:
            data = json.loads(path.read_text())
            return {"path": str(data["path"]), "identity": str(data["identity"])}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            raise LibraryError(
                f"{path} cannot be read: delete it, or run `continuum layer reindex --sentences "
                "FOLDER`"
            ) from None

    @property
    def has_sentences(self) -> bool:
        """Whether a sentence model encodes questions, instead of the base model itself."""
        return (self.folder / SENTENCES_FILE).exists()

    def encoder_id(self, base_model: str) -> str:
        """16 hex digits that change with a base's encoder; empty if it has none."""
        chosen = self._sentences()
        return chosen["identity"] if chosen else self._id_of(self._encoder_file(base_model))

    def _id_of(self, path: Path) -> str:
        try:
            changed_ns = path.stat().st_mtime_ns
            if self._encoder_ids.get(path, (0, ""))[0] != changed_ns:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                self._encoder_ids[path] = (changed_ns, digest[:16])
            return self._encoder_ids[path][1]
        except FileNotFoundError:
            return ""

    def set_vector(
        self, digest: str, vector: np.ndarray, *, n_results: int, base_model: str = ""
    ) -> None:
        """Keep what a layer can do, as measured with the present encoder of a base.

        Args:
            vector: (width,) of unit length, from `genome.embedding.ability_vector`.
            n_results: How many exam results it rests on.
            base_model: Fingerprint; default the layer's own.

        Raises:
            LayerNotFoundError: There is no such layer.
            LibraryError: It is no vector, or not as wide as this encoder's others.
        """
        from genome.shelf.layer_vectors import put_vector

        self._check_there(digest)
        encoder = self.encoder_id(base_model or self.base_of(digest))
        with self._catalogue.write() as connection:
            put_vector(connection, digest, encoder, vector, n_results)

    def vector(self, digest: str, base_model: str = "") -> tuple[np.ndarray, int] | None:
        """A layer's vector (width,) float32 and the results behind it; None if it has none.

        Args:
            base_model: Fingerprint of the base whose encoder made it; default the layer's own.
        """
        from genome.shelf.layer_vectors import vector_of

        encoder = self.encoder_id(base_model or self.base_of(digest))
        with self._catalogue.read() as connection:
            return vector_of(connection, digest, encoder)

    @cached_property
    def _finder(self) -> Finder:
        from genome.search.finder import Finder  # loads FAISS

        return Finder(self._catalogue.read, self.folder / "index")

    def search_vectors(
        self, vectors: np.ndarray, encoder_id: str, *, where: Filter | None = None, k: int = 10
    ) -> list[list[Found]]:
        """The k layers nearest to each question vector among those a filter allows, best first."""
        found = self._finder.nearest(encoder_id, vectors, k, where)
        return [
            [Found(digest, self.manifest(digest), similarity) for digest, similarity in hits]
            for hits in found
        ]

    def search(
        self,
        query: str,
        *,
        encoder: Encoder,
        base_model: str,
        licences: Collection[str] | None = None,
        max_bytes: int | None = None,
        among: Collection[str] | None = None,
        unbound: bool = False,
        k: int = 10,
    ) -> list[Found]:
        """The k layers on one base most able to answer a question like this, best first.

        Conditions hold before the nearest are chosen, so that k are found if there are k.

        Args:
            encoder: Of that base, from `encoder`.
            unbound: Also layers that no known base runs, by their descriptions.
            among: Digests allowed, for what the library does not know, such as the price.
        """
        from genome.search.index_filter import Filter

        where = Filter(
            base_model=None if unbound else base_model,
            licences=None if licences is None else frozenset(licences),
            max_size_bytes=max_bytes,
            keys=None if among is None else frozenset(among),
        )
        found = self.encoder_id(base_model)
        return self.search_vectors(encoder.encode([query]), found, where=where, k=k)[0]

    # -- advice ----------------------------------------------------------------------------

    def save_calibration(self, calibration: Calibration) -> None:
        """Keep what `genome.search.finder.calibrate` found for an encoder."""
        write_json(self.folder / ADVICE_FOLDER / f"{calibration.encoder}.json", asdict(calibration))

    def calibration(self, base_model: str) -> Calibration:
        """The thresholds that `advise` goes by, for the layers on a base.

        Raises:
            LibraryError: There are none, or they were made with another encoder.
        """
        from genome.search.finder import Calibration

        encoder = self.encoder_id(base_model)
        path = self.folder / ADVICE_FOLDER / f"{encoder}.json"
        if not path.parent.exists():
            path = self.folder / f"{ADVICE_FOLDER}.json"  # from before each base had its own
        try:
            data = json.loads(path.read_text())
            found = Calibration(**{**data, "exams": tuple(data["exams"])})
        except (OSError, ValueError, KeyError, TypeError):
            known = {row.skill for row in self.find(base_model=base_model) if row.skill}
            if len(known) < 2:
                raise LibraryError(
                    "advice needs layers with receipts for two skills, and has them for "
                    f"{len(known)}: `continuum academy run smoke` makes some, then run `continuum "
                    "layer reindex`"
                ) from None
            raise LibraryError(
                f"{path} holds no thresholds for advice: run `continuum layer reindex`"
            ) from None
        if found.encoder != encoder:
            raise LibraryError(
                f"{path} was made with another encoder: run `continuum layer reindex`"
            )
        return found

    def clear_match(self, base_model: str) -> float:
        """Similarity from which a layer on a base is known to be good at a question.

        Search, advice and whoever buys or asks by search go by this one number: where advice says
        `reuse`.
        """
        try:
            return self.calibration(base_model).reuse
        except LibraryError:
            return CLEAR_MATCH

    def advise(self, question: str, *, encoder: Encoder, base_model: str) -> Advice:
        """Reuse the nearest layer, fork it, or mint a new one.

        Raises:
            LibraryError: No thresholds have been calibrated.
        """
        from genome.search.finder import Advice

        calibration = self.calibration(base_model)
        found = self.search(question, encoder=encoder, base_model=base_model, k=1)
        if not found:
            return Advice("mint", None, 0.0, "the library has no layer that could be searched")
        near = found[0]
        action = calibration.action(near.similarity)
        return Advice(
            action,
            None if action == "mint" else near.digest,
            near.similarity,
            f"{near.manifest.name} is nearest at {near.similarity:.2f}; reuse from "
            f"{calibration.reuse:.2f}, mint below {calibration.mint:.2f}",
        )
